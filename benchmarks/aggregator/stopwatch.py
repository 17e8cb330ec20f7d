"""Times a rival from the first record it handles to the last, and prints one line of JSON."""

import json
import resource
import time

import psutil


class Stopwatch:
    """Wall and CPU time of this process between two records, and its greatest memory."""

    def __init__(self, expected: int) -> None:
        self.expected = expected
        self.seen = 0
        self._wall = self._cpu = self._end = 0.0
        self._process = psutil.Process()
        self._quarter = max(1, expected // 4)
        self._resident: list[int] = []

    def record(self) -> bool:
        """Note a record; return whether it was the last one."""
        if self.seen == 0:
            self._wall, self._cpu = time.perf_counter(), time.process_time()
        self.seen += 1
        if self.seen % self._quarter == 0:
            self._resident.append(self._process.memory_info().rss >> 20)
        self._end = time.perf_counter()
        return self.seen == self.expected

    def report(self) -> None:
        """Print the figures: wall to the last record, CPU to now, peak memory."""
        figures = {
            "records": self.seen,
            "wall_s": round(self._end - self._wall, 3),
            "cpu_s": round(time.process_time() - self._cpu, 3),
            "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
            "resident_mb": self._resident,
        }
        print(json.dumps(figures), flush=True)
