import json
from pathlib import Path

from ohlc_exchanges.base import Request, Response
from ohlc_exchanges.binance.adapter import Binance
from ohlc_exchanges.coinbase.adapter import Coinbase
from ohlc_exchanges.kraken.adapter import Kraken
from ohlc_history.sources.page_cache import CachedFetch


class Exchange:
    """Answers with as many rows as it is asked for, and counts the calls."""

    def __init__(self, rows: int = 2) -> None:
        self.calls: list[Request] = []
        self.rows = rows

    def __call__(self, request: Request) -> Response:
        self.calls.append(request)
        return Response(
            200, {}, json.dumps({"error": [], "result": {"P": [[1]] * self.rows}}).encode()
        )


def cached(exchange: Exchange, folder: Path | None, address: str = "http://a") -> CachedFetch:
    return CachedFetch(exchange, Kraken(), folder, address)


def page(since: int) -> Request:
    return Request("/trades", {"pair": "P", "since": str(since), "count": "2"})


def test_a_full_page_is_not_fetched_again(tmp_path: Path) -> None:
    exchange = Exchange()
    first = cached(exchange, tmp_path)
    body = first(page(1)).body
    first.page_came(has_trades=True)
    again = cached(exchange, tmp_path)
    assert again(page(1)).body == body
    assert len(exchange.calls) == 1
    assert (again.hits, again.calls) == (1, 0)


def test_the_newest_unfinished_page_is_never_kept(tmp_path: Path) -> None:
    exchange = Exchange(rows=1)
    fetch = cached(exchange, tmp_path)
    fetch(page(1))
    fetch.page_came(has_trades=True)
    fetch(page(2))
    fetch.page_came(has_trades=False)
    assert list(tmp_path.rglob("*.json")) == []


def test_a_short_page_is_kept_once_another_followed(tmp_path: Path) -> None:
    exchange = Exchange(rows=1)
    fetch = cached(exchange, tmp_path)
    for since in (1, 2):
        fetch(page(since))
        fetch.page_came(has_trades=True)
    fetch(page(1))
    assert len(exchange.calls) == 2
    fetch(page(2))
    assert len(exchange.calls) == 3


def test_a_page_the_adapter_did_not_believe_is_not_kept(tmp_path: Path) -> None:
    exchange = Exchange()
    fetch = cached(exchange, tmp_path)
    fetch(page(5))  # it began behind a gap, so the cursor steps back
    fetch(page(4))
    fetch.page_came(has_trades=True)
    fetch(page(5))
    assert len(exchange.calls) == 3


def test_answers_without_a_cursor_are_not_kept(tmp_path: Path) -> None:
    exchange = Exchange()
    fetch = cached(exchange, tmp_path)
    for _ in range(2):
        fetch(Request("/trades", {"pair": "P", "count": "2"}))
        fetch.page_came(has_trades=True)
    assert len(exchange.calls) == 2


def test_pages_of_another_address_are_other_pages(tmp_path: Path) -> None:
    exchange = Exchange()
    for address in ("http://a", "http://b"):
        fetch = cached(exchange, tmp_path, address)
        fetch(page(1))
        fetch.page_came(has_trades=True)
    assert len(exchange.calls) == 2


def test_a_broken_stored_page_is_fetched_again(tmp_path: Path) -> None:
    exchange = Exchange()
    fetch = cached(exchange, tmp_path)
    fetch(page(1))
    fetch.page_came(has_trades=True)
    (stored,) = tmp_path.rglob("*.json")
    for broken in ("", "{", "nonsense"):
        stored.write_text(broken)
        fetch(page(1))
    assert len(exchange.calls) == 4


def test_the_cache_can_be_off() -> None:
    exchange = Exchange()
    fetch = cached(exchange, None)
    for _ in range(2):
        fetch(page(1))
        fetch.page_came(has_trades=True)
    assert len(exchange.calls) == 2


class Descending:
    """Coinbase's history: ``limit`` rows below the cursor, newest first; ids up to ``newest``."""

    def __init__(self, newest: int) -> None:
        self.newest = newest
        self.calls = 0

    def __call__(self, request: Request) -> Response:
        self.calls += 1
        top = min(self.newest, int(request.params.get("after", self.newest + 1)) - 1)
        ids = range(top, max(0, top - int(request.params["limit"])), -1)
        return Response(200, {}, json.dumps([{"trade_id": each} for each in ids]).encode())


def below(cursor: int, limit: int = 2) -> Request:
    return Request("/trades", {"after": str(cursor), "limit": str(limit)})


def test_what_begins_right_below_an_id_is_final_page_or_probe(tmp_path: Path) -> None:
    exchange = Descending(newest=10)
    fetch = CachedFetch(exchange, Coinbase(), tmp_path, "http://a")
    for request in (below(9), below(11), below(5, limit=1)):
        first = fetch(request).body
        assert fetch(request).body == first
    assert exchange.calls == 3


def test_a_full_answer_below_an_id_not_yet_reached_is_not_kept(tmp_path: Path) -> None:
    exchange = Descending(newest=10)
    fetch = CachedFetch(exchange, Coinbase(), tmp_path, "http://a")
    for _ in range(2):
        fetch(below(13))
        fetch.page_came(has_trades=True)
    assert exchange.calls == 2


def test_the_first_trade_of_a_time_is_kept_once_there_is_one(tmp_path: Path) -> None:
    exchange = Exchange(rows=0)
    fetch = CachedFetch(exchange, Binance(), tmp_path, "http://a")
    request = Request("/aggTrades", {"startTime": "5", "limit": "1"})
    fetch(request)
    exchange.rows = 1
    fetch(request)
    fetch(request)
    assert len(exchange.calls) == 2
