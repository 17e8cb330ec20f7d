"""Which market a local run's candles are from, and which store they may go into."""

import os
import time
from pathlib import Path
from urllib.parse import urlsplit

from local_stack.errors import StackError
from local_stack.run_folder import RunFolder
from local_stack.settings import StackSettings
from local_stack.stopping import StopRequest
from ohlc_core.service.local_runs import running_stacks
from ohlc_exchanges.registry import adapter_for
from ohlc_exchanges.settings import ProductSettings
from ohlc_features.errors import StoreRejectedError, StoreUnavailableError
from ohlc_features.sql.market import SIMULATED, MixedMarketsError, claim_market
from ohlc_features.sql.tables import FeatureTables

_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_RETRY_SECONDS = 1.0


def demo_store_url(settings: StackSettings, folder: RunFolder) -> str:
    """Return the store of a demo: one of its own, in its run folder.

    A FEATURE_STORE_URL of the environment, given for this very run, is used instead; that of
    ``.env`` is the user's real store and is not.
    """
    if os.environ.get("FEATURE_STORE_URL"):
        return settings.feature_store_url
    return f"sqlite:///{folder.store}"


def market(products: ProductSettings, root: Path) -> str:
    """Return where the trades of a run come from: `SIMULATED` for a running demo's exchange."""
    given = products.exchange_rest_url or products.exchange_ws_url
    if given and any(given in _addresses(stack) for stack in running_stacks(root)):
        return SIMULATED
    host = urlsplit(given or adapter_for(products.exchange).rest_url).hostname or ""
    return "localhost" if host in _LOOPBACK else host


def _addresses(stack: dict[str, object]) -> tuple[object, ...]:
    settings = stack.get("settings")
    if stack.get("mode") != "demo" or not isinstance(settings, dict):
        return ()
    return settings.get("EXCHANGE_REST_URL"), settings.get("EXCHANGE_WS_URL")


def claim(settings: StackSettings, url: str, exchange: str, origin: str, stop: StopRequest) -> None:
    """Record in the store whose candles it gets, once it can be reached.

    Raises:
        StackError: it holds candles of another market (exit code 2), has tables of another
            version, or cannot be opened.
    """
    tables = FeatureTables(settings.feature_group_name, settings.feature_group_version)
    deadline = time.monotonic() + settings.feature_store_startup_timeout_seconds
    while not stop.is_set:
        try:
            claim_market(url, exchange, origin, tables)
        except StoreUnavailableError as error:
            if time.monotonic() > deadline:
                raise StackError(f"{error}; start it, or correct FEATURE_STORE_URL") from None
            time.sleep(_RETRY_SECONDS)
        except MixedMarketsError as error:
            raise StackError(str(error), exit_code=2) from None
        except StoreRejectedError as error:
            raise StackError(str(error)) from None
        else:
            return
