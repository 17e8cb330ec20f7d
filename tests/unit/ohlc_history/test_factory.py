import threading

from ohlc_core.service.settings import load
from ohlc_exchanges.registry import adapter_for
from ohlc_history.settings import HistorySettings
from ohlc_history.sources.factory import open_fetcher


def test_each_wait_is_reported_under_its_own_product_and_calls_are_spaced_together() -> None:
    settings = load(
        HistorySettings,
        _env_file=None,
        exchange="coinbase",
        product_ids=("BTC/USD", "ETH/USD"),
        rest_interval_seconds=0.05,
    )
    waits: list[tuple[str, str]] = []
    fetcher = open_fetcher(
        settings,
        adapter_for("coinbase"),
        threading.Event(),
        lambda product, why, _seconds: waits.append((product, why)),
    )
    fetchers = {product: fetcher(product) for product in settings.product_ids}
    for product in ("BTC/USD", "ETH/USD", "BTC/USD"):
        fetchers[product]._wait_for_turn("")
    assert waits == [("ETH/USD", "rate limit"), ("BTC/USD", "rate limit")]
