"""Faults ordered from the stub."""

import threading
from dataclasses import dataclass


@dataclass
class Fault:
    """How requests whose path holds ``path`` go wrong, ``times`` times.

    Attributes:
        path: part of the path, e.g. ``online_ingestion``.
        status: the answer's status; 0: no answer for ``hang_seconds``, then a closed connection.
        times: how many requests; afterwards all is well again.
        retry_after: seconds in the header Retry-After; None: no such header.
        message: what the backend says.
        hang_seconds: only with status 0.
        error_code: Hopsworks' own number of the error.
    """

    path: str
    status: int
    times: int = 1
    retry_after: int | None = None
    message: str = "ordered by the test"
    hang_seconds: float = 60
    error_code: int = 120_001


class Faults:
    """The faults still to come."""

    def __init__(self) -> None:
        self._ordered: list[Fault] = []
        self._lock = threading.Lock()

    def order(self, fault: Fault) -> None:
        """Let the next requests to the fault's path go wrong."""
        with self._lock:
            self._ordered.append(fault)

    def next_for(self, path: str) -> Fault | None:
        """Return the fault of a request that has just come, and count it."""
        with self._lock:
            for fault in self._ordered:
                if fault.times > 0 and fault.path in path:
                    fault.times -= 1
                    return fault
        return None
