"""One product on its way from the exchange to the topic: stream, gap fills and watermarks."""

import random
from typing import NamedTuple

from loguru import logger

from ohlc_core.domain.trade import ProductKey, Trade
from ohlc_exchanges.base import ExchangeAdapter, HistoryTooShortError, Position
from trade_producer.gap_filler import FillEnded, FillJob
from trade_producer.start import StartPlan
from trade_producer.stream_outputs import Append, Begin, Gap, Output
from trade_producer.trade_stream import StreamState, TradeStream
from trade_producer.watermarks import Watermarks

# A frame that was merely overtaken by another closes its gap within this.
_OVERTAKEN_SECONDS = 0.2
# A snapshot that proves nothing was missed comes within this after the acknowledgement.
_SNAPSHOT_SECONDS = 2.0
_FIRST_RETRY_SECONDS = 0.5
_REFUSED_SECONDS = 600.0
_MAX_RETRY_SECONDS = 10.0


class Patience(NamedTuple):
    """How long history is asked for missing trades before a gap is recorded.

    Attributes:
        attempts: answers without them, before a gap is recorded.
        seconds: time without any answer, before a gap is recorded.
        max_wait_seconds: since the first answer without them, before a gap is recorded.
        jitter: source of the jitter between tries.
        accepts_jumps: where every answer holds trades on both sides of the missing ids, the
            exchange never issued them: go on without a gap.
    """

    attempts: int
    seconds: float
    jitter: random.Random
    max_wait_seconds: float = 10.0
    accepts_jumps: bool = False


class OpenGap(NamedTuple):
    """Trades that are missing and that history is asked for.

    Attributes:
        after_id: the last id before them; "" before the first trade.
        until_id: the first id behind them; None: up to the newest trade.
        since, next_try: monotonic seconds.
        attempts, max_attempts: of the answers without them.
    """

    after_id: str
    until_id: str | None
    since: float
    attempts: int
    max_attempts: int
    next_try: float


class FlowReport(NamedTuple):
    """How one product stands.

    Attributes:
        product_id: as the exchange names it.
        state: in words.
        is_current: whether everything the exchange has sent is appended.
        position: the last trade appended or given up; None before the first.
        buffered: trades that wait behind a gap.
        counts: what was counted since the start, by the name of its metric.
        refusal: why the exchange refuses the product (delisted); "": it does not.
        open_gap: what history is asked for; None: nothing.
    """

    product_id: str
    state: str
    is_current: bool
    position: Position | None
    buffered: int
    counts: dict[str, int]
    refusal: str
    open_gap: OpenGap | None


class ProductFlow:
    """Decides, for one product, what to append and what to ask history for."""

    def __init__(
        self,
        key: ProductKey,
        adapter: ExchangeAdapter,
        stream: TradeStream,
        watermarks: Watermarks,
        patience: Patience,
    ) -> None:
        self.key = key
        self.has_been_subscribed = False
        self._stream = stream
        self._watermarks = watermarks
        self._is_subscribed = False
        self._jumps_accepted = 0
        self._restarts = 0
        self._adapter = adapter
        self._patience = patience
        self._epoch = 0
        self._suspected = False
        self._refusal = ""
        self._refused_until = 0.0
        self._job: FillJob | None = None
        self._missing_since: float | None = None
        self._failing_since: float | None = None
        self._unfilled_since: float | None = None
        self._retry_at = 0.0
        self._attempts = 0
        self._tries = 0
        self._reach = 0

    def begin(self, plan: StartPlan, reached_us: int | None) -> None:
        """Set the stream where it begins.

        Args:
            plan: where.
            reached_us: the greatest event time in the topic, if it holds the product.
        """
        if plan.begin_us is not None:
            self._stream.begin(plan.begin_us)
        elif plan.resume_at is not None:
            self._stream.resume(plan.resume_at, plan.recent)
        else:
            self._stream.resume_begun(plan.resume_from_us or 0)
        if reached_us is not None:
            self._watermarks.reach(reached_us)

    @property
    def known_us(self) -> int:
        """An event time of the product, for a gap before its first trade; 0: none is known."""
        position = self._stream.position
        return 0 if position is None else position.timestamp_us

    def report(self) -> FlowReport:
        """Return how the product stands."""
        stream = self._stream
        return FlowReport(
            self.key.product_id,
            f"refused by the exchange: {self._refusal}" if self._refusal else stream.state.value,
            stream.is_current,
            stream.position,
            stream.buffered,
            {
                "dropped": stream.dropped,
                "gaps_detected": stream.gaps_opened,
                "gaps_filled": stream.gaps_filled,
                "jumps_accepted": self._jumps_accepted,
                "id_restarts": stream.restarts,
            },
            self._refusal,
            self._open_gap(),
        )

    # --- the connection -----------------------------------------------------------------------

    def subscribed(self) -> None:
        """The exchange acknowledged the product's subscription."""
        self._epoch += 1
        self._refusal, self._refused_until = "", 0.0
        self._is_subscribed = self.has_been_subscribed = True
        self._missing_since = None
        self._retry_at = 0.0

    def lost(self) -> None:
        """The connection is gone: trades may pass unseen."""
        self._is_subscribed = False
        self._epoch += 1
        self._stream.suspect_missing()

    def refused(self, reason: str, now: float) -> None:
        """The exchange does not know the product any more: it is asked about seldom."""
        if not self._refusal:
            logger.error(
                "{}: refused by the exchange ({}); the other products go on, this one is asked "
                "for again every {:.0f} minutes; take it out of PRODUCT_IDS if it is delisted",
                self.key,
                reason,
                _REFUSED_SECONDS / 60,
            )
        self._refusal, self._refused_until = reason, now + _REFUSED_SECONDS
        self._is_subscribed = False
        self._stream.suspect_missing()

    def suspect_missing(self) -> None:
        """A frame was not understood: it may have held a trade of this product."""
        # What a running job reads may be older than that trade.
        self._epoch += 1
        self._suspected = True
        self._stream.suspect_missing()

    def reported_newest(self, trade_id: int) -> None:
        """The exchange said which trade is its newest."""
        self._stream.reported_newest(trade_id)

    # --- trades -------------------------------------------------------------------------------

    def live(self, trades: tuple[Trade, ...]) -> list[Output]:
        """Take the trades of a frame."""
        outputs = self._stream.live(trades)
        self._steer_job()
        return self._reached(outputs)

    def page(self, job: FillJob, trades: tuple[Trade, ...]) -> list[Output]:
        """Take a page of history."""
        if job is not self._job:
            return []
        if trades:
            job.reach = max(job.reach, int(trades[-1].trade_id))
        outputs = self._stream.history(trades)
        self._steer_job()
        return self._reached(outputs)

    def ended(self, end: FillEnded, now: float) -> list[Output]:
        """Take the end of a job: done, to be tried again, or given up."""
        if end.job is not self._job:
            return []
        self._job = None
        outputs: list[Output] = []
        if end.at_newest:
            is_newest = self._is_subscribed and end.job.epoch == self._epoch
            outputs += self._stream.history_ended(is_newest=is_newest)
        if self._stream.missing is None:
            self._settled()
        elif self._stream.position != end.job.position:
            self._progressed(now)
        else:
            outputs += self._failed(end, now)
        return self._reached(outputs)

    def wanted(self, now: float) -> FillJob | None:
        """Return a job to start now, if history should be asked."""
        missing = self._stream.missing
        if missing is None:
            self._settled()
            return None
        if self._missing_since is None:
            self._missing_since = now
        if self._job is not None or not self._is_subscribed:
            return None
        if now < max(self._retry_at, self._refused_until):
            return None
        if now - self._missing_since < self._patience_before_asking(missing.until_id is not None):
            return None
        self._job = FillJob(
            self.key.product_id, missing, self._epoch, position=self._stream.position
        )
        return self._job

    # --- watermarks ---------------------------------------------------------------------------

    def watermark_due(self, certain_us: int) -> int | None:
        """Return the watermark to append now, given a time that has passed at the exchange."""
        if not (self._is_subscribed and self._stream.is_current):
            return None
        due_us = self._watermarks.due_us(certain_us)
        if due_us is not None:
            self._watermarks.reach(due_us)
        return due_us

    def watermark_now(self, certain_us: int) -> int | None:
        """Return a watermark of this moment, a sign of life where nothing is traded."""
        if not (self._is_subscribed and self._stream.is_current):
            return None
        now_us = self._watermarks.now_us(certain_us)
        if now_us is not None:
            self._watermarks.reach(now_us)
        return now_us

    def _open_gap(self) -> OpenGap | None:
        missing = self._stream.missing
        if missing is None or self._missing_since is None:
            return None
        return OpenGap(
            "" if missing.after is None else missing.after.trade_id,
            None if missing.until_id is None else str(missing.until_id),
            self._missing_since,
            self._attempts,
            self._patience.attempts,
            self._retry_at,
        )

    # --- how ----------------------------------------------------------------------------------

    def _patience_before_asking(self, is_gap: bool) -> float:
        if is_gap:
            return _OVERTAKEN_SECONDS
        if self._suspected:
            return _SNAPSHOT_SECONDS
        return _SNAPSHOT_SECONDS if self._adapter.snapshot_on_subscribe else 0.0

    def _steer_job(self) -> None:
        """Set how far the running job must go, or end it where it is not needed any more."""
        if self._job is None:
            return
        missing = self._stream.missing
        if missing is None:
            self._job.cancelled.set()
            self._job = None
            self._settled()
        elif missing.until_id is not None:
            self._job.until_id = missing.until_id

    def _settled(self) -> None:
        self._missing_since = self._failing_since = self._unfilled_since = None
        self._attempts = self._tries = 0
        self._retry_at = 0.0
        self._suspected = False

    def _progressed(self, now: float) -> None:
        self._failing_since = self._unfilled_since = None
        self._attempts = self._tries = 0
        self._retry_at = now

    def _failed(self, end: FillEnded, now: float) -> list[Output]:
        if isinstance(end.error, HistoryTooShortError):
            logger.error("{}: {}; the stream begins again where history does", self.key, end.error)
            self._progressed(now)
            return self._stream.begin_again(end.error.begins_us)
        self._tries += 1
        wait = min(_MAX_RETRY_SECONDS, _FIRST_RETRY_SECONDS * float(1 << min(self._tries - 1, 20)))
        self._retry_at = now + wait * (0.75 + self._patience.jitter.random() / 2)
        if end.error is None:
            self._answered_in_vain(end, now)
        elif self._failing_since is None:
            self._failing_since = now
        reason = "history does not hold them" if end.error is None else str(end.error)
        if not self._may_give_up(now):
            logger.debug("{}: trades still missing ({})", self.key, reason)
            return []
        outputs = [
            output
            for output in self._stream.give_up(self._reach)
            if not (isinstance(output, Gap) and self._is_jump(output, end, reason))
        ]
        self._settled()
        return outputs

    def _answered_in_vain(self, end: FillEnded, now: float) -> None:
        self._failing_since = None
        self._attempts += 1
        self._reach = min(self._reach, end.job.reach) if self._attempts > 1 else end.job.reach
        if self._unfilled_since is None:
            self._unfilled_since = now
        # The last try is made when the wait is over, not after it.
        self._retry_at = min(self._retry_at, self._unfilled_since + self._patience.max_wait_seconds)

    def _may_give_up(self, now: float) -> bool:
        """Return whether history has been asked for long enough, by its answers or its silence."""
        missing, patience = self._stream.missing, self._patience
        if missing is None:
            return False
        has_silence_lasted = (
            self._failing_since is not None and now - self._failing_since > patience.seconds
        )
        is_answered = self._attempts >= patience.attempts or (
            self._unfilled_since is not None
            and now - self._unfilled_since >= patience.max_wait_seconds
        )
        if self._stream.state is StreamState.IDS_LOWER or self._stream.needs_confirmation:
            return is_answered
        if missing.until_id is not None:
            return is_answered or has_silence_lasted
        return has_silence_lasted and self._stream.buffered > 0

    def _is_jump(self, gap: Gap, end: FillEnded, why: str) -> bool:
        """Return, and log, whether the exchange is taken to have jumped over these ids."""
        ids = f"{gap.first_missing_id} to {gap.last_missing_id}"
        is_confirmed = end.error is None and gap.last_missing_id < self._reach
        if self._patience.accepts_jumps and is_confirmed:
            logger.warning("{}: history confirms that ids {} were never issued", self.key, ids)
            self._jumps_accepted += 1
            return True
        logger.error(
            "{}: trades {} could not be retrieved ({}); candles they touch are incomplete",
            self.key,
            ids,
            why,
        )
        return False

    def _reached(self, outputs: list[Output]) -> list[Output]:
        for output in outputs:
            if isinstance(output, Append):
                self._watermarks.reach(max(trade.timestamp_us for trade in output.trades))
            elif isinstance(output, Begin):
                self._watermarks.begin(output.from_us)
        if self._stream.restarts > self._restarts:
            self._restarts = self._stream.restarts
            logger.error(
                "{}: the exchange's trade ids are lower than those in the topic, and its history "
                "does not hold the topic's: it began its ids again, or an absurd id was recorded; "
                "a start record is appended and the stream goes on; `make backfill` repairs the "
                "candles in between",
                self.key,
            )
        return outputs
