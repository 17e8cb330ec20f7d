"""The console script ``features``: it can be stopped from its first moment on."""

from typing import NoReturn

from ohlc_core.service.start import start


def main() -> NoReturn:
    """Run the command; exits the process."""
    start("ohlc_features.command")


if __name__ == "__main__":
    main()
