"""Binance: everything of this exchange."""
