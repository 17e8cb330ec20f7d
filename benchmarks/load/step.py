"""One rate: a pipeline of its own, warmed up, watched for a span, and judged."""

import itertools
import sqlite3
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import psutil

from benchmarks.live_pipeline import LivePipeline, live_pipeline
from benchmarks.load.freshness import quantiles, read, waits
from benchmarks.load.result import Step
from benchmarks.load.saturation import is_growing, lag_of, saturated
from benchmarks.measuring.cpu import CpuWatch
from benchmarks.measuring.lags import GroupLag, Place
from ohlc_core.messages.topics import topic_names

GRACE_MS = INTERVAL_MS = 1_000
_ALL_PRODUCTS_SECONDS = 120.0
#: How long rows of the span are waited for behind its end.
_WAIT_SECONDS = 5.0


class Wanted(NamedTuple):
    """What is to be measured.

    Attributes:
        rate: trades a second of all products.
        seconds: of the measured span.
        limit_ms: what the freshness p99 has to stay under.
        warm_seconds: before the span, once every product has a row.
    """

    rate: float
    products: int
    aggregators: int
    seconds: float
    limit_ms: float
    warm_seconds: float = 8.0


Say = Callable[[str], None]


def measure(wanted: Wanted, say: Say) -> Step:
    """Run a pipeline at one rate.

    Args:
        wanted: what is to be measured.
        say: takes a line of progress, which the next one replaces.
    """
    say("starting")
    with (
        tempfile.TemporaryDirectory() as folder,
        live_pipeline(
            Path(folder), wanted.products, wanted.rate, aggregators=wanted.aggregators
        ) as pipeline,
    ):
        _warm_up(pipeline, wanted.warm_seconds, say)
        return _watch(pipeline, wanted, say)


def _warm_up(pipeline: LivePipeline, seconds: float, say: Say) -> None:
    deadline = time.monotonic() + _ALL_PRODUCTS_SECONDS
    with pipeline.store() as store:
        while (there := _products(store)) < len(pipeline.products):
            say(f"{there} of {len(pipeline.products)} products have rows")
            if time.monotonic() > deadline:
                break  # judged by the rows that are missing
            time.sleep(0.5)
    store.close()
    say("warming up")
    time.sleep(seconds)


def _products(store: sqlite3.Connection) -> int:
    (count,) = store.execute("SELECT count(*) FROM ohlc_1_latest").fetchone()
    return int(count)


def _watch(pipeline: LivePipeline, wanted: Wanted, say: Say) -> Step:
    names = topic_names("")
    asked = {
        "aggregator": (names.aggregator_group, names.trades),
        "writer": (names.writer_group, names.ohlc),
    }
    with ExitStack() as stack:
        groups = {
            name: stack.enter_context(GroupLag(pipeline.broker_address, *each))
            for name, each in asked.items()
        }
        lags: dict[str, list[tuple[float, Place]]] = {name: [] for name in groups}
        watch = CpuWatch({**pipeline.pids(), "benchmark": psutil.Process().pid})
        from_ms, began = _now_ms(), time.monotonic()
        for second in itertools.count(1):
            time.sleep(max(0.0, began + second - time.monotonic()))
            watch.sample()
            for name, group in groups.items():
                lags[name].append((time.monotonic() - began, group.place()))
            behind = ", ".join(f"{name} {each[-1][1].lag}" for name, each in lags.items())
            say(f"{second:g} of {wanted.seconds:g} s, lag: {behind}")
            if time.monotonic() - began >= wanted.seconds:
                break
        until_ms = _now_ms()
    say("waiting for the last rows")
    time.sleep((GRACE_MS + INTERVAL_MS) / 1e3 + _WAIT_SECONDS)
    pipeline.pids()
    return _judged(pipeline, wanted, watch, lags, (from_ms - GRACE_MS, until_ms - GRACE_MS))


def _judged(
    pipeline: LivePipeline,
    wanted: Wanted,
    watch: CpuWatch,
    lags: dict[str, list[tuple[float, Place]]],
    span: tuple[int, int],
) -> Step:
    first = -(-span[0] // INTERVAL_MS) * INTERVAL_MS
    ends = range(first, span[1], INTERVAL_MS)
    due = [(product, end) for product in pipeline.products for end in ends]
    with pipeline.store() as store:
        rows = read(store, *span)
        found = waits(rows, due, GRACE_MS, _now_ms())
    store.close()
    p50, p90, p99, largest = quantiles(found.ms)
    lag = {name: lag_of(samples) for name, samples in lags.items()}
    cpu, machine = watch.busy(), watch.machine()
    return Step(
        asked=wanted.rate,
        reached=found.trades / (len(ends) * INTERVAL_MS / 1e3),
        rows=len(due),
        missing=found.missing,
        p50=p50,
        p90=p90,
        p99=p99,
        largest=largest,
        cpu=cpu,
        machine=machine,
        lag=lag,
        full=saturated(cpu, machine, psutil.cpu_count() or 1, lag),
        passes=p99 < wanted.limit_ms
        and not found.missing
        and not any(is_growing(each) for each in lag.values()),
    )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
