"""Whether topics, stores and features are exactly what the exchange's trades make them."""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Engine, create_engine, inspect

from chaos.expected import Expected, expected_candles
from chaos.pipeline import DEFINITIONS, INTERVALS
from chaos.plan import PRODUCTS
from ohlc_features.checking.brute_force import computed_features, stored_candles, stored_features
from ohlc_features.define.loading import load_definitions
from ohlc_features.schema import CANDLE_COLUMNS, EVENT_TIME, HISTORY_KEY
from support.trades_topic import TradesTopic, Truth

_SHOWN = 5
#: What a candle says beside its window, its completeness and its revision.
_SAID = tuple(
    name
    for name in CANDLE_COLUMNS
    if name not in (*HISTORY_KEY, EVENT_TIME, "complete", "revision")
)
Row = dict[str, Any]
#: exchange, product, interval, end of the window (ms)
RowKey = tuple[str, str, str, int]


def all_expected(topic: TradesTopic, truth: Truth) -> dict[tuple[str, str, str], Expected]:
    """Return what every product and interval must have."""
    found = {}
    for product in PRODUCTS:
        if product not in topic.starts:
            continue
        from_us = topic.starts[product][0]
        trades = truth.from_start(product, from_us)
        for interval in INTERVALS:
            key = (truth.exchange, product, interval)
            gaps = topic.gaps.get(product, [])
            found[key] = expected_candles(key, trades, from_us, truth.until_us, gaps)
    return found


def judge_candles(
    records: Iterable[bytes],
    expected: dict[tuple[str, str, str], Expected],
    truth: Truth,
    guarantee: str,
) -> list[str]:
    """The topic's newest revisions are the batch's, to the byte; nothing hides a missing trade."""
    problems = []
    newest: dict[tuple[str, str, str], dict[int, tuple[int, bool, str]]] = defaultdict(dict)
    seen: dict[tuple[str, str, str, int, int], bytes] = {}
    for record in records:
        fields = msgspec.json.decode(record)
        key = (fields["exchange"], fields["product_id"], fields["interval"])
        start = fields["window_start_ms"] * 1_000
        place = (*key, start, fields["revision"])
        if seen.setdefault(place, record) != record:
            problems.append(f"ohlc {place}: two different records of one revision")
        elif guarantee == "exactly-once" and seen[place] is not record:
            problems.append(f"ohlc {place}: twice under exactly-once")
        text = record.decode().rpartition('"complete":')[0]
        if start not in newest[key] or newest[key][start][0] <= fields["revision"]:
            newest[key][start] = (fields["revision"], fields["complete"], text)
    for key, wanted in expected.items():
        problems += _judge_windows(key, newest[key], wanted, truth)
    return problems


def _judge_windows(
    key: tuple[str, str, str],
    found: dict[int, tuple[int, bool, str]],
    wanted: Expected,
    truth: Truth,
) -> list[str]:
    name = "ohlc " + " ".join(key[1:])
    problems = []
    missing = sorted(wanted.texts.keys() - found.keys())
    if missing:
        problems.append(f"{name}: {len(missing)} windows missing, {missing[:_SHOWN]}")
    extra = sorted(
        start
        for start in found.keys() - wanted.texts.keys()
        if start + wanted.step <= truth.until_us
    )
    if extra:
        problems.append(f"{name}: {len(extra)} windows not expected, {extra[:_SHOWN]}")
    for start in sorted(found.keys() & wanted.texts.keys()):
        _, complete, text = found[start]
        if text != wanted.texts[start]:
            problems.append(f"{name} {start}: {text} is not {wanted.texts[start]}")
        if complete == (start in wanted.touched):
            problems.append(f"{name} {start}: complete is {complete}")
    return problems[: 3 * _SHOWN]


def judge_hidden(truth_rows: dict[str, list[dict[str, Any]]], rows: dict[RowKey, Row]) -> list[str]:
    """No stored candle is complete that misses a trade which the exchange never showed."""
    problems = []
    for product, trades in truth_rows.items():
        times = [each["time_ns"] // 1_000_000 for each in trades if each["withheld"]]
        for key, row in rows.items():
            if key[1] == product and row["complete"]:
                begin, end = row["window_start"], row["window_end"]
                if any(begin <= at < end for at in times):
                    problems.append(f"store {key}: complete, and a trade of it is missing")
    return problems


def judge_store(
    rows: dict[RowKey, Row], expected: dict[tuple[str, str, str], Expected], until_us: int
) -> list[str]:
    """The store holds every whole candle once, with the batch's numbers, and no other whole one."""
    problems = []
    for key, wanted in expected.items():
        complete = {
            row["window_start"] * 1_000: row
            for place, row in rows.items()
            if place[:3] == key and row["complete"]
        }
        missing = sorted(wanted.texts.keys() - wanted.touched - complete.keys())
        if missing:
            problems.append(f"store {key}: {len(missing)} rows missing, {missing[:_SHOWN]}")
        for start, row in complete.items():
            if start + wanted.step > until_us:
                continue
            text = wanted.texts.get(start)
            if text is None or start in wanted.touched:
                problems.append(f"store {key} {start}: a complete row that must not be")
                continue
            fields = msgspec.json.decode((text + '"end":0}').encode())
            unequal = [name for name in _SAID if fields[name] != row[name]]
            if unequal:
                problems.append(f"store {key} {start}: {unequal} differ from the batch's")
    return problems[: 6 * _SHOWN]


def judge_features(engine: Engine, rows: dict[RowKey, Row], until_us: int) -> list[str]:
    """Every feature row is what its stored candles give, computed one by one.

    Behind ``until_us`` the writer goes on between reading candles and features.
    """
    group = load_definitions(DEFINITIONS)[0].group
    if not inspect(engine).has_table(group.table):
        return [f"features: no table {group.table}"]
    found = stored_features(engine, group.table)
    wanted = computed_features(rows, group)
    keys = [key for key in found.keys() | wanted.keys() if key[3] * 1_000 <= until_us]
    unequal = sorted(key for key in keys if found.get(key) != wanted.get(key))
    return [f"features: {len(unequal)} rows differ, {unequal[:_SHOWN]}"] if unequal else []


def judge_backfill(live: str, back: Path) -> list[str]:
    """The complete rows of live are the backfill's, candles and features, and none is between."""
    group = load_definitions(DEFINITIONS)[0].group
    problems = []
    engines = [create_engine(live), create_engine(f"sqlite:///{back}")]
    try:
        candles = [_complete_candles(engine) for engine in engines]
        problems += _compare("live and backfill", *candles, both_ways=True)
        features = [
            {key: row for key, row in stored_features(engine, group.table).items() if row[-1]}
            for engine in engines
        ]
        # Those of live's first windows lack inputs that the backfill has.
        problems += _compare("features live and backfill", *features, both_ways=False)
    finally:
        for engine in engines:
            engine.dispose()
    return problems


def _complete_candles(engine: Engine) -> dict[RowKey, Any]:
    return {
        key: tuple(row[name] for name in _SAID)
        for key, row in stored_candles(engine).items()
        if row["complete"]
    }


def _compare(
    what: str, live: dict[RowKey, Any], back: dict[RowKey, Any], *, both_ways: bool
) -> list[str]:
    ends: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    for key in live:
        ends[key[:3]].append(key[3])
    between = {
        key
        for key in back
        if key[:3] in ends and min(ends[key[:3]]) <= key[3] <= max(ends[key[:3]])
    }
    wanted = live.keys() | between if both_ways else live.keys()
    unequal = sorted(key for key in wanted if live.get(key) != back.get(key))
    return [f"{what}: {len(unequal)} rows differ, {unequal[:_SHOWN]}"] if unequal else []


def stored_rows(url: str) -> tuple[Engine, dict[RowKey, Row]]:
    """Return the store's candles by key; none where the writer has not made the table yet."""
    engine = create_engine(url)
    rows: dict[RowKey, Row] = {}
    if inspect(engine).has_table("ohlc_1"):
        rows = stored_candles(engine)
        for row in rows.values():
            row["complete"] = bool(row["complete"])
    return engine, rows
