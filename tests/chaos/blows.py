"""Dealing the blows of a plan to a running pipeline."""

import shutil
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

from chaos.pipeline import Pipeline, locked_store
from chaos.plan import Blow


class Blows:
    """Deals blows, ends those that last, and says what became of services.

    Attributes:
        dealt: how many of each kind.
        problems: what no blow excuses, such as a wrong exit code.
    """

    def __init__(self, running: Pipeline) -> None:
        self._running = running
        self._ends: list[tuple[float, Callable[[], object]]] = []
        self.dealt: Counter[str] = Counter()
        self.problems: list[str] = []

    def deal(self, blow: Blow) -> None:
        """Deal one; one that lasts goes on after this returns."""
        self.dealt[blow.kind] += 1
        getattr(self, f"_{blow.kind}")(blow)

    def look(self) -> None:
        """End what is over, and start again what has ended."""
        self._end_due(time.monotonic())
        self._running.revive()

    def end(self) -> None:
        """End everything that lasts."""
        self._end_due(float("inf"))

    def _lasts(self, blow: Blow, end: Callable[[], object]) -> None:
        self._ends.append((time.monotonic() + blow.seconds, end))

    def _end_due(self, now: float) -> None:
        due = [end for at, end in self._ends if at <= now]
        self._ends = [each for each in self._ends if each[0] > now]
        for end in due:
            end()

    def _kill(self, blow: Blow) -> None:
        self._running.process(blow.target).kill()
        self._running.start(blow.target)

    def _lose_state(self, _blow: Blow) -> None:
        for name in self._running.names():
            if name.startswith("aggregator"):
                self._running.process(name).kill()
                shutil.rmtree(self._running.disks["state"].folder / name, ignore_errors=True)
                self._running.start(name)

    def _stop(self, blow: Blow) -> None:
        script = self._running.process(blow.target)
        before = len(script.log_lines())
        code = script.stop(45)
        # Before Python runs our code, nobody handles SIGTERM.
        unheard = code == -15 and len(script.log_lines()) == before
        if code not in (0, 1) and not unheard:
            self.problems.append(f"{blow.target} ended with {code} after SIGTERM")
        self._running.start(blow.target)

    def _freeze(self, blow: Blow) -> None:
        process = self._running.process(blow.target)
        process.pause()
        self._lasts(blow, process.resume)

    def _scale(self, _blow: Blow) -> None:
        if "aggregator-2" in self._running.names():
            self._running.remove("aggregator-2")
        else:
            self._running.start("aggregator-2")

    def _broker_restart(self, _blow: Blow) -> None:
        self._connect_broker()
        self._running.broker.restart()

    def _broker_kill(self, _blow: Blow) -> None:
        self._connect_broker()
        self._running.broker.kill()
        self._running.broker.start()

    def _connect_broker(self) -> None:
        """Let a broker that starts be seen to answer."""
        self._running.broker.resume()
        self._running.network.heal(self._running.broker_port)

    def _broker_freeze(self, blow: Blow) -> None:
        self._running.broker.pause()
        self._lasts(blow, self._running.broker.resume)

    def _cut_exchange(self, blow: Blow) -> None:
        self._cut(blow, self._running.exchange_port)

    def _cut_broker(self, blow: Blow) -> None:
        self._cut(blow, self._running.broker_port)

    def _cut(self, blow: Blow, port: int) -> None:
        self._running.network.cut(port)
        self._lasts(blow, partial(self._running.network.heal, port))

    def _store_lock(self, blow: Blow) -> None:
        lock = ExitStack()
        try:
            lock.enter_context(locked_store(self._running))
        except Exception:  # the store is away, full, or not made yet: there is nothing to lock
            self.dealt[blow.kind] -= 1
            return
        self._lasts(blow, lock.close)

    def _store_away(self, blow: Blow) -> None:
        server = self._running.postgres
        assert server is not None
        if server.is_running:
            server.crash()
            self._lasts(blow, server.start)

    def _disk_full(self, blow: Blow) -> None:
        disk = self._running.disks[blow.target]
        disk.fill()
        self._lasts(blow, disk.free)

    def _clock_step(self, blow: Blow) -> None:
        self._running.set_clock(blow.target, blow.seconds)
