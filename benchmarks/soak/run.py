"""A run: a pipeline on a market whose clock is fast, sampled until the days are over."""

import itertools
import sqlite3
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import httpx

from benchmarks.live_pipeline import LivePipeline, live_pipeline
from benchmarks.measuring.machine import Origin
from benchmarks.soak.result import SoakResult
from benchmarks.soak.sampling import Sampler
from local_stack.processes import ProcessDiedError

DEFINITIONS = Path(__file__).resolve().parents[2] / "features" / "momentum.py"
_HOUR_MS, _MINUTE_MS = 3_600_000, 60_000
#: Event time that stands still for so long ends the run.
_STUCK_SECONDS = 60.0
_FIRST_ROWS_SECONDS = 120.0
#: Seconds of real time that grace is at least. The simulator lets trades happen every 10 ms, or
#: when it gets its turn; the time it tells is ahead of them, and they must not be late for it.
_GRACE_SECONDS = 0.2
_LEAST_GRACE_MS = 1_000


class Wanted(NamedTuple):
    """What is to be run.

    Attributes:
        days: of event time.
        speed: simulated seconds a second.
        rate: trades a simulated second of all products.
        every: seconds between samples.
        with_dashboard: whether the dashboard runs, and is asked at each sample.
    """

    days: float
    products: int
    speed: float
    rate: float
    every: float
    with_dashboard: bool = True


Say = Callable[[str], None]


def run(wanted: Wanted, origin: Origin, say: Say) -> SoakResult:
    """Run the days and return what was sampled; a run that breaks says so in ``problem``.

    Args:
        wanted: what is to be run.
        origin: of the result.
        say: takes a line of progress, which the next one replaces.
    """
    begin = start(datetime.now(UTC), wanted.days, wanted.speed)
    simulator = {
        "SIMULATOR_SPEED": str(wanted.speed),
        "SIMULATOR_START": begin.isoformat(),
        "SIMULATOR_HISTORY": "1m",
        "SIMULATOR_HOLD": "all",
        "SIMULATOR_CONTROL": "true",
    }
    services = {
        "OHLC_INTERVALS": "1m,5m,1h",
        "FEATURE_DEFINITIONS": str(DEFINITIONS),
        "START_FROM": "now",
        "GRACE_MS": str(grace_ms(wanted.speed)),
    }
    say("starting")
    with (
        tempfile.TemporaryDirectory() as folder,
        live_pipeline(
            Path(folder),
            wanted.products,
            wanted.rate,
            simulator=simulator,
            services=services,
            with_metrics=True,
        ) as pipeline,
    ):
        dashboard = pipeline.start_dashboard() if wanted.with_dashboard else ""
        _wait_for(pipeline, dashboard)
        start_ms = int(begin.timestamp() * 1_000)
        with Sampler(pipeline, start_ms, wanted.speed, dashboard) as sampler:
            problem = _watch(pipeline, sampler, wanted, say)
        missing, expected = _missing(pipeline, start_ms, sampler.hours)
        return SoakResult(
            origin=origin,
            days=wanted.days,
            speed=wanted.speed,
            products=wanted.products,
            rate=wanted.rate,
            seconds=[round(each, 1) for each in sampler.seconds],
            hours=sampler.hours,
            series=sampler.series,
            missing=missing,
            expected=expected,
            cpu=sampler.cpu.busy(),
            machine=sampler.cpu.machine(),
            problem=problem,
        )


def grace_ms(speed: float) -> int:
    """Return GRACE_MS for a clock that is so fast: what passes in 0.2 s, 1 s at least."""
    return max(_LEAST_GRACE_MS, round(speed * _GRACE_SECONDS * 1_000))


def start(now: datetime, days: float, speed: float) -> datetime:
    """Return a full hour from which so many days end before now, however slowly the run begins."""
    full = now.replace(minute=0, second=0, microsecond=0)
    waited_hours = speed * _FIRST_ROWS_SECONDS / 3_600
    return full - timedelta(hours=int(days * 24 + waited_hours) + 2)


def missing_rows(
    store: sqlite3.Connection, products: int, from_ms: int, until_ms: int
) -> tuple[int, int]:
    """Return how many complete rows of a minute are missing, and how many there should be.

    Args:
        store: the local store.
        products: how many.
        from_ms, until_ms: the windows that end in ``(from_ms, until_ms]``, full minutes.
    """
    expected = products * max(0, (until_ms - from_ms) // _MINUTE_MS)
    query = """
        SELECT count(*) FROM ohlc_1
        WHERE candle_interval = '1m' AND complete AND window_end > ? AND window_end <= ?
    """
    (found,) = store.execute(query, (from_ms, until_ms)).fetchone()
    return expected - found, expected


def _wait_for(pipeline: LivePipeline, dashboard: str) -> None:
    """Wait until every product has a row and the dashboard answers."""
    query = "SELECT count(*) FROM ohlc_1_latest WHERE candle_interval = '1m'"
    deadline = time.monotonic() + _FIRST_ROWS_SECONDS
    with pipeline.store() as store:
        while store.execute(query).fetchone()[0] < len(pipeline.products) or not _answers(
            dashboard
        ):
            pipeline.pids()
            if time.monotonic() > deadline:
                raise SystemExit(f"not every product has a row: {pipeline.log('producer')[-2000:]}")
            time.sleep(0.2)
    store.close()


def _answers(dashboard: str) -> bool:
    try:
        return not dashboard or httpx.get(f"{dashboard}/api/now").is_success
    except httpx.HTTPError:
        return False


def _watch(pipeline: LivePipeline, sampler: Sampler, wanted: Wanted, say: Say) -> str:
    """Sample until the days are over; return what ended it early, or an empty text."""
    began = moved = time.monotonic()
    for number in itertools.count(1):
        time.sleep(max(0.0, began + number * wanted.every - time.monotonic()))
        try:
            sampler.sample()
        except (ProcessDiedError, httpx.HTTPError) as error:
            return f"after {sampler.hours[-1] if sampler.hours else 0:.1f} event hours: {error}"
        reached, now = sampler.hours[-1], time.monotonic()
        say(_told(sampler, wanted))
        if reached - sampler.hours[0] >= wanted.days * 24:
            return ""
        if len(sampler.hours) < 2 or reached > sampler.hours[-2]:
            moved = now
        elif now - moved > _STUCK_SECONDS:
            return f"event time stood still at {reached:.1f} h: {pipeline.log('aggregator')[-500:]}"
    raise AssertionError("samples never end by themselves")


def _told(sampler: Sampler, wanted: Wanted) -> str:
    left = (wanted.days * 24 - sampler.hours[-1]) * 3600 / wanted.speed / 60
    lags = ", ".join(f"{name} {sampler.last('lag', name):.1f}" for name in ("aggregator", "writer"))
    memory = ", ".join(
        f"{name} {sampler.last('memory', name):.0f}"
        for name in ("producer", "aggregator", "writer")
    )
    return (
        f"{sampler.hours[-1] / 24:.2f} of {wanted.days:g} days, some {left:.0f} min left; "
        f"rows {sampler.last('behind', 'rows'):.1f} s behind, lag s: {lags}; "
        f"MB: {memory}, store {sampler.last('store', 'SQLite'):.0f}"
    )


def _missing(pipeline: LivePipeline, start_ms: int, hours: list[float]) -> tuple[int, int]:
    if not hours:
        return 0, 0
    # From the first full minute that every product had.
    first, last = (start_ms + round(each * 60) * _MINUTE_MS for each in (hours[0], hours[-1]))
    with pipeline.store() as store:
        found = missing_rows(store, len(pipeline.products), first, last)
    store.close()
    return found
