"""The console script ``dashboard``: it can be stopped from its first moment on."""

from typing import NoReturn

from ohlc_core.service.start import start


def main() -> NoReturn:
    """Run the service; exits the process."""
    start("dashboard.main")


if __name__ == "__main__":
    main()
