"""Whether a group's rows survive the real store: a life of batches against brute force.

A temporary SQLite file gets candles in random batches, out of order, repeated, corrected, with
gaps of which most are filled late; it is closed and opened again twice. Then every row must be
what `brute_force` makes of the stored candles alone.
"""

import random
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import create_engine

from ohlc_core.domain.candle import Candle
from ohlc_features.checking.brute_force import (
    computed_features,
    newest,
    stored_candles,
    stored_features,
)
from ohlc_features.checking.sample import PRODUCT
from ohlc_features.define.group import DefinitionError, FeatureGroup
from ohlc_features.define.loading import DefinedGroup
from ohlc_features.define.touched import first_end_ms, last_end_ms, length_ms, reach
from ohlc_features.errors import StoreError
from ohlc_features.sql.store import LocalStore

_EXCHANGE = "check"
#: Wednesday, 1 January 2025.
_BEGIN_MS = 1_735_689_600_000
_MAX_ROWS = 60
#: Rows times the longest window, about: brute force takes its time.
_MAX_STEPS = 40_000
_LATE_SHARE = 0.05
_CORRECTED_SHARE = 0.1


def store_problem(defined: DefinedGroup, interval: str, seed: int = 11) -> str:
    """Return how the stored rows of one interval differ from brute force, or ""."""
    group = FeatureGroup(defined.group.name, version=defined.group.version, intervals=[interval])
    group.features.update(defined.group.features)
    alone = defined._replace(group=group)
    draw = random.Random(f"{seed} {interval}")
    with TemporaryDirectory(prefix="features-check-") as folder:
        url = f"sqlite:///{Path(folder) / 'features.db'}"
        try:
            _live_a_life(url, alone, draw)
        except (StoreError, DefinitionError) as error:
            return f"the store refused it: {error}"
        return _difference(url, group)


def _live_a_life(url: str, defined: DefinedGroup, draw: random.Random) -> None:
    batches = list(_batches(_market(defined.group, draw), draw))
    third = len(batches) // 3
    for part in (batches[:third], batches[third : 2 * third], batches[2 * third :]):
        store = LocalStore.open(url, "ohlc", 1, write_incomplete=True, definitions=[defined])
        try:
            for batch in part:
                store.write(batch)
        finally:
            store.close()


def _difference(url: str, group: FeatureGroup) -> str:
    engine = create_engine(url)
    try:
        expected = computed_features(stored_candles(engine), group)
        found = stored_features(engine, group.table)
        latest = stored_features(engine, f"{group.table}_latest")
    finally:
        engine.dispose()
    either = expected.keys() | found.keys()
    wrong = sorted(key for key in either if expected.get(key) != found.get(key))
    if wrong:
        return (
            f"{len(wrong)} of {len(expected)} stored rows are not what their candles alone give "
            f"(the first: {wrong[0][1]} at {wrong[0][3]}); a feature is a function of its candles"
        )
    return "" if latest == newest(expected) else "the newest rows are not those of the history"


def _market(group: FeatureGroup, draw: random.Random) -> list[Candle]:
    """Return first versions and corrections of what the rows of the group's interval need."""
    (interval,) = group.intervals
    back = reach(group, interval)
    longest = max(back.lengths().values())
    rows = max(12, min(_MAX_ROWS, _MAX_STEPS // longest))
    products = dict.fromkeys((PRODUCT, *(product for product, _ in back.others)))
    series = dict.fromkeys((product, source) for product in products for source in back.own)
    series |= dict.fromkeys(back.others)
    lengths = back.lengths()
    history_ms = max(n * length_ms(source) for source, n in lengths.items())
    first_row = first_end_ms(interval, _BEGIN_MS + history_ms)
    last_row = first_row + (rows - 1) * length_ms(interval)
    made: list[Candle] = []
    for product, source in series:
        step, length = length_ms(source), lengths[source]
        first_end = last_end_ms(source, first_row) - (length - 1) * step
        ends = range(first_end, last_row + 1, step)
        # Rows of the first third lack a candle for good; those behind it are whole.
        gap = ends[draw.randrange((len(ends) - length) // 3)] if len(ends) > length + 2 else None
        made += _candles(product, source, [end for end in ends if end != gap], draw)
    return made


def _candles(product: str, interval: str, ends: list[int], draw: random.Random) -> Iterator[Candle]:
    price = 100.0
    for end in ends:
        final = _candle(product, interval, end, price, draw)
        price = float(final.close)
        if draw.random() < _CORRECTED_SHARE:
            # The same window as it was first seen: fewer trades, and perhaps some missing.
            yield _candle(
                product, interval, end, price, draw, trades=1, complete=draw.random() < 0.5
            )
        yield final


def _candle(
    product: str,
    interval: str,
    end: int,
    before: float,
    draw: random.Random,
    *,
    trades: int = 20,
    complete: bool = True,
) -> Candle:
    close = round(before * (1 + draw.uniform(-2e-3, 2e-3)), 4)
    volume = round(draw.uniform(0.01, 3), 8)
    low, high = sorted((before, close))
    numbers = (before, high * 1.001, low * 0.999, close, volume, (low + high) / 2)
    names = ("open", "high", "low", "close", "volume", "vwap")
    exact = {name: Decimal(f"{number:.8f}") for name, number in zip(names, numbers, strict=True)}
    return Candle(
        exchange=_EXCHANGE,
        product_id=product,
        interval=interval,
        window_start_ms=end - length_ms(interval),
        window_end_ms=end,
        **exact,
        trade_count=trades,
        buy_volume=Decimal(f"{volume * draw.random():.8f}"),
        first_trade_id="1",
        last_trade_id=str(trades),
        complete=complete,
        revision=int(trades > 1),
    )


def _batches(candles: list[Candle], draw: random.Random) -> Iterator[list[Candle]]:
    """Cut candles into batches: in the order of time but for some, the last ones late."""
    span = max(each.window_end_ms for each in candles) - _BEGIN_MS
    late = [each for each in candles if draw.random() < _LATE_SHARE]
    kept = {id(each) for each in late}
    placed = sorted(
        (each for each in candles if id(each) not in kept),
        key=lambda each: each.window_end_ms + draw.random() * span / 20,
    )
    placed += draw.sample(placed, len(placed) // 20)
    draw.shuffle(late)
    placed += late
    at = 0
    while at < len(placed):
        size = draw.choice((1, 3, 17, 60))
        yield placed[at : at + size]
        at += size
