"""What a run has achieved, in one line at its end, from its services' metrics."""

from collections.abc import Iterable

import httpx

from dashboard.services import quantile, read_metrics
from local_stack.services import Service

_TIMEOUT_SECONDS = 0.5
_STORED_WITHIN = "feature_writer_candle_age_seconds"


def achieved(services: Iterable[Service]) -> str:
    """Return candles, gaps and freshness in words; "" where the services no longer answer."""
    return in_words([text for each in services if (text := _metrics(each))])


def in_words(texts: Iterable[str]) -> str:
    """Return what some services' metrics amount to; "" where they hold nothing of it."""
    sums: dict[str, float] = {}
    freshness: dict[float, float] = {}
    for text in texts:
        counts, buckets = read_metrics(text)
        for name, value in counts.items():
            sums[name] = sums.get(name, 0.0) + value
        freshness |= buckets.get(_STORED_WITHIN, {})
    if "feature_writer_candles_written_total" not in sums:
        return ""
    words = [
        f"{sums['feature_writer_candles_written_total']:,.0f} candles stored",
        f"{sums.get('trade_producer_gaps_filled_total', 0):,.0f} gaps filled",
        f"{sums.get('trade_producer_ids_unresolved_total', 0):,.0f} trades lost",
    ]
    if (p99 := quantile(freshness, 0.99)) is not None:
        words.append(f"99 % of live candles stored within {p99:.1f} s of their window's end")
    return "achieved: " + ", ".join(words)


def _metrics(service: Service) -> str:
    try:
        return httpx.get(service.metrics_url, timeout=_TIMEOUT_SECONDS, trust_env=False).text
    except httpx.HTTPError:
        return ""
