"""The console script ``features``: it can be stopped from its first moment on."""

import sys
from typing import NoReturn

from ohlc_core.service.start import start


def main() -> NoReturn:
    """Run the command; exits the process."""
    try:
        start("ohlc_features.command")
    except ModuleNotFoundError as error:
        sys.stderr.write(
            f"features: {error.name} is not installed here; with Docker use "
            "`docker compose exec dashboard features ...`, else install ohlc-pipeline[reader]\n"
        )
        sys.exit(1)


if __name__ == "__main__":
    main()
