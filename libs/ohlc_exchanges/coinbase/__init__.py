"""Coinbase: everything of this exchange."""
