"""Asks history for what is missing, in threads, so that live frames are read meanwhile."""

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

from loguru import logger

from ohlc_core.domain.trade import Trade
from ohlc_core.errors import StoppedError
from ohlc_exchanges.base import (
    ExchangeAdapter,
    ExchangeError,
    Fetch,
    Malformed,
    MalformedResponseError,
    Page,
    Position,
    UnknownProductError,
)
from trade_producer.connection import Inbox
from trade_producer.stream_outputs import Missing


class FillJob:
    """One walk through history for one product.

    Attributes:
        until_id: it may end behind the id before this; may be set while it runs.
        reach: the greatest id its pages held; 0 before the first.
        epoch: which subscription was in use when it began.
        position: the last trade known when it began.
    """

    def __init__(
        self, product_id: str, missing: Missing, epoch: int, position: Position | None = None
    ) -> None:
        self.product_id = product_id
        self.missing = missing
        self.until_id = missing.until_id
        self.reach = 0
        self.epoch = epoch
        self.position = position
        self.cancelled = threading.Event()

    def is_enough(self, trades: tuple[Trade, ...]) -> bool:
        """Return whether the gap ends within these trades."""
        until = self.until_id
        return until is not None and bool(trades) and int(trades[-1].trade_id) >= until - 1


class PageRead(NamedTuple):
    """A page of a job came: its trades, and its rows that are none."""

    job: FillJob
    trades: tuple[Trade, ...]
    rejected: tuple[Malformed, ...] = ()


class FillEnded(NamedTuple):
    """A job is over.

    error is None where history answered; at_newest: its end was reached.
    """

    job: FillJob
    error: ExchangeError | None
    at_newest: bool


class ProductUnknown(NamedTuple):
    """History's server does not know a product."""

    product_id: str
    reason: str


_CLOSE_SECONDS = 1.0
_MAX_REASON = 300


class GapFiller:
    """Runs jobs in a few threads; pages and ends go to the inbox.

    Args:
        adapter: whose history is read.
        fetch: performs requests; shared by all jobs, so that it spaces them.
        inbox: where pages go. It is bounded, so a job waits while the main loop is busy.
        threads: how many jobs run at a time.
    """

    def __init__(
        self, adapter: ExchangeAdapter, fetch: Fetch, inbox: Inbox, threads: int = 4
    ) -> None:
        self._adapter = adapter
        self._fetch = fetch
        self._inbox = inbox
        self._work: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._jobs: set[FillJob] = set()
        self._closing = threading.Event()
        # Daemons: a server that sends a byte now and then must not keep the process alive.
        self._threads = [
            threading.Thread(target=self._serve, name=f"history-{number}", daemon=True)
            for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def start(self, job: FillJob) -> None:
        """Run the job when a thread is free."""
        self._jobs.add(job)
        self._work.put(partial(self._run, job))

    def check(self, product_ids: Sequence[str]) -> None:
        """Ask whether the products exist; `ProductUnknown` comes for one that does not."""
        for product_id in product_ids:
            self._work.put(partial(self._check, product_id))

    def close(self) -> None:
        """Cancel all jobs; the fetcher's stop event ends their waits."""
        self._closing.set()
        for job in tuple(self._jobs):
            job.cancelled.set()
        for _ in self._threads:
            self._work.put(lambda: None)
        deadline = time.monotonic() + _CLOSE_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _serve(self) -> None:
        while not self._closing.is_set():
            self._work.get()()

    def _run(self, job: FillJob) -> None:
        try:
            ended = self._walk(job)
        except StoppedError:
            return
        except ExchangeError as error:
            ended = FillEnded(job, error, at_newest=False)
        except Exception as error:
            reason = f"history's answer could not be read ({type(error).__name__}: {error})"
            ended = FillEnded(job, MalformedResponseError(reason[:_MAX_REASON]), at_newest=False)
        finally:
            self._jobs.discard(job)
        self._inbox.put(ended, job.cancelled.is_set)

    def _check(self, product_id: str) -> None:
        try:
            self._fetch(self._adapter.product_check(product_id))
        except UnknownProductError as error:
            self._inbox.put(ProductUnknown(product_id, str(error)), self._closing.is_set)
        except Exception as error:
            logger.debug("{} could not be checked: {}", product_id, error)

    def _walk(self, job: FillJob) -> FillEnded:
        for page in self._pages(job):
            if not self._inbox.put(PageRead(job, page.trades, page.rejected), job.cancelled.is_set):
                break
            if not page.more:
                return FillEnded(job, None, at_newest=True)
            if job.is_enough(page.trades):
                break
        return FillEnded(job, None, at_newest=False)

    def _pages(self, job: FillJob) -> Iterator[Page]:
        after = job.missing.after
        if after is None:
            return self._adapter.pages_from_time(job.product_id, job.missing.from_us, self._fetch)
        return self._adapter.pages_after(job.product_id, after, self._fetch)
