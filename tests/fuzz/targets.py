"""What is fuzzed: each target takes any bytes, and raises where the product does wrong by them."""

import json
import os
import re
import tempfile
from collections.abc import Callable, Sequence
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from fuzz import strict
from ohlc_aggregator.settings import AggregatorSettings
from ohlc_core.domain.product_candles import ProductCandles
from ohlc_core.domain.product_state import NewerStateError
from ohlc_core.domain.state import MemoryStore, StateError
from ohlc_core.domain.trade import Trade
from ohlc_core.errors import MalformedMessageError, PipelineError, SettingsError
from ohlc_core.messages.codec import (
    decode_candle,
    decode_dead_letter,
    decode_record,
    decode_trades_topic,
    encode,
    encode_candle,
    encode_trades,
)
from ohlc_core.messages.records import DeadLetter, GapMessage, StartMessage, WatermarkMessage
from ohlc_core.messages.scaled_trades import scaled_columns
from ohlc_core.messages.trades_record import SIDE_LETTERS, TradesRecord, trades_of
from ohlc_core.service.settings import load
from ohlc_exchanges.base import ExchangeError, Response, TradesSeen
from ohlc_exchanges.registry import EXCHANGES, adapter_for
from ohlc_features.replacement import reason_to_reject
from ohlc_history.settings import HistorySettings
from ohlc_history.sources.history_files import FileSource
from support.candle_records import candle
from support.candles import HOUR, KEY, MINUTE, SECOND, T0, Driver, rules, trade
from support.hostile import GOOD_FRAMES, HOSTILE_BODIES
from support.trade_objects import trade_objects

PRODUCTS = ("BTC/USD", "BTC/USDT")


class Target(NamedTuple):
    """One door, and good inputs to start from."""

    run: Callable[[bytes], None]
    seeds: Sequence[bytes]


def _check_trades(found: Sequence[Trade], data: bytes) -> None:
    """Check that the trades are in the input, as a strict parser reads it, within bounds."""
    if not found:
        return
    leaves = strict.leaves(strict.parsed(data, whole_text=False))
    numbers = {Decimal(each) for each in leaves if strict.PLAIN.fullmatch(each)}
    # JSON numbers may have an exponent.
    numbers |= {Decimal(each) for each in leaves if re.fullmatch(r"[0-9.]+[eE][+-]?[0-9]+", each)}
    # A JSON number may be -0, which is 0.
    numbers |= {Decimal(0) for each in leaves if re.fullmatch(r"-0+(\.0*)?", each)}
    ids = {str(int(each)) for each in leaves if re.fullmatch("[0-9]{1,19}", each)}
    for each in found:
        # Kraken's pages had no ids in their first years: those are made of the time, in ns.
        is_made = each.trade_id[:-3] == str(each.timestamp_us)
        assert each.trade_id in ids or is_made, each
        assert each.price in numbers, each
        assert each.quantity in numbers, each
        assert 0 < each.price <= Decimal(10) ** 30, each
        assert 0 <= each.quantity <= Decimal(10) ** 30, each
        assert strict.YEAR_2009_US <= each.timestamp_us <= strict.latest_us(), each


def _check_line(error: Exception) -> None:
    """Check that the error is a line of a sane length."""
    assert len(str(error)) < 5_000
    assert "\n" not in str(error)


def frames(exchange: str) -> Target:
    adapter = adapter_for(exchange)
    adapter.subscribe_frames(PRODUCTS)

    def run(data: bytes) -> None:
        for event in adapter.read_frame(data):
            if isinstance(event, TradesSeen):
                _check_trades(event.trades, data)

    return Target(run, [GOOD_FRAMES[exchange].encode()])


_PAGES = {
    "kraken": b'{"error":[],"result":{"XXBTZUSD":[["84098.4","0.1",1790000074.62619,"b","l","",'
    b'7]],"last":"1790000074626190000"}}',
    "coinbase": b'[{"trade_id":7,"side":"buy","size":"0.1","price":"84098.4",'
    b'"time":"2026-01-05T12:00:00.5Z"}]',
    "binance": b'[{"id":7,"price":"84098.4","qty":"0.1","quoteQty":"1","time":1767614400000,'
    b'"isBuyerMaker":true,"isBestMatch":true}]',
    "bitstamp": b'[{"date":"1767614400","tid":"7","price":"84098.4","type":"0","amount":"0.1"}]',
    "okx": b'{"code":"0","msg":"","data":[{"instId":"BTC-USDT","side":"buy","sz":"0.1",'
    b'"px":"84098.4","tradeId":"7","ts":"1767614400000"}]}',
}


def pages(exchange: str) -> Target:
    adapter = adapter_for(exchange)
    adapter.subscribe_frames(PRODUCTS)

    def run(data: bytes) -> None:
        def fetch(request: object) -> Response:
            response = Response(200, {}, data)
            adapter.check(response)
            return response

        for product in PRODUCTS:
            try:
                for page in islice(adapter.pages_from_time(product, T0, fetch), 2):
                    _check_trades(page.trades, data)
            except ExchangeError:
                pass

    return Target(run, [_PAGES[exchange], *(b for b in HOSTILE_BODIES.values() if len(b) < 2_000)])


def _records() -> Target:
    def run(data: bytes) -> None:
        try:
            record = decode_record(data)
        except MalformedMessageError:
            _must_refuse(data)
            return
        if not isinstance(record, TradesRecord):
            _apply(record)
            return
        columns = scaled_columns(record)
        try:
            found = trades_of(record)
        except MalformedMessageError:
            if columns is not None:
                assert Driver().product.on_columns(columns) is None, "only the quick way takes it"
            _must_refuse(data)
            return
        wanted = strict.trades(data)
        rows = [
            (t.trade_id, t.price, t.quantity, SIDE_LETTERS[t.side], t.timestamp_us) for t in found
        ]
        assert rows == wanted
        one, other = Driver(rules("1m")), Driver(rules("1m"))
        if columns is not None and one.product.on_columns(columns) is not None:
            other.trades(*found)
            one.product.save()
            other.product.save()
            assert one.store == other.store
        else:
            one.trades(*found)

    many = [trade(100 + n, T0 + n, f"{100 + n}.25", "0.125") for n in range(20)]
    seeds = [
        encode_trades("kraken", "BTC/USD", "rest", many[:2]),
        encode_trades("kraken", "BTC/USD", "rest", many),
        trade_objects("kraken", "BTC/USD", "rest", many[:2]),
        encode(StartMessage("kraken", "BTC/USD", T0)),
        encode(WatermarkMessage("kraken", "BTC/USD", T0, final=True)),
        encode(GapMessage("kraken", "BTC/USD", "7", "9")),
    ]
    return Target(run, seeds)


def _must_refuse(data: bytes) -> None:
    try:
        taken = strict.trades(data)
    except strict.RefusedError:
        return
    if strict.repeats_a_name(data):
        return  # whether the last one wins is nobody's rule
    # The one bound of ours that the strict parser has not: a column's length.
    if len(data) < 5_000:
        raise AssertionError(f"refused, but a strict parser takes it: {taken[:3]}")


def _apply(record: StartMessage | WatermarkMessage | GapMessage) -> None:
    driver = Driver(rules("1m"))
    driver.trades(trade(5, T0))
    if isinstance(record, StartMessage):
        driver.start(record.from_us)
    elif isinstance(record, GapMessage):
        driver.gap(record.first_missing_id, record.last_missing_id)
    driver.trades(trade(6, T0 + SECOND))
    driver.product.save()


def _candles() -> Target:
    def run(data: bytes) -> None:
        try:
            found = decode_candle(data)
        except MalformedMessageError:
            return
        record = strict.parsed(data, whole_text=False)
        assert record["type"] == "candle"
        for name in ("open", "high", "low", "close", "volume", "vwap", "buy_volume"):
            value = record[name]
            if value is not None:
                assert isinstance(value, strict.Number), name
                assert strict.NUMBER.fullmatch(value), name
            assert getattr(found, name) == (None if value is None else Decimal(value)), name
        assert found.window_start_ms * 1_000 >= strict.YEAR_2009_US
        if reason_to_reject(found) is None:
            assert decode_candle(encode_candle(found)) == found

    return Target(run, [encode_candle(candle())])


def _letters() -> Target:
    def run(data: bytes) -> None:
        try:
            letter = decode_dead_letter(data)
        except MalformedMessageError:
            letter = DeadLetter("malformed", "x", "t", 0, 0, data.decode(errors="replace"))
        assert len(encode(letter)) <= 900_000
        try:
            decode_trades_topic(data)
        except MalformedMessageError as error:
            _check_line(error)

    return Target(run, [encode(DeadLetter("malformed", "no\n", "trades", 0, 7, '"\x00\x1b\u2028'))])


def _saved() -> MemoryStore:
    driver = Driver(rules("1m", fill=True))
    driver.trades(*(trade(n, T0 + n * SECOND) for n in range(1, 90)))
    driver.gap(100, 110)
    driver.trades(trade(111, T0 + 3 * MINUTE))
    driver.product.save()
    return driver.store


def _state() -> Target:
    saved = dict(_saved())
    names = sorted(saved)

    def run(data: bytes) -> None:
        if not data:
            return
        store = MemoryStore(saved)
        # The first byte chooses which of the values it takes the place of.
        store[names[data[0] % len(names)]] = data[1:]
        try:
            product = ProductCandles(KEY, rules("1m", fill=True), store, sequential=True)
            product.on_trades([trade(50, T0), trade(112, T0 + 4 * MINUTE)])
            product.on_gap("1", "2")
            product.on_start(T0 + 5 * MINUTE)
            product.on_watermark(T0 + HOUR)
            for _ in range(3):
                product.more()
            product.save()
        except (StateError, NewerStateError) as error:
            _check_line(error)

    return Target(run, [bytes([index]) + saved[name] for index, name in enumerate(names)])


def _files() -> Target:
    folder = tempfile.TemporaryDirectory(prefix="fuzz-")
    suffixes = (".csv", ".csv.gz", ".zip", ".parquet", ".csv.zst")

    def run(data: bytes) -> None:
        if not data:
            return
        path = Path(folder.name) / f"XBTUSD{suffixes[data[0] % len(suffixes)]}"
        path.write_bytes(data[1:])
        try:
            source = FileSource(str(path), ["BTC/USD"], sequential=True)
            source.first_us("BTC/USD")
            for batch in source.batches("BTC/USD", 0, 1 << 52, None):
                for us in batch.table["timestamp_us"]:
                    assert us >= 0
        except PipelineError:
            pass
        finally:
            path.unlink()

    header = b"trade_id,price,quantity,side,timestamp\n"
    rows = header + b"".join(b"%d,1.5,1,buy,%d\n" % (n, 1_672_531_200 + n) for n in range(5))
    plain = b"1672531200,1.5,1\n1672531201,1.5,1\n"
    import gzip
    import io
    import zipfile

    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("XBTUSD.csv", plain)
    return Target(
        run,
        [
            b"\0" + rows,
            b"\0" + plain,
            b"\1" + gzip.compress(plain, mtime=0),
            b"\2" + archive.getvalue(),
        ],
    )


def _settings() -> Target:
    def run(data: bytes) -> None:
        given = dict(
            line.split("=", 1)
            for line in data.decode("utf-8", "surrogateescape").split("\n")
            if "=" in line and "\0" not in line and not line.startswith("=")
        )
        before = dict(os.environ)
        try:
            os.environ.update(given)
            for each in (AggregatorSettings, HistorySettings):
                try:
                    settings = load(each, _env_file=None)
                except SettingsError as error:
                    _check_line(error)
                else:
                    if isinstance(settings, AggregatorSettings):
                        settings.rules.closed_until(0)
        finally:
            os.environ.clear()
            os.environ.update(before)

    seed = b"OHLC_INTERVALS=1m,5m,1w@monday\nGRACE_MS=1000\nLATE_RETENTION=90s\nMAX_AHEAD=1h\n"
    seed += b"COMMIT_INTERVAL_SECONDS=1.5\nPRODUCT_IDS=BTC/USD,ETH/USD\nEXCHANGE=kraken\n"
    seed += b"REPLAY_SOURCE=files\nREPLAY_PATH=x\nFROM_DAY=2023-08-01\nTO_DAY=2023-09-01\n"
    seed += b"REPLAY_BATCH=500\nKAFKA_BROKER_ADDRESS=localhost:9092\nRUN_ID=a"
    return Target(run, [seed])


def every() -> dict[str, Target]:
    """Return all targets by name."""
    return (
        {f"frames-{each}": frames(each) for each in EXCHANGES}
        | {f"pages-{each}": pages(each) for each in EXCHANGES}
        | {
            "records": _records(),
            "candles": _candles(),
            "letters": _letters(),
            "state": _state(),
            "files": _files(),
            "settings": _settings(),
        }
    )


def described(data: bytes) -> str:
    """Return an input as short text."""
    return json.dumps(data[:300].decode("latin-1"))
