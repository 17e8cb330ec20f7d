"""The console script ``local-stack``: it can be stopped from its first moment on."""

from typing import NoReturn

from ohlc_core.service.start import start


def main() -> NoReturn:
    """Run the command; exits the process."""
    start("local_stack.main")


if __name__ == "__main__":
    main()
