"""Writes `docs/settings.md` and the known names: ``python -m local_stack.settings_table``."""

import re
from collections import defaultdict
from pathlib import Path

from local_stack.env_example import settings_classes
from ohlc_core.service.command_line import default_text, title
from ohlc_core.service.settings import documented

_ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = _ROOT / "docs" / "settings.md"
KNOWN = _ROOT / "libs" / "ohlc_core" / "service" / "known_settings.py"
_ENV_EXAMPLE = _ROOT / ".env.example"
_NAME = re.compile(r"^#?([A-Z][A-Z0-9_]+)=", re.MULTILINE)

_HEAD = """\
# Settings

Environment variables, or lines of a file `.env` in the working folder; each is an option of the
services' command lines too (`LOG_LEVEL=DEBUG` is `--log-level DEBUG`), and an option wins over the
environment, that over `.env`. An empty value counts as unset. A wrong value ends a service at once
with one line and exit code 2. Written by `make settings` from the code.

What only the compose files read is at the end of [.env.example](../.env.example).
"""
_READERS = {
    "trade_producer.settings": "producer",
    "trade_replayer.settings": "replayer",
    "ohlc_backfill.verify": "verify",
    "ohlc_backfill.settings": "replayer",
    "ohlc_aggregator.settings": "aggregator",
    "feature_writer.settings": "writer",
    "exchange_simulator.settings": "simulator",
    "local_stack.settings": "local stack",
    "dashboard.settings": "dashboard",
}


def settings_document() -> str:
    """Return the document: every setting by group, its default, what it means, who reads it."""
    sections = [_HEAD]
    seen: set[str] = set()
    readers = _readers()
    for settings in settings_classes():
        new = [name for name in settings.model_fields if name not in seen]
        seen.update(new)
        if not new:
            continue
        lines = [f"## {title(settings)}", "", "| setting | default | meaning | read by |"]
        lines.append("|---|---|---|---|")
        for name in new:
            field = settings.model_fields[name]
            default = default_text(field)
            shown = f"`{default}`" if default else ""
            meaning = (field.description or "").replace("|", "\\|")
            lines.append(f"| `{name.upper()}` | {shown} | {meaning} | {', '.join(readers[name])} |")
        sections.append("\n".join(lines) + "\n")
    return "\n".join(sections)


def known_settings() -> str:
    """Return the module with all names, those of the compose files included."""
    names = set(documented(settings_classes())) | set(
        _NAME.findall(_ENV_EXAMPLE.read_text("utf-8"))
    )
    lines = "".join(f'        "{name}",\n' for name in sorted(names))
    return (
        '"""The names of all settings. Written by `make settings`; do not edit."""\n\n'
        f"KNOWN_SETTINGS = frozenset(\n    {{\n{lines}    }}\n)\n"
    )


def _readers() -> dict[str, list[str]]:
    readers: dict[str, list[str]] = defaultdict(list)
    for settings in settings_classes():
        reader = _READERS.get(settings.__module__)
        for name in settings.model_fields if reader is not None else ():
            if reader is not None and reader not in readers[name]:
                readers[name].append(reader)
    return readers


def main() -> None:
    """Write both files."""
    DOCUMENT.write_text(settings_document(), encoding="utf-8")
    KNOWN.write_text(known_settings(), encoding="utf-8")


if __name__ == "__main__":
    main()
