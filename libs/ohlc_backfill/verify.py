"""``make verify``: the store's candles against candles recomputed from history.

The history is the exchange's (REST), an archive's files, or a query's, as REPLAY_SOURCE says. The
period is FROM_DAY to TO_DAY, or what the store holds. Exit codes: 0 all equal, 1 any mismatch or
anything that could not be read, 2 wrong settings.
"""

import contextlib
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from loguru import logger
from pydantic import Field
from rich.console import Console

from ohlc_backfill.verification.compare import Comparison, ProductComparer
from ohlc_backfill.verification.expected import ExpectedRows
from ohlc_backfill.verification.features import verify_features
from ohlc_backfill.verification.official import Agreement, IsJudged, agreement
from ohlc_backfill.verification.report import (
    Report,
    agreement_table,
    comparison_table,
    print_differences,
)
from ohlc_backfill.verification.stored import StoredCandles, stored_candles
from ohlc_core.domain.interval import Interval
from ohlc_core.domain.trade import ProductKey
from ohlc_core.errors import FatalError, SettingsError
from ohlc_core.service.local_runs import use_running_store
from ohlc_core.service.runner import Runtime, run_service
from ohlc_core.service.setting_groups import EmptyCandlesSettings
from ohlc_core.service.settings import load
from ohlc_exchanges.base import ExchangeError
from ohlc_exchanges.http import RestFetcher, RetryPolicy
from ohlc_exchanges.registry import adapter_for
from ohlc_features.reading.source import Span
from ohlc_features.settings import FeatureStoreSettings
from ohlc_history.deduplicate import DisorderError
from ohlc_history.read_history import Wanted, pieces, read_history
from ohlc_history.settings import HistorySettings
from ohlc_history.sources.base import SourceError, TradeSource
from ohlc_history.sources.factory import open_source

#: Where the dashboard finds them.
_REPORTS = Path("data/reports")
_FEW_TRIES = RetryPolicy(attempts=3)


class VerifySettings(HistorySettings, FeatureStoreSettings, EmptyCandlesSettings):
    """make verify: stored candles against candles recomputed from history."""

    verify_official: bool = Field(
        True, description="true: compare with the exchange's own candles too (rest only), or false"
    )
    verify_report: str = Field(
        "",
        description="path of a JSON report to write (empty: none; not set: one in data/reports)",
    )


def main() -> None:
    """Run as a process, on the store of a running local pipeline where no other is named."""
    with contextlib.suppress(SettingsError):  # reported where the settings are read again
        if note := use_running_store(load(FeatureStoreSettings).model_fields_set):
            sys.stderr.write(f"{note}\n")
    run_service("verify", VerifySettings, verify)


def verify(settings: VerifySettings, runtime: Runtime) -> None:
    """Compare, print the tables, write the report.

    Raises:
        FatalError: candles differ, or something could not be read.
        SettingsError: the source or a product is wrong.
    """
    _check_store(settings)
    try:
        with stored_candles(settings) as stored:
            report = _report(settings, runtime.stop, stored)
    except (SourceError, DisorderError, ExchangeError) as error:
        raise FatalError(str(error)) from None
    console = Console(width=None if sys.stdout.isatty() else 120, markup=False)
    console.print(comparison_table("the store against its history", report.store))
    print_differences(console, report.store)
    if report.official:
        console.print(agreement_table(report.official))
    _keep(settings, msgspec.json.format(msgspec.json.encode(report), indent=2))
    console.print(f"{report.trades:,} trades recomputed", highlight=False)
    differing_rows = verify_features(settings)
    if not report.is_equal:
        raise FatalError("candles differ; the tables above list them")
    if differing_rows:
        raise FatalError(f"{differing_rows:,} feature rows differ, see above")
    logger.info("all candles are equal")


def _keep(settings: VerifySettings, report: bytes) -> None:
    if settings.verify_report:
        Path(settings.verify_report).write_bytes(report)
    elif "verify_report" not in settings.model_fields_set:
        path = _REPORTS / f"verify-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(report)
        except OSError as error:
            logger.warning("the report could not be kept in {} ({})", _REPORTS, error.strerror)


def _check_store(settings: VerifySettings) -> None:
    if settings.feature_store == "console":
        raise SettingsError(
            "FEATURE_STORE was 'console', which keeps nothing to verify; allowed: local, hopsworks"
        )
    if settings.feature_store == "hopsworks" and None in (settings.from_us, settings.to_us):
        raise SettingsError(
            "FROM_DAY and TO_DAY were not both set; verifying FEATURE_STORE=hopsworks needs them"
        )


def _report(settings: VerifySettings, stop: threading.Event, stored: StoredCandles) -> Report:
    spans = {
        product_id: _period(settings, stored, ProductKey(settings.exchange, product_id))
        for product_id in settings.product_ids
    }
    source = open_source(settings, stop, _tell_wait).source
    intervals = [Interval.parse(text) for text in settings.ohlc_intervals]
    comparisons: list[Comparison] = []
    trades = 0
    is_judged: dict[str, IsJudged] = {}
    for product_id, span in spans.items():
        key = ProductKey(settings.exchange, product_id)
        rows = ExpectedRows(
            key,
            intervals,
            span.first_ms * 1_000,
            span.end_ms * 1_000,
            fill=settings.empty_candles == "fill",
        )
        comparisons += _compared(source, stored, rows, stop)
        trades += rows.trades
        is_judged[product_id] = rows.is_judged
    official = _official(settings, stored, spans, is_judged, stop)
    is_equal = all(each.is_equal for each in comparisons) and all(
        each.compared == each.equal for each in official
    )
    return Report(is_equal, trades, comparisons, official)


def _period(settings: VerifySettings, stored: StoredCandles, key: ProductKey) -> Span:
    """Return the days asked for, and what the store holds where none were."""
    if settings.from_us is not None and settings.to_us is not None:
        return Span(settings.from_us // 1_000, settings.to_us // 1_000)
    held = stored.span(key)
    if held is None:
        raise FatalError(
            f"the store holds no candle of {key}; set FROM_DAY and TO_DAY, or backfill"
        )
    first = held.first_ms if settings.from_us is None else settings.from_us // 1_000
    end = held.end_ms if settings.to_us is None else settings.to_us // 1_000
    return Span(first, end)


def _compared(
    source: TradeSource, stored: StoredCandles, rows: ExpectedRows, stop: threading.Event
) -> list[Comparison]:
    comparer = ProductComparer(stored, rows)
    for step in read_history(source, Wanted(rows.key, rows.from_us, rows.to_us)):
        if stop.is_set():
            raise FatalError("stopped before everything was compared")
        for gap, table in pieces(step.fresh):
            if gap is not None and step.gaps_are_missing:
                rows.gap()
            comparer.add(rows.add(table))
    return comparer.finish()


def _official(
    settings: VerifySettings,
    stored: StoredCandles,
    spans: dict[str, Span],
    is_judged: dict[str, IsJudged],
    stop: threading.Event,
) -> list[Agreement]:
    if settings.replay_source != "rest" or not settings.verify_official:
        return []
    fetch = RestFetcher(
        adapter_for(settings.exchange),
        settings.exchange_rest_url,
        stop=stop,
        policy=_FEW_TRIES,
        interval_seconds=settings.rest_interval_seconds,
    )
    return [
        agreement(
            stored,
            ProductKey(settings.exchange, product_id),
            Interval.parse(text),
            span,
            fetch,
            is_judged=is_judged[product_id],
        )
        for product_id, span in spans.items()
        for text in settings.ohlc_intervals
    ]


def _tell_wait(product_id: str, why: str, seconds: float) -> None:
    if seconds >= 2.0:
        logger.info("{}: waiting {:.1f} s: {}", product_id, seconds, why)


if __name__ == "__main__":
    main()
