"""The first thing a console script runs: it can be stopped while its modules still load.

This module imports nothing but what Python has loaded anyway.
"""

import importlib
import os
import signal
import sys
from types import FrameType
from typing import NoReturn


def start(module: str) -> NoReturn:
    """Import ``module`` and run its ``main``; a SIGTERM or SIGINT before that exits with code 0."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    importlib.import_module(module).main()
    sys.exit(0)


def _stop(_number: int, _frame: FrameType | None) -> None:
    # Nothing is open yet. An exception could end up in the import of any library.
    os._exit(0)
