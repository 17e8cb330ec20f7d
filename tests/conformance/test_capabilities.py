"""What an adapter says of its exchange, and how it takes input that no exchange should send."""

from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pytest

from exchange_simulator.protocols.protocol import Protocol
from ohlc_exchanges.base import (
    MAX_FRAME_BYTES,
    ExchangeAdapter,
    ExchangeError,
    ExchangeUnavailableError,
    Malformed,
    Position,
    RateLimitedError,
    Request,
    Response,
    TradesSeen,
)
from support.hostile import HOSTILE_BODIES, HOSTILE_FRAMES

DOCS = Path(__file__).parents[2] / "docs" / "exchanges.md"
NOON_US = 1_767_614_400_000_000


def test_adapter_has_the_registry_s_name_and_public_addresses_over_tls(
    exchange: str, adapter: ExchangeAdapter
) -> None:
    assert adapter.name == exchange
    assert adapter.ws_url.startswith("wss://")
    assert adapter.rest_url.startswith("https://")


def test_capabilities_are_stated(adapter: ExchangeAdapter) -> None:
    assert adapter.trade_ids in ("dense", "shared")
    assert adapter.has_dense_ids == (adapter.trade_ids == "dense")
    assert adapter.rest_interval_seconds > 0
    assert adapter.silence_seconds > 1.0
    attempts, seconds = adapter.connection_attempts
    assert attempts > 0
    assert seconds > 0
    if adapter.history_reach is not None:
        assert adapter.history_reach.us > 0
        assert adapter.history_reach.message


def test_simulated_protocol_agrees_with_the_adapter(
    adapter: ExchangeAdapter, protocol: type[Protocol]
) -> None:
    assert protocol.name == adapter.name
    assert protocol.shares_ids == (adapter.trade_ids == "shared")


def test_exchange_has_one_row_in_the_table_of_guarantees(exchange: str) -> None:
    rows = [line for line in DOCS.read_text().splitlines() if line.startswith(f"| `{exchange}`")]
    assert len(rows) == 1


def test_symbol_is_the_same_for_all_spellings_of_a_product(
    adapter: ExchangeAdapter, protocol: type[Protocol]
) -> None:
    products = protocol.default_products
    assert len({adapter.symbol(product) for product in products}) == len(products)
    for product in products:
        assert adapter.symbol(product) == adapter.symbol(adapter.symbol(product))


@pytest.mark.parametrize("name", HOSTILE_FRAMES)
def test_hostile_frame_is_malformed_and_never_an_exception(
    adapter: ExchangeAdapter, product: str, name: str
) -> None:
    adapter.subscribe_frames([product])
    events = adapter.read_frame(HOSTILE_FRAMES[name])
    assert not any(isinstance(event, TradesSeen) for event in events)
    assert all(len(e.reason) <= 400 for e in events if isinstance(e, Malformed))
    assert all(len(e.payload) <= 21_000 for e in events if isinstance(e, Malformed))


def test_frame_over_the_bound_is_not_decoded(adapter: ExchangeAdapter) -> None:
    (event,) = adapter.read_frame(b" " * (MAX_FRAME_BYTES + 1))
    assert isinstance(event, Malformed)


@pytest.mark.parametrize("name", HOSTILE_BODIES)
def test_hostile_page_of_history_raises_its_declared_error_only(
    adapter: ExchangeAdapter, product: str, name: str
) -> None:
    response = Response(200, {}, HOSTILE_BODIES[name])

    def fetch(_request: Request) -> Response:
        adapter.check(response)
        return response

    def unchecked(_request: Request) -> Response:
        return response

    for source in (fetch, unchecked):
        for pages in (
            adapter.pages_from_time(product, NOON_US, source),
            adapter.pages_after(product, Position("5", NOON_US), source),
        ):
            try:
                found = list(islice(pages, 200))
            except ExchangeError:
                continue
            assert not [trade for page in found for trade in page.trades]


@pytest.mark.parametrize(
    ("status", "headers", "body", "error"),
    [
        (429, {"Retry-After": "7"}, b"", RateLimitedError),
        (500, {}, b"<html>oops</html>", ExchangeUnavailableError),
        (503, {}, b"", ExchangeUnavailableError),
        (403, {}, b"<!DOCTYPE html><title>Just a moment...</title>", ExchangeUnavailableError),
        (200, {}, b"<!DOCTYPE html><title>Maintenance</title>", ExchangeUnavailableError),
        (200, {}, b"", ExchangeError),
        (302, {"location": "https://elsewhere.example/"}, b"", ExchangeError),
    ],
)
def test_answers_that_are_no_page_are_named(
    adapter: ExchangeAdapter,
    status: int,
    headers: dict[str, str],
    body: bytes,
    error: type[ExchangeError],
) -> None:
    with pytest.raises(error):
        adapter.check(Response(status, headers, body))


@pytest.mark.parametrize(
    ("text", "check"),
    [
        ("7", lambda seconds: seconds == 7),
        ("inf", lambda seconds: seconds is None),
        ("1e9", lambda seconds: seconds == 600),
        ("-5", lambda seconds: seconds == 0),
        ("Thu, 26 Nov 2026 12:00:30 GMT", lambda seconds: seconds == 30),
        ("soon", lambda seconds: seconds is None),
    ],
)
def test_retry_after_is_a_bounded_wait(
    adapter: ExchangeAdapter, text: str, check: Callable[[float | None], bool]
) -> None:
    headers = {"Retry-After": text, "Date": "Thu, 26 Nov 2026 12:00:00 GMT"}
    with pytest.raises(RateLimitedError) as raised:
        adapter.check(Response(429, headers, b""))
    assert check(raised.value.retry_after_seconds)
