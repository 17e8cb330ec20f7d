"""Trades of the past: sources, tables, ids, duplicates."""
