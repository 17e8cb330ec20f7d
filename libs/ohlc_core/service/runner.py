"""The frame every service runs in: settings, logs, signals, exit codes.

Exit codes: 0 done, or stopped by SIGTERM or SIGINT after flushing; 2 wrong settings; 1 anything
it could not recover from.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import NoReturn, TypeVar

from loguru import logger
from prometheus_client import REGISTRY

from ohlc_core.errors import (
    FatalError as FatalError,  # noqa: PLC0414 - imported from here until all have moved
)
from ohlc_core.errors import PipelineError, SettingsError, StoppedError
from ohlc_core.service.clean_text import clean
from ohlc_core.service.command_line import answer
from ohlc_core.service.garbage import collect_rarely
from ohlc_core.service.health import Health
from ohlc_core.service.health_metrics import add_health
from ohlc_core.service.http_server import serve
from ohlc_core.service.logs import configure_logs
from ohlc_core.service.setting_groups import ObservabilitySettings
from ohlc_core.service.settings import load, misspelt
from ohlc_core.service.status import Status
from ohlc_core.service.watchdog import Watchdog

S = TypeVar("S", bound=ObservabilitySettings)


class Runtime:
    """What the frame hands to a service.

    Attributes:
        stop: set once SIGTERM or SIGINT arrived: finish the work at hand, flush and return.
        health: declare parts and note their progress here.
        status: what ``/status`` says: keep it up to date.
    """

    def __init__(self, name: str = "") -> None:
        self.stop = threading.Event()
        self.health = Health()
        self.status = Status(name)


def run_service(name: str, settings_type: type[S], run: Callable[[S, Runtime], None]) -> NoReturn:
    """Read settings, run the service, and exit the process with the contract's code.

    ``run`` returns when it is done or soon after ``Runtime.stop`` is set. SettingsError raised
    late (e.g. a product the exchange does not know) still means exit code 2.
    """
    sys.exit(_exit_code(name, settings_type, run))


def _exit_code(name: str, settings_type: type[S], run: Callable[[S, Runtime], None]) -> int:
    runtime = Runtime(name)
    _stop_on_signals(runtime)
    # Data, state and logs are the user's alone.
    os.umask(0o077)
    arguments = sys.argv[1:]
    if (text := answer(name, settings_type, arguments)) is not None:
        sys.stdout.write(text)
        return 0
    try:
        settings = load(settings_type, arguments)
        configure_logs(name, settings)
        for line in misspelt():
            logger.warning("{}", line)
        _serve_metrics(settings, runtime)
        collect_rarely()
        with Watchdog(runtime.health, runtime.stop).watching():
            run(settings, runtime)
    except SettingsError as error:
        sys.stderr.write(f"{name}: wrong setting: {clean(str(error))}\n")
        return 2
    except StoppedError as error:
        logger.info("{}", error)
    except PipelineError as error:
        logger.error("{}", error)
        return 1
    except Exception:  # the last resort: anything else is a defect, logged with its traceback
        logger.exception("unexpected error")
        return 1
    return 0


def _stop_on_signals(runtime: Runtime) -> None:
    def stop(number: int, _frame: FrameType | None) -> None:
        runtime.stop.set()

    # Python runs a handler between two of its own steps. A main thread that waits in a library,
    # for a broker that is cut off, takes none for a minute: so a thread notices the signal, too.
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    threading.Thread(
        target=_notice, args=(runtime.stop, reading), name="signals", daemon=True
    ).start()
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)


def _notice(stop: threading.Event, reading: int) -> None:
    while True:
        for number in os.read(reading, 64):
            if number in (signal.SIGTERM, signal.SIGINT):
                stop.set()


def _serve_metrics(settings: ObservabilitySettings, runtime: Runtime) -> None:
    if settings.metrics_port is None:
        return
    try:
        server = serve(
            runtime.health,
            settings.metrics_host,
            settings.metrics_port,
            status=runtime.status,
        )
    except OSError as error:
        raise SettingsError(
            f"METRICS_PORT was {settings.metrics_port} at METRICS_HOST {settings.metrics_host!r} "
            f"({error.strerror}); allowed: a free port, or 0 for any, at an address of this machine"
        ) from None
    add_health(REGISTRY, runtime.health, runtime.status.service)
    logger.info(
        "metrics and health at http://{}:{}/", settings.metrics_host, server.server_address[1]
    )
