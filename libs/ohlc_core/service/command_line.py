"""What a service's command line says: ``--help`` and ``--version``; settings are options."""

import textwrap
from collections.abc import Iterator
from typing import Any

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from ohlc_core.service.settings import EnvSettings
from ohlc_core.version import __version__

_WIDTH = 96
_SOURCES = (
    "Each setting is an environment variable, a line in the file .env, or an option: "
    "LOG_LEVEL=DEBUG is --log-level DEBUG. An option wins over the environment, and that over "
    ".env. Give secrets by the environment: other users can see options."
)
_EXIT_CODES = (
    "Exit codes: 0 done, or stopped by SIGTERM or Ctrl-C; 2 wrong settings; 1 any other error."
)


def answer(name: str, settings_type: type[EnvSettings], arguments: list[str]) -> str | None:
    """Return what ``--help`` or ``--version`` prints; None where neither was given."""
    if "--version" in arguments:
        return f"{name} {__version__}\n"
    if "--help" in arguments or "-h" in arguments:
        return help_text(name, settings_type)
    return None


def help_text(name: str, settings_type: type[EnvSettings]) -> str:
    """Return purpose, settings by group with defaults, an example and the exit codes."""
    lines = [f"usage: {name} [--SETTING VALUE ...] [--help] [--version]", ""]
    lines += [*_wrapped(title(settings_type).partition(": ")[2]), "", *_wrapped(_SOURCES), ""]
    for heading, fields in grouped(settings_type):
        lines.append(f"{heading}:")
        for field_name, field in fields.items():
            lines.append(f"  --{field_name.replace('_', '-')}")
            default = default_text(field)
            shown = f" [default: {default}]" if default else ""
            lines += _wrapped(f"{field.description}{shown}", "      ")
        lines.append("")
    if settings_type.example:
        lines += ["Example:", f"  {settings_type.example}", ""]
    return "\n".join([*lines, *_wrapped(_EXIT_CODES)]) + "\n"


def grouped(settings_type: type[EnvSettings]) -> Iterator[tuple[str, dict[str, FieldInfo]]]:
    """Yield the heading and the fields of each group, the service's own first."""
    for group in settings_type.__mro__:
        own = getattr(group, "__annotations__", {})
        fields = {name: field for name, field in settings_type.model_fields.items() if name in own}
        if fields and issubclass(group, EnvSettings):
            yield ("Its own" if group is settings_type else title(group)), fields


def title(settings_type: type[EnvSettings]) -> str:
    """Return the first line of the class's docstring."""
    return (settings_type.__doc__ or settings_type.__name__).splitlines()[0].rstrip(".")


def default_text(field: FieldInfo) -> str:
    """Return a setting's default as it would stand in an environment variable."""
    default: Any = field.default
    if default is None or field.is_required() or isinstance(default, SecretStr):
        return ""
    if isinstance(default, tuple):
        return ",".join(default)
    return str(default).lower() if isinstance(default, bool) else f"{default}"


def _wrapped(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(
        text, _WIDTH, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
    )
