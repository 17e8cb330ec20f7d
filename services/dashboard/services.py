"""Asking each service for ``/status`` and ``/metrics``, and remembering when it answered."""

import asyncio
import socket
import time
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from prometheus_client.parser import text_string_to_metric_families

from dashboard.settings import DashboardSettings
from ohlc_core.service.local_runs import recorded_runs, running_stacks

_EVERY_SECONDS = 1.0
_TIMEOUT_SECONDS = 0.8
_METRICS_EVERY = 2
_WINDOW_SECONDS = 300.0
_SAMPLE_SECONDS = 5.0
#: A service that missed two polls is called away.
_AWAY_SECONDS = 2.5
#: A service that left is forgotten after this long.
_FORGET_SECONDS = 600.0
#: One of a local run that ended is forgotten soon: a finished backfill is no trouble.
_FORGET_ENDED_SECONDS = 5.0

_SUMS = (
    "trade_producer_trades_appended_total",
    "trade_producer_broker_queue_records",
    "trade_producer_silence_seconds",
    "trade_producer_gaps_detected_total",
    "trade_producer_gaps_filled_total",
    "trade_producer_ids_unresolved_total",
    "trade_producer_reconnects_total",
    "ohlc_trades_read_total",
    "ohlc_candles_emitted_total",
    "ohlc_consumer_lag_records",
    "ohlc_late_trades_total",
    "ohlc_revisions_total",
    "ohlc_duplicate_trades_total",
    "ohlc_dead_letters_total",
    "feature_writer_candles_written_total",
    "feature_writer_lag_records",
    "feature_writer_holding",
    "feature_writer_buffered_candles",
    "feature_writer_dead_letters_total",
)
STAGES = {
    "trade_producer_append_delay_seconds": "event to topic",
    "ohlc_close_delay_seconds": "window's end to candle",
    "feature_writer_candle_age_seconds": "window's end to store",
}


class Watched:
    """One process of a service and what it last said."""

    def __init__(self, name: str, url: str) -> None:
        self.name = name
        self.url = url
        self.found_at = time.time()
        self.answered_at = 0.0
        self.problem = ""
        self.status: dict[str, Any] = {}
        self.sums: dict[str, float] = {}
        self.rates: dict[str, float] = {}
        self._sums_at = 0.0
        self._buckets: dict[str, deque[tuple[float, dict[float, float]]]] = {}

    def note_metrics(self, text: str, now: float) -> None:
        """Take the service's metrics."""
        sums, buckets = read_metrics(text)
        seconds = now - self._sums_at
        if self._sums_at and seconds > 0:
            self.rates = {
                name: max(0.0, (value - self.sums.get(name, value)) / seconds)
                for name, value in sums.items()
                if name.endswith("_total")
            }
        self.sums, self._sums_at = sums, now
        for name, counts in buckets.items():
            samples = self._buckets.setdefault(name, deque())
            if not samples or now - samples[-1][0] >= _SAMPLE_SECONDS:
                samples.append((now, counts))
            while samples and now - samples[0][0] > _WINDOW_SECONDS:
                samples.popleft()

    def freshness(self) -> dict[str, dict[str, float | None]]:
        """Return p50 and p99 of the last five minutes by stage, seconds."""
        found: dict[str, dict[str, float | None]] = {}
        for name, samples in self._buckets.items():
            if len(samples) < 2:
                continue
            first, last = samples[0][1], samples[-1][1]
            counts = {bound: last[bound] - first.get(bound, 0.0) for bound in last}
            found[STAGES[name]] = {
                "p50": quantile(counts, 0.5),
                "p99": quantile(counts, 0.99),
            }
        return found

    def row(self, now: float) -> dict[str, Any]:
        """Return what the page shows."""
        silent = now - (self.answered_at or self.found_at)
        is_away = silent > _AWAY_SECONDS
        status = self.status
        return {
            "name": self.name,
            "url": self.url,
            "alive": not is_away and bool(self.answered_at),
            "silent_seconds": round(silent, 1),
            "answered_at": int(self.answered_at * 1000) or None,
            "problem": self.problem,
            "state": "away" if is_away else status.get("state", "starting"),
            "message": self._away(silent) if is_away else status.get("message", ""),
            "healthy": not is_away and bool(status.get("healthy", True)),
            "version": status.get("version", ""),
            "pid": status.get("pid"),
            "started_at": status.get("started_at", ""),
            "works_on": status.get("works_on", {}),
            "parts": status.get("parts", {}),
            "progress": status.get("progress", {}),
            "sums": self.sums,
            "rates": {name: round(value, 2) for name, value in self.rates.items()},
        }

    def _away(self, silent: float) -> str:
        since = time.strftime("%H:%M:%S", time.gmtime(self.answered_at or self.found_at))
        return f"{self.name} has not answered since {since} UTC ({silent:.0f} s)"


class Services:
    """All services, found in the settings or in the local runs."""

    def __init__(self, settings: DashboardSettings) -> None:
        self._settings = settings
        self._watched: dict[tuple[str, str], Watched] = {}
        self.stacks: list[dict[str, Any]] = []

    async def watch(self) -> None:
        """Poll until cancelled."""
        limits = httpx.Limits(max_connections=64)
        async with httpx.AsyncClient(
            timeout=_TIMEOUT_SECONDS, limits=limits, trust_env=False
        ) as client:
            turn = 0
            while True:
                begin = time.monotonic()
                await self._find()
                with_metrics = turn % _METRICS_EVERY == 0
                watched = list(self._watched.values())
                await asyncio.gather(*(self._ask(client, each, with_metrics) for each in watched))
                turn += 1
                await asyncio.sleep(max(0.05, _EVERY_SECONDS - (time.monotonic() - begin)))

    def rows(self) -> list[dict[str, Any]]:
        """Return every service."""
        now = time.time()
        return [each.row(now) for each in self._watched.values()]

    def recorded_runs(self) -> list[dict[str, Any]]:
        """Return the backfills of this machine, the newest first."""
        return recorded_runs(Path(self._settings.local_stack_folder))[:20]

    def freshness(self) -> dict[str, dict[str, float | None]]:
        """Return p50 and p99 of the stages."""
        found: dict[str, dict[str, float | None]] = {}
        for each in self._watched.values():
            found |= each.freshness()
        return found

    async def _find(self) -> None:
        now = time.time()
        found: list[tuple[str, str]] = []
        if self._settings.dashboard_services:
            for name, url in self._settings.service_addresses.items():
                found += [(name, each) for each in await _instances(url)]
        else:
            self.stacks = await asyncio.to_thread(
                running_stacks, Path(self._settings.local_stack_folder)
            )
            found = list(_of_stacks(self.stacks))
        for key in found:
            self._watched.setdefault(key, Watched(*key))
        is_local = not self._settings.dashboard_services
        forget_seconds = _FORGET_ENDED_SECONDS if is_local else _FORGET_SECONDS
        for key, each in list(self._watched.items()):
            gone = now - (each.answered_at or each.found_at)
            if key not in found and gone > forget_seconds:
                del self._watched[key]

    async def _ask(self, client: httpx.AsyncClient, each: Watched, with_metrics: bool) -> None:
        try:
            answer = await client.get(f"{each.url}/status")
            status = answer.json()
            if not isinstance(status, dict):
                raise ValueError("no object")
            each.status = status
            each.answered_at = time.time()
            each.problem = ""
            if with_metrics:
                answer = await client.get(f"{each.url}/metrics")
                each.note_metrics(answer.text, time.time())
        except (httpx.HTTPError, ValueError) as error:
            each.problem = str(error) or type(error).__name__


def _of_stacks(stacks: Iterable[dict[str, Any]]) -> Iterable[tuple[str, str]]:
    for stack in stacks:
        for name, facts in stack.get("services", {}).items():
            url = str(facts.get("metrics", "")).removesuffix("/metrics")
            if url and name != "dashboard":
                yield name, url


async def _instances(url: str) -> list[str]:
    """Return one URL per address of the host: a scaled service has several."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 80
    try:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, family=socket.AF_INET, type=socket.SOCK_STREAM)
    except OSError:
        return [url]
    return sorted({f"http://{info[4][0]!s}:{port}" for info in found})


def read_metrics(text: str) -> tuple[dict[str, float], dict[str, dict[float, float]]]:
    """Return the sums the dashboard shows, and the counts of its histograms by bound."""
    wanted = (*_SUMS, *STAGES)
    lines = [line for line in text.splitlines() if line.startswith(wanted)]
    sums: dict[str, float] = {}
    buckets: dict[str, dict[float, float]] = {}
    for family in text_string_to_metric_families("\n".join(lines) + "\n"):
        for sample in family.samples:
            stage = sample.name.removesuffix("_bucket")
            if stage in STAGES and "le" in sample.labels:
                counts = buckets.setdefault(stage, {})
                bound = float(sample.labels["le"])
                counts[bound] = counts.get(bound, 0.0) + sample.value
            elif sample.name in _SUMS:
                sums[sample.name] = sums.get(sample.name, 0.0) + sample.value
    return sums, buckets


def quantile(counts: dict[float, float], share: float) -> float | None:
    """Return the value below which a share of a histogram lies; None where it is empty."""
    total = max(counts.values(), default=0.0)
    if total <= 0:
        return None
    below, before = 0.0, 0.0
    for bound in sorted(counts):
        if counts[bound] >= share * total:
            if bound == float("inf"):
                return below
            inside = counts[bound] - before
            return below + (bound - below) * (share * total - before) / inside if inside else bound
        below, before = bound, counts[bound]
    return below
