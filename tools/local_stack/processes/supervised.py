"""A service that is started again when it dies, until that helps no more."""

import re
import time
from collections import deque
from collections.abc import Callable

from local_stack.processes.managed import ManagedProcess
from ohlc_core.errors import PipelineError

_MOST_RESTARTS = 5
_WITHIN_SECONDS = 120.0
_FIRST_WAIT_SECONDS = 1.0
_LONGEST_WAIT_SECONDS = 15.0

#: A service that fails twice in the same words, so soon after its start, will fail again.
_SOON_SECONDS = 10.0
_NUMBER = re.compile(r"\d+")

#: Every service's exit code for what it cannot recover from.
_FATAL = 1

#: Every service's exit code for settings that are wrong: starting it again would not help.
WRONG_SETTINGS = 2


class GaveUpError(PipelineError):
    """A service ended and will not be started again.

    Attributes:
        exit_code: the service's own.
    """

    def __init__(self, text: str, exit_code: int) -> None:
        super().__init__(text)
        self.exit_code = exit_code


class SupervisedProcess:
    """Watches one process; call `check` often.

    Args:
        process: started by its owner.
        say: called with one line for every death and restart.
        monotonic: seconds from any fixed moment, never going back.
    """

    def __init__(
        self,
        process: ManagedProcess,
        say: Callable[[str], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.process = process
        self._say = say
        self._monotonic = monotonic
        self._restarts: deque[float] = deque(maxlen=_MOST_RESTARTS)
        self._start_at: float | None = None
        self._started = monotonic()
        self._last_words = ""

    @property
    def name(self) -> str:
        """The service's name."""
        return self.process.name

    def check(self) -> None:
        """Start the process again when it has died and its wait is over.

        Raises:
            GaveUpError: its settings are wrong, it failed twice in the same words, or
                died too often; with the end of its log.
        """
        if self.process.is_running:
            return
        now = self._monotonic()
        if self._start_at is None:
            self._start_at = now + self._wait_before_restart(now)
        elif now >= self._start_at:
            self._start_at = None
            self._restarts.append(now)
            self._started = now
            self.process.start()
            self._say(f"{self.name} runs again")

    def _wait_before_restart(self, now: float) -> float:
        code = self.process.exit_code() or 0
        recent = [when for when in self._restarts if now - when < _WITHIN_SECONDS]
        if code == WRONG_SETTINGS:
            raise GaveUpError(f"{self.name} was given wrong settings; {self.process.log_end()}", 2)
        if code == _FATAL and self._fails_the_same_again(now):
            raise GaveUpError(
                f"{self.name} failed twice in the same way; {self.process.log_end(1)}", code
            )
        if len(recent) == _MOST_RESTARTS:
            raise GaveUpError(
                f"{self.name} died {_MOST_RESTARTS + 1} times within {_WITHIN_SECONDS:g} s; "
                f"{self.process.log_end()}",
                code,
            )
        wait = min(_LONGEST_WAIT_SECONDS, _FIRST_WAIT_SECONDS * float(2 ** len(recent)))
        ended = f"by signal {-code}" if code < 0 else f"with exit code {code}"
        self._say(
            f"{self.name} ended {ended}, starting it again in {wait:g} s; {self.process.log_end(5)}"
        )
        return wait

    def _fails_the_same_again(self, now: float) -> bool:
        if now - self._started > _SOON_SECONDS:
            self._last_words = ""
            return False
        words = _NUMBER.sub("#", (self.process.log_lines() or [""])[-1])
        is_same = words == self._last_words != ""
        self._last_words = words
        return is_same
