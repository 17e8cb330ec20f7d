"""Writes ``.env.example`` from the settings classes: ``python -m local_stack.env_example``.

What stands there from the line ``# --- Docker`` on is kept.
"""

import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path

from pydantic.fields import FieldInfo

from ohlc_core.service.command_line import default_text, title
from ohlc_core.service.settings import EnvSettings

_MODULES = (
    "ohlc_core.service.setting_groups",
    "ohlc_exchanges.settings",
    "trade_producer.settings",
    "ohlc_aggregator.settings",
    "ohlc_features.settings",
    "feature_writer.settings",
    "dashboard.settings",
    "ohlc_history.settings",
    "trade_replayer.settings",
    "ohlc_backfill.verify",
    "exchange_simulator.settings",
    "local_stack.settings",
)
_HEAD = """\
# Every setting, with its default. Copy this file to .env and change what you need; an environment
# variable of the same name wins. Written by `make settings` from the services' settings.
"""
_KEPT_FROM = "# --- Docker"


def settings_classes() -> list[type[EnvSettings]]:
    """Return every settings class of the project, the shared groups first."""
    return [
        settings
        for name in _MODULES
        for settings in vars(importlib.import_module(name)).values()
        if inspect.isclass(settings)
        and issubclass(settings, EnvSettings)
        and settings.__module__ == name
    ]


def env_example(kept: str = "") -> str:
    """Return the file's text; ``kept`` is what stands in it by hand."""
    sections = [_HEAD]
    shown: set[str] = set()
    for settings in settings_classes():
        own = [name for name in settings.__annotations__ if name in settings.model_fields]
        new = [name for name in own if name not in shown]
        shown.update(new)
        if new:
            lines = [f"# --- {title(settings)}"]
            for name in new:
                lines += _setting(name, settings.model_fields[name])
            sections.append("\n".join(lines) + "\n")
    return "\n".join(sections) + (f"\n{kept}" if kept else "")


def kept_part(text: str) -> str:
    """Return what stands in the file by hand."""
    _, found, rest = text.partition(_KEPT_FROM)
    return found + rest


def _setting(name: str, field: FieldInfo) -> Iterator[str]:
    yield f"# {field.description}"
    yield f"#{name.upper()}={default_text(field)}"


def main() -> None:
    """Write the file."""
    path = Path(__file__).resolve().parents[2] / ".env.example"
    kept = kept_part(path.read_text("utf-8")) if path.exists() else ""
    path.write_text(env_example(kept), encoding="utf-8")


if __name__ == "__main__":
    main()
