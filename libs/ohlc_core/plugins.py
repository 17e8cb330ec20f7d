"""What other packages add: exchanges, sources of history and feature stores, by entry point.

A package names what it adds in its own metadata; whoever installs it beside the product can use
the name in the settings. Nothing of it is imported before its name is used (docs/plugins.md).
"""

from collections.abc import Callable
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from ohlc_core.errors import SettingsError

#: The groups of entry points.
EXCHANGES = "ohlc_pipeline.exchanges"
SOURCES = "ohlc_pipeline.sources"
STORES = "ohlc_pipeline.stores"


@cache
def _added(group: str) -> dict[str, EntryPoint]:
    return {each.name: each for each in entry_points(group=group)}


def plugin_names(group: str) -> tuple[str, ...]:
    """Return the names that installed packages add to a group, sorted."""
    return tuple(sorted(_added(group)))


def is_plugin(group: str, name: str) -> bool:
    """Return whether an installed package adds the name to a group."""
    return name in _added(group)


def load_plugin(group: str, name: str) -> Any:  # noqa: ANN401 - each group says what it expects
    """Return what a package adds under the name.

    Raises:
        KeyError: no package adds it.
        SettingsError: it cannot be imported; the text names the package.
    """
    entry = _added(group)[name]
    try:
        return entry.load()
    except Exception as error:
        package = entry.dist.name if entry.dist else entry.value
        why = " ".join(str(error).split()) or type(error).__name__
        raise SettingsError(
            f"{name} of the package {package} cannot be imported ({why}); reinstall or remove it"
        ) from None


def one_of(built_in: tuple[str, ...], group: str, what: str) -> Callable[[str], str]:
    """Return a validator of settings that takes built-in names and those of packages."""

    def check(name: str) -> str:
        if name not in built_in and not is_plugin(group, name):
            added = plugin_names(group)
            more = f"; installed packages add {', '.join(added)}" if added else ""
            raise ValueError(f"there is no such {what}{more}")
        return name

    return check
