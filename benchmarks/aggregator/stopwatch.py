"""Times a rival from the first record it handles to the last, and prints one line of JSON."""

import json
import os
import resource
import time


class Stopwatch:
    """Wall and CPU time of this process between two records, and its greatest memory."""

    def __init__(self, expected: int) -> None:
        self.expected = expected
        self.seen = 0
        self._wall = self._cpu = self._end = 0.0

    def record(self) -> bool:
        """Note a record; return whether it was the last one."""
        if self.seen == 0:
            self._wall, self._cpu = time.perf_counter(), time.process_time()
        self.seen += 1
        self._end = time.perf_counter()
        return self.seen == self.expected

    def report(self) -> None:
        """Print the figures: wall to the last record, CPU to now, peak memory."""
        figures = {
            "records": self.seen,
            "wall_s": round(self._end - self._wall, 3),
            "cpu_s": round(time.process_time() - self._cpu, 3),
            "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
            "pid": os.getpid(),
        }
        print(json.dumps(figures), flush=True)
