"""Binance.US speaks Binance's protocol at its own addresses."""

from ohlc_exchanges.binance.adapter import Binance


class BinanceUs(Binance):
    """The adapter. Source: https://docs.binance.us/ (websocket streams, REST API)."""

    name = "binance-us"
    ws_url = "wss://stream.binance.us:9443/ws"
    rest_url = "https://api.binance.us"
