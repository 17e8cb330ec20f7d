"""Bitstamp: everything of this exchange."""
