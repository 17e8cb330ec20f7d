"""The candles of a chart: rows of the store, with what the topic knows better or before."""

from typing import Any

from dashboard.market import Market
from dashboard.store import Store, StoreAwayError, Wanted
from ohlc_core.domain.trade import ProductKey


def store_row(row: dict[str, Any]) -> dict[str, Any]:
    """Return a stored row as the page takes it."""
    return {
        "start": row["window_start"],
        "end": row["window_end"],
        "open": row["open"],
        "high": row["high"],
        "low": row["low"],
        "close": row["close"],
        "volume": row["volume"],
        "vwap": row["vwap"],
        "trades": row["trade_count"],
        "buy_volume": row["buy_volume"],
        "complete": bool(row["complete"]),
        "revision": row["revision"],
        "stored_at": row.get("stored_at"),
        "from": "store",
    }


def chart(market: Market, store: Store, wanted: Wanted, limit: int) -> dict[str, Any]:
    """Return up to ``limit`` candles, oldest first, the open one, gaps, and where live began.

    A row of the store counts; of the topic what the store has not got yet, what it never takes
    (incomplete candles), and higher revisions.
    """
    wanted = wanted._replace(group="")
    key = ProductKey(wanted.exchange, wanted.product)
    problem = ""
    live_since = None
    rows: dict[int, dict[str, Any]] = {}
    try:
        rows = {row["window_start"]: store_row(row) for row in store.page(wanted, limit)}
        live_since = store.live_since(wanted)
    except StoreAwayError as error:
        problem = str(error)
    oldest = min(rows, default=0) if len(rows) >= limit else 0
    for row in market.recent(key, wanted.interval):
        is_wanted = wanted.before_ms is None or row["start"] < wanted.before_ms
        stored = rows.get(row["start"])
        if is_wanted and row["start"] >= oldest:
            if stored is None or stored["revision"] < row["revision"]:
                rows[row["start"]] = row
            elif "before" in row and stored["revision"] == row["revision"]:
                stored["before"] = row["before"]
    ordered = [rows[start] for start in sorted(rows)][-limit:]
    is_newest = wanted.before_ms is None
    return {
        "candles": ordered,
        "open": market.open_candle(key, wanted.interval) if is_newest else None,
        "gaps": market.gaps(key),
        "live_since": live_since,
        "store_problem": problem,
    }
