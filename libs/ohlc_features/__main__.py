"""``python -m ohlc_features`` is the command ``features``."""

from ohlc_features.command import main

main()
