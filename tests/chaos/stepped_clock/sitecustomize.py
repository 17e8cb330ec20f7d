"""Gives a service a wall clock that the run can step; Python imports this before anything else.

Only what Python code reads of the wall clock moves, by the seconds in the file CHAOS_CLOCK. Waits
of the system and of librdkafka go on as they do when an administrator sets a machine's clock:
they count on another one.
"""

import os
import time
from pathlib import Path

_FILE = Path(os.environ["CHAOS_CLOCK"])
_true_ns = time.time_ns


def _time_ns() -> int:
    return _true_ns() + int(float(_FILE.read_text()) * 1e9)


def _time() -> float:
    return _time_ns() / 1e9


time.time_ns = _time_ns
time.time = _time
