"""What the page shows once a second: the flow from the exchange to the store, in words."""

import time
from typing import Any

from dashboard.services import Services
from dashboard.tail import Tails

_CHAIN = ("trade-producer", "ohlc-aggregator", "feature-writer")
_SILENT_SECONDS = 5.0
_BROKER_SECONDS = 4.0
_BEHIND_SECONDS = 30.0

Row = dict[str, Any]


class Snapshots:
    """Makes the snapshot.

    Args:
        services: polled.
        tails: of the topics.
        store_name: for people.
    """

    def __init__(self, services: Services, tails: Tails, store_name: str) -> None:
        self._services = services
        self._tails = tails
        self._store_name = store_name
        self._trades = (time.time(), 0)
        self._rate = 0.0
        self.store_problem = ""

    def take(self) -> Row:
        """Return the snapshot of this moment; call it about once a second."""
        now = time.time()
        rows = self._services.rows()
        broker_away = now - self._tails.answered_at > _BROKER_SECONDS
        self._note_rate(now)
        products = self._tails.market.products()
        state, sentence, remedy = _sentence(self, rows, products, now, broker_away=broker_away)
        return {
            "now": int(now * 1000),
            "run": self._run(rows),
            "state": state,
            "sentence": sentence,
            "remedy": remedy,
            "services": rows,
            "flow": _flow(self, rows, now, broker_away=broker_away),
            "products": products,
            "intervals": self._tails.market.intervals(),
            "freshness": self._services.freshness(),
            "dead_letters": len(self._tails.dead_letters),
            "store": self._store_name,
            "store_problem": self.store_problem,
            "broker_problem": self._tails.problem if broker_away else "",
        }

    @property
    def rate(self) -> float:
        """Trades a second on the topic."""
        return self._rate

    @property
    def tails(self) -> Tails:
        """The topics' tails."""
        return self._tails

    @property
    def store_name(self) -> str:
        """The store, for people."""
        return self._store_name

    def _note_rate(self, now: float) -> None:
        before, count = self._trades
        if now - before >= 2:
            total = self._tails.market.trade_count
            self._rate = (total - count) / (now - before) if count else 0.0
            self._trades = (now, total)

    def _run(self, rows: list[Row]) -> Row:
        modes = [str(stack.get("mode", "")) for stack in self._services.stacks]
        is_simulated = "demo" in modes or any(row["name"] == "exchange-simulator" for row in rows)
        producer = next((row for row in rows if row["name"] == "trade-producer"), None)
        exchange = "" if producer is None else producer["works_on"].get("exchange", "")
        return {
            "modes": modes,
            "simulated": is_simulated,
            "exchange": exchange,
            "backfills": [stack for stack in self._services.stacks if _is_backfill(stack)],
        }


def _is_backfill(stack: Row) -> bool:
    return str(stack.get("mode", "")).startswith("backfill")


def _named(rows: list[Row], name: str) -> list[Row]:
    return [row for row in rows if row["name"] == name]


def _newest_ms(products: list[Row]) -> int:
    return max((row["watermark"] or 0 for row in products), default=0)


def _sentence(
    snapshots: Snapshots, rows: list[Row], products: list[Row], now: float, *, broker_away: bool
) -> tuple[str, str, str]:
    """Return the state's word, a sentence, and what to do."""
    away = next((row for name in _CHAIN for row in _named(rows, name) if _is_away(row)), None)
    if away is not None:
        return "stalled", away["message"], "It is restarted where it ended; else see its log."
    if broker_away:
        return (
            "broker away",
            f"The broker does not answer ({snapshots.tails.problem})",
            "What is shown is the store's. Records wait at the producer until it is back.",
        )
    troubled = next((row for row in rows if row["state"] in ("stalled", "holding")), None)
    if troubled is not None:
        words = f"{troubled['name']}: {troubled['message']}"
        return troubled["state"], words, "See Health for the part."
    if not _newest_ms(products):
        return _empty(rows)
    return _market_sentence(products, now)


def _is_away(row: Row) -> bool:
    return bool(row["state"] == "away")


def _empty(rows: list[Row]) -> tuple[str, str, str]:
    missing = [name for name in _CHAIN if not _named(rows, name)]
    if missing:
        return "empty", f"Not running: {', '.join(missing)}", "make demo, or make run"
    return "starting", "Waiting for the first trade", ""


def _market_sentence(products: list[Row], now: float) -> tuple[str, str, str]:
    behind = now - _newest_ms(products) / 1e3
    if behind > _BEHIND_SECONDS:
        words = f"The newest trade on the topic is {_ago(behind)} old"
        return "catching up", words, "History is read, or nothing is produced."
    traded = max((row["last_trade"] or 0 for row in products), default=0)
    quiet = now - traded / 1e3
    if quiet > _SILENT_SECONDS:
        return "quiet", f"No trades for {_ago(quiet)}; the exchange is there", ""
    return "live", f"Live: last trade {max(0.0, quiet):.1f} s ago", ""


def _ago(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5_400 else f"{seconds / 3_600:.1f} h"


def _flow(snapshots: Snapshots, rows: list[Row], now: float, *, broker_away: bool) -> list[Row]:
    def total(name: str, metric: str, kind: str = "sums") -> float | None:
        # What a service that is away said last is no figure of this moment.
        answering = [row for row in _named(rows, name) if not _is_away(row)]
        values = [row[kind].get(metric) for row in answering]
        known = [value for value in values if value is not None]
        return sum(known) if known else None

    def service(name: str, rate: str, lag: str) -> Row:
        ours = _named(rows, name)
        worst = next((row for row in ours if not row["healthy"]), ours[0] if ours else None)
        return {
            "name": name,
            "state": "not running" if worst is None else worst["state"],
            "message": "" if worst is None else worst["message"],
            "rate": total(name, rate, "rates"),
            "lag_records": total(name, lag),
            "instances": len(ours),
        }

    silence = total("trade-producer", "trade_producer_silence_seconds")
    newest = _newest_ms(snapshots.tails.market.products())
    exchange_state = "unknown"
    if silence is not None:
        exchange_state = "silent" if silence > _SILENT_SECONDS else "live"
    topic_state = "away" if broker_away else "live"
    written = total("feature-writer", "feature_writer_candles_written_total", "rates")
    holding = total("feature-writer", "feature_writer_holding")
    return [
        {"name": "exchange", "state": exchange_state, "lag_seconds": silence},
        service(
            "trade-producer",
            "trade_producer_trades_appended_total",
            "trade_producer_broker_queue_records",
        ),
        {
            "name": "trades",
            "state": topic_state,
            "rate": snapshots.rate,
            "lag_seconds": now - newest / 1e3 if newest else None,
        },
        service("ohlc-aggregator", "ohlc_trades_read_total", "ohlc_consumer_lag_records"),
        {
            "name": "ohlc",
            "state": topic_state,
            "rate": total("ohlc-aggregator", "ohlc_candles_emitted_total", "rates"),
        },
        service(
            "feature-writer",
            "feature_writer_candles_written_total",
            "feature_writer_lag_records",
        ),
        {
            "name": "store",
            "state": "holding" if holding else ("away" if snapshots.store_problem else "live"),
            "rate": written,
            "message": snapshots.store_problem,
        },
    ]
