"""Candles computed a second time, another way, and compared with a store's.

Nothing here uses the pipeline's own candle code, so that an error in it cannot hide itself.
"""
