"""One log format for every service: text for people, JSON lines for machines, on stderr."""

import json
import logging
import sys
import traceback
from typing import TYPE_CHECKING, Any

from loguru import logger

from ohlc_core.service.clean_text import clean
from ohlc_core.service.setting_groups import ObservabilitySettings

if TYPE_CHECKING:
    from loguru import Message, Record

_TEXT = (
    "<green>{time:YYYY-MM-DDTHH:mm:ss.SSS!UTC}Z</green> <level>{level: <7}</level> "
    "{extra[service]}: {message}{extra[exception]}\n"
)
# Indented, so that no line of an error's text looks like a record of the log.
_INDENT = "\n    "


class _StandardLibraryHandler(logging.Handler):
    """Sends the records of libraries that use ``logging`` the same way."""

    def emit(self, record: logging.LogRecord) -> None:
        logger.opt(exception=record.exc_info).log(record.levelname, record.getMessage())


def _clean(record: "Record") -> None:
    """Make the message and the traceback safe to show, whatever they quote from outside."""
    record["message"] = clean(record["message"])
    lines: list[str] = []
    if record["exception"] is not None and record["exception"].value is not None:
        # Without the values of variables, secrets among them.
        for part in traceback.format_exception(record["exception"].value):
            lines += [clean(line) for line in part.splitlines()]
        record["exception"] = None
    record["extra"]["exception"] = "".join(_INDENT + line for line in lines)


def _json_sink(message: "Message") -> None:
    record = message.record
    extra = {name: value for name, value in record["extra"].items() if value != ""}
    line: dict[str, Any] = {
        "time": record["time"].isoformat(),
        "level": record["level"].name,
        "message": record["message"],
        **extra,
    }
    sys.stderr.write(json.dumps(line, default=str) + "\n")


def configure_logs(service: str, settings: ObservabilitySettings) -> None:
    """Send all logs of this process to stderr in the configured format and level."""
    logger.remove()
    logger.configure(extra={"service": service}, patcher=_clean)
    if settings.log_format == "json":
        logger.add(_json_sink, level=settings.log_level, diagnose=False)
    else:
        logger.add(sys.stderr, level=settings.log_level, format=lambda _: _TEXT, diagnose=False)
    logging.basicConfig(handlers=[_StandardLibraryHandler()], level=logging.WARNING, force=True)
