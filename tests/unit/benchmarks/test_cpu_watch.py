"""How busy processes are."""

import os
import time

from benchmarks.measuring.cpu import OTHERS, CpuWatch


def test_work_of_a_watched_process_is_its_own() -> None:
    watch = CpuWatch({"this": os.getpid()})
    until = time.process_time() + 0.3
    while time.process_time() < until:
        pass
    watch.sample()
    busy = watch.busy()
    assert set(busy) == {"this", OTHERS}
    assert busy["this"].mean > 0
    assert 0 < watch.machine().mean <= 1.1
