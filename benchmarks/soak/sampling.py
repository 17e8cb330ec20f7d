"""One look at everything: processes, disk, topics, groups, store and clock."""

import re
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import httpx
import psutil

from benchmarks.live_pipeline import LivePipeline
from benchmarks.measuring.cpu import CpuWatch
from benchmarks.measuring.lags import GroupLag, Place
from benchmarks.soak.result import Kind, Series
from ohlc_core.messages.topics import topic_names

_MB = 1e6
_HOUR_MS = 3_600_000
_TIMEOUT_SECONDS = 10.0
#: What the services count, summed over labels.
_COUNTERS = {
    "producer": {
        "trades appended": "trade_producer_trades_appended_total",
        "gap records": "trade_producer_gaps_unresolved_total",
        "malformed": "trade_producer_malformed_total",
    },
    "aggregator": {
        "late trades": "ohlc_late_trades_total",
        "revisions": "ohlc_revisions_total",
        "dead letters": "ohlc_dead_letters_total",
    },
    "writer": {
        "candles written": "feature_writer_candles_written_total",
        "feature rows": "feature_writer_feature_rows_total",
        "candles not written": "feature_writer_candles_skipped_total",
    },
}


class Sampler:
    """Samples a running pipeline; its connections stay open between samples.

    Attributes:
        seconds: of real time since the first sample.
        hours: of event time since the start of the simulated clock.
        cpu: of the processes.
    """

    def __init__(self, pipeline: LivePipeline, start_ms: int, speed: float, dashboard: str) -> None:
        self.seconds: list[float] = []
        self.hours: list[float] = []
        self._series: dict[tuple[Kind, str], list[float]] = {}
        self._pipeline = pipeline
        self._start_ms, self._speed = start_ms, speed
        self._dashboard = dashboard
        self._client = httpx.Client(timeout=_TIMEOUT_SECONDS)
        self._stack = ExitStack()
        self._store = pipeline.store()
        names = topic_names("")
        asked = {
            "aggregator": (names.aggregator_group, names.trades),
            "writer": (names.writer_group, names.ohlc),
        }
        self._groups = {
            name: self._stack.enter_context(GroupLag(pipeline.broker_address, *each))
            for name, each in asked.items()
        }
        self._places: dict[str, Place] = {}
        self._processes = {name: psutil.Process(pid) for name, pid in pipeline.pids().items()}
        self.cpu = CpuWatch(pipeline.pids())
        self._began = self._at = time.monotonic()

    @property
    def series(self) -> list[Series]:
        """Everything sampled so far."""
        return [Series(kind, name, values) for (kind, name), values in self._series.items()]

    def last(self, kind: Kind, name: str) -> float:
        """Return the newest sample of a thing."""
        return self._series[kind, name][-1]

    def sample(self) -> None:
        """Look at everything once.

        Raises:
            ProcessDiedError: a process has ended.
            httpx.HTTPError: the simulator, a service or the dashboard does not answer.
        """
        self._pipeline.pids()
        now = time.monotonic()
        self.seconds.append(now - self._began)
        self._look_at_clock()
        self._look_at_processes()
        self._look_at_groups(max(now - self._at, 1e-6))
        self._look_at_disk()
        for service, counters in _COUNTERS.items():
            text = self._client.get(f"{self._pipeline.metrics[service]}/metrics").text
            for name, value in summed(text, counters).items():
                self._note("count", name, value)
        if self._dashboard:
            self._client.get(f"{self._dashboard}/api/now").raise_for_status()
        self._at = now

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._stack.close()
        self._client.close()
        self._store.close()

    def _note(self, kind: Kind, name: str, value: float) -> None:
        self._series.setdefault((kind, name), []).append(round(value, 3))

    def _look_at_clock(self) -> None:
        state = self._client.get(f"{self._pipeline.rest_url}/control/state").json()
        query = "SELECT min(window_end) FROM ohlc_1_latest WHERE candle_interval = '1m'"
        (reached_ms,) = self._store.execute(query).fetchone()
        self.hours.append(round((reached_ms - self._start_ms) / _HOUR_MS, 4))
        self._note("behind", "rows", (state["clock_ns"] / 1e6 - reached_ms) / 1e3 / self._speed)
        self._note("count", "trades made", state["live_trades"])

    def _look_at_processes(self) -> None:
        self.cpu.sample()
        for name, share in self.cpu.newest().items():
            self._note("cpu", name, share)
        for name, process in self._processes.items():
            with process.oneshot():
                self._note("memory", name, process.memory_info().rss / _MB)
                self._note("files", name, process.num_fds())
                self._note("threads", name, process.num_threads())

    def _look_at_groups(self, seconds: float) -> None:
        for name, group in self._groups.items():
            place = group.place()
            before = self._places.get(name, Place(0, 0))
            appended = (place.end - before.end) / seconds
            self._note("lag", name, place.lag / appended if appended and before.end else 0.0)
            self._places[name] = place

    def _look_at_disk(self) -> None:
        folder = self._pipeline.folder
        for topic, size in topic_sizes(folder / "broker" / "kafka" / "log").items():
            self._note("topic", topic, size / _MB)
        self._note("state", "aggregator", on_disk(folder / "data" / "state") / _MB)
        files = folder.glob("features.db*")
        self._note("store", "SQLite", sum(each.stat().st_size for each in files) / _MB)


def summed(metrics: str, counters: Mapping[str, str]) -> dict[str, float]:
    """Return counters of a page of metrics, each summed over its labels; 0 where there is none."""
    found = dict.fromkeys(counters, 0.0)
    for name, counter in counters.items():
        for value in re.findall(rf"^{counter}(?:{{.*}})? (\S+)$", metrics, re.MULTILINE):
            found[name] += float(value)
    return found


def topic_sizes(folder: Path) -> dict[str, int]:
    """Return the bytes that each topic takes on the disk; changelogs have one short name.

    Args:
        folder: the broker's, with a folder for each partition.
    """
    sizes: dict[str, int] = {}
    for partition in sorted(folder.iterdir()):
        topic, _, number = partition.name.rpartition("-")
        if partition.is_dir() and number.isdecimal():
            short = "changelog" if topic.startswith("changelog__") else topic
            name = "broker's own" if short.startswith("__") else short
            sizes[name] = sizes.get(name, 0) + on_disk(partition)
    return sizes


def on_disk(folder: Path) -> int:
    """Return the bytes a folder takes on the disk; files that vanish meanwhile count nothing."""
    total = 0
    for each in folder.rglob("*"):
        try:
            found = each.stat()
        except FileNotFoundError:
            continue
        total += found.st_blocks * 512
    return total
