"""The aggregator as a real process against a real broker."""

import pytest
from confluent_kafka.admin import AdminClient, ConfigResource, NewPartitions, ResourceType

from local_stack.brokers import LocalBroker
from ohlc_core.domain.candle import Candle
from ohlc_core.messages.codec import decode_candle, decode_dead_letter, encode, encode_trades
from ohlc_core.messages.records import GapMessage, StartMessage, WatermarkMessage
from ohlc_core.messages.topics import TopicNames
from support.candles import HOUR, KEY, MINUTE, SECOND, T0, trade
from support.kafka import create_topics, produce, read_topic
from support.processes import Processes, Script
from support.wait import wait_until

pytestmark = pytest.mark.service


def trades_record(*trades: object) -> tuple[str, bytes]:
    return str(KEY), encode_trades(*KEY, "websocket", trades)  # type: ignore[arg-type]


def watermark(us: int, *, final: bool = False) -> tuple[str, bytes]:
    return str(KEY), encode(WatermarkMessage(*KEY, us, final))


def candles(broker: LocalBroker, names: TopicNames) -> list[Candle]:
    return [decode_candle(r.value or b"") for r in read_topic(broker.address, names.ohlc)]


class Aggregator:
    """Starts aggregators on topics of the test's own."""

    def __init__(self, broker: LocalBroker, run_id: str, processes: Processes) -> None:
        self._processes = processes
        self._env = {
            "KAFKA_BROKER_ADDRESS": broker.address,
            "RUN_ID": run_id,
            "OHLC_INTERVALS": "1m,5m",
            "EMPTY_CANDLES": "skip",
            "COMMIT_INTERVAL_SECONDS": "0.2",
        }

    def start(self, **settings: str) -> Script:
        return self._processes("ohlc-aggregator", self._env | settings)


@pytest.fixture
def aggregator(broker: LocalBroker, unique_run_id: str, processes: Processes) -> Aggregator:
    return Aggregator(broker, unique_run_id, processes)


@pytest.fixture
def names(broker: LocalBroker, unique_topics: TopicNames) -> TopicNames:
    create_topics(broker.address, unique_topics.trades, unique_topics.ohlc)
    create_topics(broker.address, unique_topics.trades_dlq)
    return unique_topics


def test_trades_become_candles_of_every_interval(
    broker: LocalBroker, names: TopicNames, aggregator: Aggregator
) -> None:
    produce(
        broker.address,
        names.trades,
        [
            (str(KEY), encode(StartMessage(*KEY, T0))),
            trades_record(trade(1, T0, "10"), trade(2, T0 + SECOND, "12", "0.5", "sell")),
            trades_record(trade(3, T0 + 61 * SECOND, "11")),
            watermark(T0 + 10 * MINUTE),
        ],
    )
    process = aggregator.start()
    wait_until(lambda: len(candles(broker, names)) >= 3, 60, "three candles")
    records = read_topic(broker.address, names.ohlc)
    assert {record.key for record in records} == {str(KEY).encode()}
    assert records[0].value == (
        b'{"type":"candle","exchange":"kraken","product_id":"BTC/USD","interval":"1m",'
        b'"window_start_ms":%d,"window_end_ms":%d,"open":10,"high":12,"low":10,"close":12,'
        b'"volume":1.5,"vwap":10.6666666667,"trade_count":2,"buy_volume":1,'
        b'"first_trade_id":"1","last_trade_id":"2","complete":true,"revision":0}'
        % (T0 // 1000, (T0 + MINUTE) // 1000)
    )
    assert records[0].timestamp_ms == (T0 + MINUTE) // 1000
    assert [c.interval for c in candles(broker, names)] == ["1m", "1m", "5m"]
    assert process.stop(30) == 0


def test_rejected_records_go_to_the_dead_letter_topic_with_a_reason(
    broker: LocalBroker, names: TopicNames, aggregator: Aggregator
) -> None:
    produce(
        broker.address,
        names.trades,
        [
            (str(KEY), b"not json"),
            (str(KEY), None),
            ("kraken:ETH/USD", trades_record(trade(1, T0))[1]),
            (str(KEY), b'{"type":"trades","exchange":"kraken"}'),
            trades_record(trade(1, T0 + 3 * HOUR), trade(2, T0)),
            trades_record(trade(3, T0 + 10**6 * HOUR)),
            trades_record(trade(4, T0 + 3 * HOUR + SECOND, "-1")),
            trades_record(trade(5, T0 + 3 * HOUR + SECOND)),
            watermark(T0 + 4 * HOUR),
        ],
    )
    aggregator.start()
    wait_until(lambda: len(candles(broker, names)) >= 2, 60, "two candles")
    letters = [
        decode_dead_letter(r.value or b"") for r in read_topic(broker.address, names.trades_dlq)
    ]
    reasons = sorted(letter.reason for letter in letters)
    assert reasons == ["malformed"] * 5 + ["too-early", "too-late"]
    assert {candle.trade_count for candle in candles(broker, names)} == {2}
    assert all(letter.topic == names.trades and letter.offset >= 0 for letter in letters)


def test_a_gap_makes_the_candles_it_touches_incomplete(
    broker: LocalBroker, names: TopicNames, aggregator: Aggregator
) -> None:
    produce(
        broker.address,
        names.trades,
        [
            trades_record(trade(1, T0), trade(2, T0 + MINUTE)),
            (str(KEY), encode(GapMessage(*KEY, "3", "4"))),
            trades_record(trade(5, T0 + 2 * MINUTE), trade(6, T0 + 3 * MINUTE)),
            watermark(T0 + 10 * MINUTE, final=True),
        ],
    )
    aggregator.start(OHLC_INTERVALS="1m")
    wait_until(lambda: len(candles(broker, names)) >= 4, 60, "four candles")
    assert [c.complete for c in candles(broker, names)] == [True, False, False, True]


def test_a_killed_aggregator_goes_on_where_its_checkpoint_was(
    broker: LocalBroker, names: TopicNames, aggregator: Aggregator
) -> None:
    first = aggregator.start()
    produce(
        broker.address, names.trades, [trades_record(trade(1, T0), trade(2, T0 + MINUTE + SECOND))]
    )
    wait_until(lambda: len(candles(broker, names)) >= 1, 60, "the first candle")
    first.kill()
    produce(broker.address, names.trades, [trades_record(trade(3, T0 + 2 * SECOND, "999"))])
    produce(broker.address, names.trades, [watermark(T0 + 10 * MINUTE)])
    aggregator.start(STATE_DIR="elsewhere")
    wait_until(
        lambda: {c.window_start_ms for c in candles(broker, names) if c.interval == "5m"}, 60, "5m"
    )
    newest = {(c.interval, c.window_start_ms): c for c in candles(broker, names)}
    assert newest["1m", T0 // 1000].revision == 1
    assert newest["1m", T0 // 1000].high == 999
    assert newest["5m", T0 // 1000].trade_count == 3


def test_windows_without_trades_have_flat_candles_by_default(
    broker: LocalBroker, names: TopicNames, aggregator: Aggregator
) -> None:
    produce(
        broker.address,
        names.trades,
        [trades_record(trade(1, T0, "10")), watermark(T0 + 3 * MINUTE + SECOND)],
    )
    aggregator.start(OHLC_INTERVALS="1m", EMPTY_CANDLES="")
    wait_until(lambda: len(candles(broker, names)) >= 3, 60, "three candles")
    _, *flat = candles(broker, names)
    assert [(c.close, c.volume, c.buy_volume, c.trade_count) for c in flat] == [(10, 0, 0, 0)] * 2
    assert all(c.complete for c in flat)


def test_a_watermark_far_ahead_is_worked_off_in_parts_that_survive_a_kill(
    broker: LocalBroker, names: TopicNames, aggregator: Aggregator
) -> None:
    begin = T0 - 3_000_000 * SECOND
    produce(
        broker.address,
        names.trades,
        [trades_record(trade(1, begin)), watermark(T0, final=True)],
    )

    def count(least: int) -> list[Candle]:
        return wait_until(
            lambda: found if len(found := candles(broker, names)) >= least else None,
            120,
            f"{least} candles",
            every=0.5,
        )

    settings = {"OHLC_INTERVALS": "1s", "EMPTY_CANDLES": "fill"}
    first = aggregator.start(**settings)
    count(10_000)
    first.kill()
    before = count(10_000)
    second = aggregator.start(**settings)
    after = count(len(before) + 10_000)
    assert second.stop() == 0
    starts = [candle.window_start_ms for candle in after]
    again = len(starts) - len(set(starts))
    assert again < len(before), "it went on from a part"
    assert sorted(set(starts)) == list(range(min(starts), max(starts) + 1, 1_000))
    assert len(set(after)) == len(set(starts)), "repeated candles are the same"


def test_a_malformed_record_too_large_for_its_dead_letter_is_passed(
    broker: LocalBroker, names: TopicNames, aggregator: Aggregator
) -> None:
    produce(
        broker.address,
        names.trades,
        [
            trades_record(trade(1, T0)),
            (str(KEY), b'{"type":"\x00' + b"\x01" * 990_000),
            ("k" * 950_000, b"not json"),
            watermark(T0 + HOUR, final=True),
        ],
    )
    process = aggregator.start(OHLC_INTERVALS="1m")
    wait_until(lambda: candles(broker, names), 60, "the candle behind it")
    letters = [
        decode_dead_letter(r.value or b"") for r in read_topic(broker.address, names.trades_dlq)
    ]
    assert len(letters) == 2
    assert any("cut to" in letter.detail for letter in letters)
    assert process.stop(30) == 0


def test_a_second_instance_of_one_name_ends_the_first_with_the_setting_to_change(
    broker: LocalBroker, names: TopicNames, aggregator: Aggregator
) -> None:
    name = {"KAFKA_GROUP_INSTANCE_ID": "twin"}
    first = aggregator.start(**name, STATE_DIR="first")
    produce(broker.address, names.trades, [trades_record(trade(1, T0)), watermark(T0 + HOUR)])
    wait_until(lambda: candles(broker, names), 60, "a candle")
    second = aggregator.start(**name, STATE_DIR="second")
    assert first.wait(60) == 1
    assert "KAFKA_GROUP_INSTANCE_ID" in first.log_lines()[-1]
    assert "Traceback" not in first.log()
    assert second.stop(30) == 0


def test_more_partitions_end_the_aggregator_at_once_and_at_each_start(
    broker: LocalBroker, names: TopicNames, aggregator: Aggregator
) -> None:
    process = aggregator.start()
    produce(broker.address, names.trades, [trades_record(trade(1, T0)), watermark(T0 + HOUR)])
    wait_until(lambda: candles(broker, names), 60, "a candle")
    admin = AdminClient({"bootstrap.servers": broker.address})
    for future in admin.create_partitions([NewPartitions(names.trades, 8)]).values():
        future.result(30)
    for running in (process, aggregator.start()):
        assert running.wait(60) == 1
        assert f"topic {names.trades} has 8 partitions" in running.log_lines()[-1]
        assert "Traceback" not in running.log()


def test_changelog_is_compacted_in_small_segments(
    broker: LocalBroker, names: TopicNames, aggregator: Aggregator
) -> None:
    process = aggregator.start()
    process.wait_for_log("aggregating")
    changelog = f"changelog__{names.aggregator_group}--{names.trades}--default"
    admin = AdminClient({"bootstrap.servers": broker.address})
    (asked,) = admin.describe_configs([ConfigResource(ResourceType.TOPIC, changelog)]).values()
    config = {name: entry.value for name, entry in asked.result(30).items()}
    assert config["cleanup.policy"] == "compact"
    assert config["segment.bytes"] == str(32 << 20)
    assert process.stop(30) == 0
