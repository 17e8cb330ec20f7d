"""Writes the README's table of settings: ``python -m local_stack.settings_table``."""

from collections import defaultdict
from pathlib import Path

from pydantic.fields import FieldInfo

from local_stack.env_example import default_text, settings_classes

README = Path(__file__).resolve().parents[2] / "README.md"
BEGIN = "<!-- settings: written by `make env-example` -->\n"
END = "<!-- end of settings -->\n"

_READERS = {
    "trade_producer.settings": "producer",
    "trade_replayer.settings": "replayer",
    "ohlc_backfill.verify": "verify",
    "ohlc_backfill.settings": "replayer",
    "ohlc_aggregator.settings": "aggregator",
    "feature_writer.settings": "writer",
    "exchange_simulator.settings": "simulator",
    "local_stack.settings": "make",
}


def settings_table() -> str:
    """Return the table: every setting, its default, what is allowed, who reads it."""
    readers: dict[str, list[str]] = defaultdict(list)
    fields: dict[str, FieldInfo] = {}
    for settings in settings_classes():
        reader = _READERS.get(settings.__module__)
        for name, field in settings.model_fields.items():
            fields.setdefault(name, field)
            if reader is not None and reader not in readers[name]:
                readers[name].append(reader)
    lines = ["| setting | default | allowed | read by |", "|---|---|---|---|"]
    for name, field in fields.items():
        default = default_text(field)
        allowed = (field.description or "").replace("|", "\\|")
        shown = f"`{default}`" if default else ""
        lines.append(f"| `{name.upper()}` | {shown} | {allowed} | {', '.join(readers[name])} |")
    return "\n".join(lines) + "\n"


def with_table(text: str) -> str:
    """Return the README's text with the table as it should be.

    Raises:
        ValueError: the marks of the table are not in the text.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"README.md lacks the lines {BEGIN.strip()!r} and {END.strip()!r}")
    return before + BEGIN + settings_table() + END + after


def main() -> None:
    """Write the table into the README."""
    README.write_text(with_table(README.read_text("utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
