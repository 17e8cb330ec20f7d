"""Trades played from files: Kraken REST ``Trades`` bodies, with or without trade ids."""

import json
from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from exchange_simulator.market.products import QUOTES, Product, parse_product
from exchange_simulator.market.trade_log import Row
from ohlc_core.errors import SettingsError

_CURRENCIES = {"XBT": "BTC", "XDG": "DOGE"}
_LEGACY_PAIR_LENGTH = 8  # XXBTZUSD: X or Z stands before each three-letter currency
_INT64 = 1 << 63


class PlayedTrades(NamedTuple):
    """All trades of one product, oldest first."""

    product: Product
    rows: tuple[Row, ...]


class _RawTrade(NamedTuple):
    price: Decimal
    quantity: Decimal
    time_ns: int
    is_sell: bool
    is_market: bool
    trade_id: int | None


def read_trades_files(paths: Sequence[Path]) -> list[PlayedTrades]:
    """Read ``Trades`` response bodies; a folder stands for every ``*Trades*.json`` in it.

    Pages of one product are put in time order. Rows without an id (the format before 2023) get
    ids by order, from 1; rows that several pages repeat are recognised by id.

    Raises:
        SettingsError: a file is missing or is no such body.
    """
    pages: dict[str, list[list[_RawTrade]]] = {}
    for path in _files(paths):
        key, rows = _read_page(path)
        pages.setdefault(key, []).append(rows)
    return [_played(key, pages[key]) for key in sorted(pages)]


def product_of_key(key: str) -> str:
    """Return ``BTC/USD`` for Kraken's ``XXBTZUSD`` or ``XBTUSD``.

    Raises:
        SettingsError: the quote currency is not one of those known here.
    """
    if len(key) == _LEGACY_PAIR_LENGTH and key[0] in "XZ" and key[4] in "XZ":
        key = f"{key[1:4]}/{key[5:]}"
    for theirs, usual in _CURRENCIES.items():
        key = key.replace(theirs, usual)
    try:
        return parse_product(key)
    except ValueError as error:
        raise SettingsError(
            f"SIMULATOR_TRADES_FILE holds pair {key!r} ({error}); allowed: pairs quoted in "
            + ", ".join(QUOTES)
        ) from None


def _files(paths: Sequence[Path]) -> Iterable[Path]:
    for path in paths:
        try:
            found = sorted(path.glob("*Trades*.json")) if path.is_dir() else [path]
            is_there = bool(found) and found[0].is_file()
        except OSError:  # a name that is too long, or a folder that may not be read
            is_there = False
        if not is_there:
            raise SettingsError(
                f"SIMULATOR_TRADES_FILE was '{path}' (no such file); allowed: Kraken REST Trades "
                "bodies, or a folder of *Trades*.json"
            )
        yield from found


def _read_page(path: Path) -> tuple[str, list[_RawTrade]]:
    try:
        # Floats stay text: a row's time must not lose digits.
        result = json.loads(path.read_bytes(), parse_float=str)["result"]
        key = next(name for name in result if name != "last")
        return key, [_raw(row) for row in result[key]]
    except (
        OSError,
        KeyError,
        TypeError,
        ValueError,
        ArithmeticError,
        StopIteration,
        AttributeError,
    ) as error:
        raise SettingsError(
            f"SIMULATOR_TRADES_FILE was '{path}' ({error!r}); allowed: a Kraken REST Trades body"
        ) from None


def _raw(row: Sequence[object]) -> _RawTrade:
    price, quantity, time, side, order_type = (str(field) for field in row[:5])
    return _RawTrade(
        Decimal(price),
        Decimal(quantity),
        int(Decimal(time).scaleb(9)),
        side == "s",
        order_type == "m",
        int(str(row[6])) if len(row) > 6 else None,
    )


def _played(key: str, pages: list[list[_RawTrade]]) -> PlayedTrades:
    trades = [trade for page in sorted(pages, key=_page_order) for trade in page]
    if not trades:
        raise SettingsError(f"SIMULATOR_TRADES_FILE holds no trade of {key}")
    if all(trade.trade_id is not None for trade in trades):
        by_id = {trade.trade_id: trade for trade in trades}
        trades = [by_id[trade_id] for trade_id in sorted(by_id, key=int)]  # type: ignore[arg-type]
    price_decimals = max(_decimals(trade.price.normalize()) for trade in trades)
    quantity_decimals = max(8, *(_decimals(trade.quantity) for trade in trades))
    product = Product(
        product_of_key(key),
        price_decimals,
        quantity_decimals,
        max(_decimals(trade.price) for trade in trades),
    )
    return PlayedTrades(product, tuple(_rows(trades, product)))


def _rows(trades: list[_RawTrade], product: Product) -> Iterable[Row]:
    time_ns = 0
    for number, trade in enumerate(trades, start=1):
        price = int(trade.price.scaleb(product.price_decimals))
        quantity = int(trade.quantity.scaleb(product.quantity_decimals))
        if max(price, quantity) >= _INT64:
            raise SettingsError(
                f"SIMULATOR_TRADES_FILE holds {trade.price} x {trade.quantity} of {product.name}; "
                "allowed: numbers below 2^63 in units of the file's precision"
            )
        time_ns = max(time_ns, trade.time_ns)
        trade_id = number if trade.trade_id is None else trade.trade_id
        yield Row(trade_id, price, quantity, trade.is_sell, trade.is_market, time_ns)


def _page_order(page: list[_RawTrade]) -> int:
    return page[0].time_ns if page else 0


def _decimals(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
