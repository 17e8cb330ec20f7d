"""One log format for every service: text for people, JSON lines for machines, on stderr."""

import json
import logging
import sys
import traceback
from typing import TYPE_CHECKING, Any

from loguru import logger

from ohlc_core.service.setting_groups import ObservabilitySettings

if TYPE_CHECKING:
    from loguru import Message

_TEXT = (
    "<green>{time:YYYY-MM-DDTHH:mm:ss.SSS!UTC}Z</green> <level>{level: <7}</level> "
    "{extra[service]}: {message}"
)


class _StandardLibraryHandler(logging.Handler):
    """Sends the records of libraries that use ``logging`` the same way."""

    def emit(self, record: logging.LogRecord) -> None:
        logger.opt(exception=record.exc_info).log(record.levelname, record.getMessage())


def _json_sink(message: "Message") -> None:
    record = message.record
    line: dict[str, Any] = {
        "time": record["time"].isoformat(),
        "level": record["level"].name,
        "message": record["message"],
        **record["extra"],
    }
    if record["exception"] is not None and record["exception"].value is not None:
        line["exception"] = "".join(traceback.format_exception(record["exception"].value))
    sys.stderr.write(json.dumps(line, default=str, ensure_ascii=False) + "\n")


def configure_logs(service: str, settings: ObservabilitySettings) -> None:
    """Send all logs of this process to stderr in the configured format and level."""
    logger.remove()
    logger.configure(extra={"service": service})
    if settings.log_format == "json":
        logger.add(_json_sink, level=settings.log_level, diagnose=False)
    else:
        # diagnose=False: tracebacks must not print the values of variables, secrets among them.
        logger.add(sys.stderr, level=settings.log_level, format=_TEXT, diagnose=False)
    logging.basicConfig(handlers=[_StandardLibraryHandler()], level=logging.WARNING, force=True)
