import threading
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import cast

import pytest

from ohlc_backfill.topic_state import ReplayedSoFar
from ohlc_core.domain.trade import ProductKey, Trade
from ohlc_core.messages.codec import decode_trades_topic
from ohlc_core.messages.records import (
    GapMessage,
    Source,
    StartMessage,
    TradesMessage,
    TradesTopicMessage,
    WatermarkMessage,
)
from ohlc_exchanges.base import Position
from ohlc_history.deduplicate import DisorderError
from ohlc_history.sources.base import LeftOut
from ohlc_history.trade_table import Batch, RawBatch, RejectedRow, clean, table_of
from trade_replayer.progress import ProductProgress
from trade_replayer.publisher import Publisher
from trade_replayer.records import TradesRecord
from trade_replayer.replay import Job, ProductReplay

KEY = ProductKey("kraken", "BTC/USD")
SECOND = 1_000_000
FROM, TO = 1_000 * SECOND, 2_000 * SECOND


def trade(number: int, timestamp_us: int) -> Trade:
    return Trade(str(number), Decimal(number), Decimal(1), "buy", timestamp_us)


class FakePublisher:
    """Remembers what was appended, decoded."""

    def __init__(self) -> None:
        self.messages: list[TradesTopicMessage] = []
        self.dead_letters: list[RejectedRow] = []
        self.flushed_at: list[int] = []

    def trades(self, _key: ProductKey, record: TradesRecord) -> None:
        self.messages.append(decode_trades_topic(record.value))

    def message(self, _key: ProductKey, message: TradesTopicMessage, _timestamp_us: int) -> None:
        self.messages.append(message)

    def dead_letter(self, _key: ProductKey, _part: str, row: RejectedRow, _now_ms: int) -> None:
        self.dead_letters.append(row)

    def flush(self) -> None:
        self.flushed_at.append(len(self.messages))

    @property
    def ids(self) -> list[str]:
        return [
            each.trade_id
            for message in self.messages
            if isinstance(message, TradesMessage)
            for each in message.trades
        ]


class FakeSource:
    """Gives the pages it was made of; ``asked`` says what for."""

    def __init__(self, *pages: list[Trade], is_live: bool = False) -> None:
        self.name: Source = "rest" if is_live else "file"
        self.is_live = is_live
        self.left_out: Sequence[LeftOut] = ()
        self.pages = list(pages)
        self.asked: list[Position | None] = []
        self.on_page: Callable[[int], None] = lambda _number: None

    def batches(
        self, _product_id: str, _from_us: int, _to_us: int, after: Position | None
    ) -> Iterator[Batch]:
        self.asked.append(after)
        for number, page in enumerate(self.pages):
            self.on_page(number)
            table = table_of(page)
            yield clean(RawBatch(f"page {number}", table, str, has_ids=True))


class Replayed:
    """One product's replay over fakes, at an injected time."""

    def __init__(self, source: FakeSource, now_us: int = TO + 60 * SECOND) -> None:
        self.source = source
        self.now_us = now_us
        self.publisher = FakePublisher()
        self.stop = threading.Event()
        self.ends_with_source = False
        self.end_of_history: Callable[[ProductKey, int], int] = lambda _key, end_us: end_us
        self.progress = ProductProgress(KEY, FROM, TO)

    def run(self, so_far: ReplayedSoFar | None = None) -> list[TradesTopicMessage]:
        job = Job(
            self.source,
            cast("Publisher", self.publisher),
            batch=2,
            stop=self.stop,
            now_us=lambda: self.now_us,
            end_of_history=self.end_of_history,
            progress=lambda: None,
            ends_with_source=self.ends_with_source,
        )
        ProductReplay(job, self.progress, so_far or ReplayedSoFar()).run()
        return self.publisher.messages


PAGE = [trade(number, FROM + number * SECOND) for number in range(1, 6)]


def test_a_replay_is_start_trades_and_a_final_watermark() -> None:
    replayed = Replayed(FakeSource(PAGE))
    messages = replayed.run()
    assert messages[0] == StartMessage(*KEY, FROM)
    assert [type(message) for message in messages[1:-1]] == [TradesMessage] * 3
    assert messages[-1] == WatermarkMessage(*KEY, TO, final=True)
    assert replayed.publisher.ids == ["1", "2", "3", "4", "5"]
    assert replayed.publisher.flushed_at == [len(messages)]
    assert replayed.progress.is_done


def test_a_product_without_trades_still_ends() -> None:
    assert Replayed(FakeSource()).run() == [
        StartMessage(*KEY, FROM),
        WatermarkMessage(*KEY, TO, final=True),
    ]


def test_without_any_trade_or_first_day_there_is_nothing_to_start() -> None:
    replayed = Replayed(FakeSource())
    replayed.progress.from_us = None
    assert replayed.run() == [WatermarkMessage(*KEY, TO, final=True)]


def test_only_trades_of_the_period_count() -> None:
    around = [trade(1, FROM - 1), trade(2, FROM), trade(3, TO - 1), trade(4, TO)]
    replayed = Replayed(FakeSource(around))
    replayed.run()
    assert replayed.publisher.ids == ["2", "3"]


def test_the_source_is_not_read_beyond_the_end() -> None:
    source = FakeSource(PAGE, [trade(6, TO + 5 * SECOND)], [trade(7, TO + 6 * SECOND)])
    pages: list[int] = []
    source.on_page = pages.append
    Replayed(source).run()
    assert pages == [0, 1]


def test_an_interrupted_replay_goes_on_behind_its_last_trade() -> None:
    last = Position("3", FROM + 3 * SECOND)
    replayed = Replayed(FakeSource(PAGE))
    messages = replayed.run(ReplayedSoFar(last=last, has_records=True))
    assert replayed.source.asked == [last]
    assert replayed.publisher.ids == ["4", "5"]
    assert not any(isinstance(message, StartMessage) for message in messages)


def test_a_stopped_replay_has_no_final_watermark() -> None:
    replayed = Replayed(FakeSource(PAGE, [trade(6, FROM + 6 * SECOND)]))
    replayed.source.on_page = lambda number: replayed.stop.set() if number else None
    messages = replayed.run()
    assert replayed.publisher.ids == ["1", "2", "3", "4", "5"]
    assert not any(isinstance(message, WatermarkMessage) for message in messages)
    assert not replayed.progress.is_done


def test_ids_the_exchange_itself_lacks_are_a_gap_before_the_next_trade() -> None:
    replayed = Replayed(FakeSource([PAGE[0], PAGE[3]], [PAGE[4]], is_live=True))
    kinds = [
        (message.first_missing_id, message.last_missing_id)
        if isinstance(message, GapMessage)
        else [each.trade_id for each in message.trades]
        for message in replayed.run()
        if isinstance(message, GapMessage | TradesMessage)
    ]
    assert kinds == [["1"], ("2", "3"), ["4"], ["5"]]


def test_ids_a_file_lacks_are_counted_not_called_a_gap() -> None:
    replayed = Replayed(FakeSource([PAGE[0], PAGE[3]]))
    assert not any(isinstance(message, GapMessage) for message in replayed.run())
    assert replayed.progress.missing == 2


def test_stamps_that_step_back_at_the_edges_are_no_skipped_ids() -> None:
    edges = [
        trade(1, FROM - 1),
        trade(2, FROM + 1),
        trade(3, FROM - 1),
        trade(4, FROM + 1),
        trade(5, TO - 2),
        trade(6, TO),
        trade(7, TO - 1),
        trade(8, TO + 1),
    ]
    replayed = Replayed(FakeSource(edges, is_live=True))
    assert not any(isinstance(message, GapMessage) for message in replayed.run())
    assert replayed.publisher.ids == ["2", "4", "5", "7"]


def test_ids_skipped_across_an_edge_of_the_period_are_a_gap_and_others_are_not() -> None:
    pages = [
        [trade(1, FROM - 9), trade(3, FROM - 5), trade(6, FROM + 5)],
        [trade(7, TO - 5), trade(9, TO + 5), trade(11, TO + 6)],
    ]
    replayed = Replayed(FakeSource(*pages, is_live=True))
    gaps = [message for message in replayed.run() if isinstance(message, GapMessage)]
    assert [(gap.first_missing_id, gap.last_missing_id) for gap in gaps] == [("4", "5"), ("8", "8")]
    assert replayed.progress.missing == 3


def test_ids_made_of_a_time_are_no_counts() -> None:
    page = [trade((FROM + number) * 10**8, FROM + number) for number in range(3)]
    replayed = Replayed(FakeSource(page, is_live=True))
    assert not any(isinstance(message, GapMessage) for message in replayed.run())
    assert len(replayed.publisher.ids) == 3


def test_the_end_is_believed_only_once_the_newest_trades_can_be_there() -> None:
    replayed = Replayed(FakeSource(PAGE, is_live=True), now_us=TO)

    def wait(_timeout: float) -> bool:
        replayed.now_us += 4 * SECOND
        replayed.source.pages.append([trade(6, TO - 1)])
        return False

    replayed.stop.wait = wait  # type: ignore[method-assign,assignment]
    replayed.run()
    assert replayed.publisher.ids == ["1", "2", "3", "4", "5", "6"]
    assert replayed.source.asked == [None, Position("5", FROM + 5 * SECOND)]


def test_history_reaches_up_to_a_live_stream_that_began_meanwhile() -> None:
    source = FakeSource(PAGE, [trade(6, TO + 5 * SECOND)], is_live=True)
    replayed = Replayed(source)
    later = TO + 10 * SECOND
    replayed.end_of_history = lambda _key, _end_us: later
    messages = replayed.run()
    assert messages[-1] == WatermarkMessage(*KEY, later, final=True)


def test_rejected_rows_go_to_the_dead_letters_and_are_counted() -> None:
    broken = Trade("2", Decimal(0), Decimal(1), "buy", FROM + SECOND)
    replayed = Replayed(FakeSource([PAGE[0], broken, PAGE[4]]))
    replayed.run()
    assert replayed.publisher.ids == ["1", "5"]
    assert [row.detail for row in replayed.publisher.dead_letters] == [
        "page 0: price is not a positive number in range"
    ]
    assert replayed.progress.rejected == {"price is not a positive number in range": 1}


def test_a_source_out_of_order_is_an_error_not_a_loss() -> None:
    with pytest.raises(DisorderError, match="trade id 1 stands after 4"):
        Replayed(FakeSource([PAGE[3], PAGE[0]])).run()


def test_files_without_an_end_end_with_the_day_of_their_last_trade() -> None:
    day = 86_400 * SECOND
    replayed = Replayed(FakeSource(PAGE))
    replayed.ends_with_source = True
    replayed.progress.to_us = FROM + 400 * day
    assert replayed.run()[-1] == WatermarkMessage(*KEY, FROM // day * day + day, final=True)
    assert replayed.progress.to_us == FROM // day * day + day


def test_ids_missing_beside_a_file_that_was_left_out_are_a_gap() -> None:
    replayed = Replayed(FakeSource([PAGE[0], PAGE[1], PAGE[4]]))
    assert not any(isinstance(each, GapMessage) for each in replayed.run())
    damaged = Replayed(FakeSource([PAGE[0], PAGE[1], PAGE[4]]))
    damaged.source.left_out = [LeftOut("b.zip", "is damaged")]
    assert GapMessage(*KEY, "3", "4") in damaged.run()


def test_rejected_row_leaves_a_gap_where_its_id_is_missing() -> None:
    broken = Trade("2", Decimal(0), Decimal(1), "buy", FROM + SECOND)
    assert GapMessage(*KEY, "2", "2") in Replayed(FakeSource([PAGE[0], broken, PAGE[2]])).run()
