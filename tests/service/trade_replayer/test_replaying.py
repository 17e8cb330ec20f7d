"""``trade-replayer`` as a process, against a real broker."""

import calendar
import itertools
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest

from exchange_simulator.protocols.registry import protocol_class
from local_stack.brokers import LocalBroker
from ohlc_core.messages.codec import decode_dead_letter, decode_trades_topic
from ohlc_core.messages.records import (
    StartMessage,
    TradesMessage,
    TradesTopicMessage,
    WatermarkMessage,
)
from ohlc_core.messages.topics import TopicNames, topic_names
from ohlc_exchanges.registry import EXCHANGES, adapter_class
from support.kafka import Record, read_topic
from support.processes import Processes, Script
from support.simulator import start_simulator
from support.wait import wait_until

pytestmark = pytest.mark.service

Replay = Callable[..., Script]
T0 = 1_672_531_200  # 2023-01-01
FROM_US = T0 * 1_000_000
DAY_US = 86_400_000_000


@pytest.fixture
def replay(broker: LocalBroker, processes: Processes, unique_run_id: str) -> Replay:
    """Start a replayer of this test's run with the given settings."""

    def start(**settings: str) -> Script:
        env = {"KAFKA_BROKER_ADDRESS": broker.address, "RUN_ID": unique_run_id, **settings}
        return cast("Script", processes("trade-replayer", env))

    return start


def messages(
    broker: LocalBroker, names: TopicNames, key: str = "kraken:BTC/USD"
) -> list[TradesTopicMessage]:
    return [
        decode_trades_topic(record.value or b"")
        for record in read_topic(broker.address, names.trades)
        if record.key == key.encode()
    ]


def trade_ids(replayed: list[TradesTopicMessage]) -> list[str]:
    return [
        trade.trade_id
        for message in replayed
        if isinstance(message, TradesMessage)
        for trade in message.trades
    ]


def history(folder: Path, trades: int, days: int = 1) -> Mapping[str, str]:
    """Write Kraken's seven-field layout and return the settings that replay it."""
    path = folder / "XBTUSD.csv"
    step = days * 86_400 / trades
    with path.open("w") as file:
        for number in range(trades):
            second = T0 + number * step
            file.write(f"{90 + number % 7}.50,0.1,{second:.6f},b,m,,{number + 1}\n")
    return {
        "REPLAY_SOURCE": "files",
        "REPLAY_PATH": str(path),
        "PRODUCT_IDS": "BTC/USD",
        "FROM_DAY": "2023-01-01",
        "TO_DAY": "2023-01-02",
    }


def test_a_replay_is_whole_and_in_order(
    broker: LocalBroker, replay: Replay, unique_topics: TopicNames, tmp_path: Path
) -> None:
    script = replay(**history(tmp_path, 1_234), REPLAY_BATCH="100")
    assert script.wait(60) == 0, script.log()
    replayed = messages(broker, unique_topics)
    assert replayed[0] == StartMessage("kraken", "BTC/USD", FROM_US)
    assert replayed[-1] == WatermarkMessage("kraken", "BTC/USD", FROM_US + DAY_US, final=True)
    sizes = [len(each.trades) for each in replayed if isinstance(each, TradesMessage)]
    assert sizes == [100] * 12 + [34]
    assert trade_ids(replayed) == [str(number + 1) for number in range(1_234)]
    assert f"RUN_ID={unique_topics.run_id}" in script.log()


def test_records_carry_their_products_key_and_event_time(
    broker: LocalBroker, replay: Replay, unique_topics: TopicNames, tmp_path: Path
) -> None:
    assert replay(**history(tmp_path, 10)).wait(60) == 0
    for record in read_topic(broker.address, unique_topics.trades):
        assert record.key == b"kraken:BTC/USD"
        assert record.timestamp_ms == event_time_us(record) // 1_000


def event_time_us(record: Record) -> int:
    message = decode_trades_topic(record.value or b"")
    if isinstance(message, TradesMessage):
        return message.trades[-1].timestamp_us
    if isinstance(message, StartMessage):
        return message.from_us
    assert isinstance(message, WatermarkMessage)
    return message.watermark_us


def test_a_killed_replay_goes_on_without_a_hole_or_a_double(
    broker: LocalBroker, replay: Replay, unique_topics: TopicNames, tmp_path: Path
) -> None:
    trades = 400_000
    settings = history(tmp_path, trades)
    kills = 0
    for enough in (200, 1_500, 4_000):
        script = replay(**settings, REPLAY_BATCH="40")
        wait_until(
            lambda: record_count(broker, unique_topics) > enough or not script.is_running,  # noqa: B023
            60,
            "the replay to be under way",
            every=0.02,
        )
        kills += script.is_running
        script.kill()
    assert kills, "every replay was over before it could be killed"
    last = replay(**settings, REPLAY_BATCH="40")
    assert last.wait(120) == 0, last.log()
    replayed = messages(broker, unique_topics)
    assert trade_ids(replayed) == [str(number + 1) for number in range(trades)]
    assert sum(isinstance(each, StartMessage) for each in replayed) == 1
    assert sum(isinstance(each, WatermarkMessage) for each in replayed) == 1


def record_count(broker: LocalBroker, names: TopicNames) -> int:
    from confluent_kafka import Consumer, KafkaException, TopicPartition

    consumer = Consumer({"bootstrap.servers": broker.address, "group.id": "counter"})
    try:
        metadata = consumer.list_topics(names.trades, timeout=10).topics[names.trades]
        return sum(
            consumer.get_watermark_offsets(TopicPartition(names.trades, each), timeout=10)[1]
            for each in metadata.partitions
        )
    except KafkaException:
        return 0  # the topic is not there yet
    finally:
        consumer.close()


def test_a_finished_replay_appends_nothing_when_it_is_run_again(
    broker: LocalBroker, replay: Replay, unique_topics: TopicNames, tmp_path: Path
) -> None:
    settings = history(tmp_path, 100)
    assert replay(**settings).wait(60) == 0
    before = read_topic(broker.address, unique_topics.trades)
    again = replay(**settings)
    assert again.wait(60) == 0
    assert "had replayed it completely" in again.log()
    assert read_topic(broker.address, unique_topics.trades) == before


def test_made_ids_go_on_where_a_stopped_replay_was(
    broker: LocalBroker, replay: Replay, unique_topics: TopicNames, tmp_path: Path
) -> None:
    path = tmp_path / "XBTUSD.csv"
    # Whole seconds: many trades share a stamp, and the same ids must come again.
    path.write_text(
        "".join(f"{T0 + number // 9},{90 + number % 5},1\n" for number in range(300_000))
    )
    settings = {
        "REPLAY_SOURCE": "files",
        "REPLAY_PATH": str(path),
        "PRODUCT_IDS": "BTC/USD",
        "FROM_DAY": "2023-01-01",
        "TO_DAY": "2023-01-02",
        "REPLAY_BATCH": "40",
    }
    script = replay(**settings)
    wait_until(lambda: record_count(broker, unique_topics) > 300, 60, "some records", every=0.02)
    assert script.stop() == 0
    assert replay(**settings).wait(60) == 0
    expected = [
        f"{(T0 + second) * 1_000_000}-{ordinal}"
        for second, ordinal in itertools.islice(itertools.product(range(40_000), range(9)), 300_000)
    ]
    assert trade_ids(messages(broker, unique_topics)) == expected


def test_malformed_rows_go_to_the_dead_letters(
    broker: LocalBroker, replay: Replay, unique_topics: TopicNames, tmp_path: Path
) -> None:
    settings = history(tmp_path, 10)
    with Path(settings["REPLAY_PATH"]).open("a") as file:
        file.write(f"oops,1,{T0 + 86_390},b,m,,11\n91.5,0.1,{T0 + 86_391},b,m,,12\n")
    script = replay(**settings)
    assert script.wait(60) == 1, script.log()
    assert "rows were rejected: 1 of kraken:BTC/USD" in script.log()
    assert trade_ids(messages(broker, unique_topics))[-2:] == ["10", "12"]
    (record,) = read_topic(broker.address, unique_topics.trades_dlq)
    letter = decode_dead_letter(record.value or b"")
    assert letter.reason == "malformed"
    assert letter.detail == "XBTUSD.csv, row 11: price is not a number"
    assert letter.payload == f"oops,1,{T0 + 86_390},b,m,,11"
    again = replay(**settings)
    assert again.wait(60) == 1, again.log()
    allowed = replay(**settings, REPLAY_ALLOW="rejected")
    assert allowed.wait(60) == 0, allowed.log()
    assert trade_ids(messages(broker, unique_topics))[-2:] == ["10", "12"]
    assert len(read_topic(broker.address, unique_topics.trades_dlq)) == 1


def test_every_product_ends_even_without_trades(
    broker: LocalBroker, replay: Replay, unique_topics: TopicNames, tmp_path: Path
) -> None:
    settings = {**history(tmp_path, 10), "PRODUCT_IDS": "BTC/USD,ETH/USD"}
    first = replay(**settings)
    assert first.wait(60) == 1
    assert "no trades of kraken:ETH/USD" in first.log()
    assert replay(**settings, REPLAY_ALLOW="empty").wait(60) == 0
    assert messages(broker, unique_topics, "kraken:ETH/USD") == [
        StartMessage("kraken", "ETH/USD", FROM_US),
        WatermarkMessage("kraken", "ETH/USD", FROM_US + DAY_US, final=True),
    ]


@pytest.mark.parametrize(
    "exchange", [name for name in EXCHANGES if adapter_class(name).history_reach is None]
)
def test_history_of_an_exchange_costs_calls_once(
    broker: LocalBroker,
    processes: Processes,
    unique_run_id: str,
    tmp_path: Path,
    exchange: str,
) -> None:
    product_id = protocol_class(exchange).default_products[0]
    with start_simulator(
        exchange=exchange,
        simulator_start="2023-01-02T04:00:00",
        simulator_history="5h",
        simulator_rate=2,
        product_ids=product_id,
    ) as simulator:
        simulator.control.pause()
        simulator.control.order({"fault": "rest", "kind": "429", "calls": 2})
        base = {
            "KAFKA_BROKER_ADDRESS": broker.address,
            "EXCHANGE": exchange,
            "EXCHANGE_REST_URL": simulator.rest_url,
            "PRODUCT_IDS": product_id,
            "FROM_DAY": "2023-01-02",
            "TO_DAY": "2023-01-03",
            "REST_INTERVAL_SECONDS": "0",
            "REPLAY_CACHE": str(tmp_path / "pages"),
        }
        for number in range(2):
            run_id = f"{unique_run_id}-{number}"
            script = cast("Script", processes("trade-replayer", {**base, "RUN_ID": run_id}))
            assert script.wait(90) == 0, script.log()
            key = f"{exchange}:{product_id}"
            # Read now: trades up to the pause may appear a moment after it.
            truth = [
                str(trade["trade_id"])
                for trade in simulator.control.trades(product_id)
                if trade["time_ns"] // 1_000 >= FROM_US + DAY_US
            ]
            assert len(truth) > 2_000
            assert trade_ids(messages(broker, topic_names(run_id), key)) == truth
        # What is left: the newest page, which is never kept, its end, and Coinbase's newest id.
        pages, calls = re.search(r"(\d+) pages from disk, (\d+) calls", script.log()).groups()  # type: ignore[union-attr]
        assert int(pages) >= len(truth) // 1_000
        assert int(calls) <= 4


def test_a_history_until_now_goes_on_to_the_new_now(
    broker: LocalBroker, replay: Replay, unique_topics: TopicNames
) -> None:
    with start_simulator(
        product_ids="BTC/USD", simulator_history="2m", simulator_rate=5
    ) as simulator:
        settings = {
            "EXCHANGE_REST_URL": simulator.rest_url,
            "PRODUCT_IDS": "BTC/USD",
            "REST_INTERVAL_SECONDS": "0",
            "FROM_DAY": str((datetime.now(UTC) - timedelta(days=1)).date()),
            "REPLAY_CACHE": "off",
        }
        for _ in range(2):
            script = replay(**settings)
            assert script.wait(60) == 0, script.log()
        truth = simulator.control.trades("BTC/USD")
    replayed = messages(broker, unique_topics)
    ends = [each.watermark_us for each in replayed if isinstance(each, WatermarkMessage)]
    assert len(ends) == 2
    assert ends[0] < ends[1]
    assert sum(isinstance(each, StartMessage) for each in replayed) == 1
    assert trade_ids(replayed) == [
        str(trade["trade_id"]) for trade in truth if trade["time_ns"] // 1_000 < ends[1]
    ]


def test_bitstamps_one_day_is_replayed_and_more_refused(
    broker: LocalBroker, replay: Replay, unique_topics: TopicNames
) -> None:
    with start_simulator(
        exchange="bitstamp", simulator_history="30m", simulator_rate=2, product_ids="BTC/USD"
    ) as simulator:
        simulator.control.pause()
        paused_s = simulator.control.state()["clock_ns"] // 10**9
        # A replay ends at the whole second of the response's Date: let the pause's own pass.
        wait_until(lambda: datetime.now(UTC).timestamp() >= paused_s + 1, 10)
        today = datetime.now(UTC).date()
        midnight_ns = calendar.timegm(today.timetuple()) * 10**9
        settings = {
            "EXCHANGE": "bitstamp",
            "EXCHANGE_REST_URL": simulator.rest_url,
            "PRODUCT_IDS": "BTC/USD",
            "REST_INTERVAL_SECONDS": "0",
            "FROM_DAY": str(today),
        }
        script = replay(**settings)
        assert script.wait(60) == 0, script.log()
        truth = [
            str(trade["trade_id"])
            for trade in simulator.control.trades("BTC/USD")
            if trade["time_ns"] >= midnight_ns
        ]
        assert trade_ids(messages(broker, unique_topics, "bitstamp:BTC/USD")) == truth
        refused = replay(**settings | {"FROM_DAY": "2023-01-01"})
        assert refused.wait(60) == 2
        assert "bitstamp's REST history has only the last day of trades" in refused.log()


def test_an_unknown_product_is_reported_in_the_exchanges_words(replay: Replay) -> None:
    with start_simulator(product_ids="BTC/USD") as simulator:
        script = replay(
            EXCHANGE_REST_URL=simulator.rest_url, PRODUCT_IDS="NO/SUCH", FROM_DAY="2023-01-01"
        )
        assert script.wait(60) == 2
    assert "PRODUCT_IDS holds 'NO/SUCH', to which kraken says: EQuery:Unknown asset pair" in (
        script.log()
    )


def test_a_source_out_of_order_ends_with_the_remedy(replay: Replay, tmp_path: Path) -> None:
    settings = history(tmp_path, 10)
    with Path(settings["REPLAY_PATH"]).open("a") as file:
        file.write(f"91.5,0.1,{T0 + 5},b,m,,3\n")
    script = replay(**settings)
    assert script.wait(60) == 1
    assert "XBTUSD.csv: trade id 3 stands for different trades" in script.log()


def test_an_absent_broker_ends_with_the_remedy(processes: Processes, tmp_path: Path) -> None:
    settings = {
        **history(tmp_path, 10),
        "KAFKA_BROKER_ADDRESS": "127.0.0.1:1",
        "KAFKA_STARTUP_TIMEOUT_SECONDS": "1",
    }
    script = processes("trade-replayer", settings)
    assert script.wait(60) == 1
    assert "no broker answered at KAFKA_BROKER_ADDRESS=127.0.0.1:1" in script.log()
