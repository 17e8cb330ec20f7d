"""Kraken: everything of this exchange."""
