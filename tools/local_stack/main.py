"""The ``local-stack`` command, behind ``make demo``, ``run``, ``debug``, ``backfill``, ``consume``.

Exit codes as every service's: 0 done or stopped, 2 wrong settings, 1 anything else.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from local_stack.backfill import run_backfill
from local_stack.consume import consume
from local_stack.errors import StackError
from local_stack.live import run_live
from local_stack.settings import StackSettings
from local_stack.status import print_status
from local_stack.stopping import StopRequest
from ohlc_core.errors import PipelineError, SettingsError
from ohlc_core.service.clean_text import clean
from ohlc_core.service.settings import load
from ohlc_core.version import __version__


def main() -> NoReturn:
    """Run the command."""
    sys.exit(_exit_code(_parsed(sys.argv[1:])))


def _exit_code(arguments: argparse.Namespace) -> int:
    # Data, state and logs are the user's alone.
    os.umask(0o077)
    stop = StopRequest(with_parent=arguments.stop_with_parent)
    try:
        return _run(arguments, load(StackSettings), stop)
    except SettingsError as error:
        sys.stderr.write(f"local-stack: wrong setting: {clean(str(error))}\n")
        return 2
    except StackError as error:
        lines = str(error).split("\n")
        sys.stderr.write("local-stack: " + "\n".join(clean(line) for line in lines) + "\n")
        return error.exit_code
    except PipelineError as error:
        sys.stderr.write(f"local-stack: {clean(str(error))}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("local-stack: ended at once, as asked\n")
        return 1


def _run(arguments: argparse.Namespace, settings: StackSettings, stop: StopRequest) -> int:
    if arguments.command == "backfill":
        return run_backfill(settings, stop)
    if arguments.command == "status":
        return print_status(settings)
    if arguments.command == "consume":
        consume(settings, arguments.topic, stop, from_end=arguments.from_end, raw=arguments.raw)
    else:
        run_live(arguments.command, settings, stop)
    return 0


def _parsed(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="local-stack", description="The whole pipeline on this machine, without Docker."
    )
    parser.add_argument("--version", action="version", version=f"local-stack {__version__}")
    parser.add_argument("--stop-with-parent", action="store_true", help=argparse.SUPPRESS)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, what in (
        ("demo", "on a simulated exchange: no Docker, account or internet"),
        ("run", "live from the exchange"),
        ("debug", "live, with the feature store's rows on the screen"),
        ("backfill", "history (FROM_DAY, TO_DAY) into the feature store"),
    ):
        command = commands.add_parser(name, help=what)
        command.add_argument("--stop-with-parent", action="store_true", help=argparse.SUPPRESS)
    commands.add_parser("status", help="what runs, where, how far behind, what is wrong")
    command = commands.add_parser("consume", help="print the records of a topic")
    command.add_argument("topic", nargs="?", default="ohlc")
    command.add_argument("--from-end", action="store_true", help="only records that are to come")
    command.add_argument("--raw", action="store_true", help="records as they are on the topic")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
