"""Backfills: their end, their proof, and the verification of candles."""
