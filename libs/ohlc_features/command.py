"""The command ``features``: prints what models would read, and exports it."""

import argparse
import shutil
import signal
import sys
from pathlib import Path

import polars as pl

from ohlc_core.errors import SettingsError
from ohlc_core.service.clean_text import clean, printable
from ohlc_core.service.local_runs import use_running_store
from ohlc_core.service.settings import load
from ohlc_core.version import __version__
from ohlc_features.errors import StoreError
from ohlc_features.reading.reader import FeatureReader, candle_range
from ohlc_features.settings import FeatureStoreSettings

#: First words that are about feature groups: `ohlc_features.group_command`.
_GROUP_COMMANDS = ("list", "describe", "stats", "check", "build")
#: Removes old rows: `ohlc_features.prune_command`.
_PRUNE = "prune"

_DISPENSABLE = (
    "stored_at",
    "origin",
    "window_end",
    "revision",
    "buy_volume",
    "vwap",
    "complete",
    "trade_count",
    "volume",
)

_EPILOG = """
Which store: FEATURE_STORE, FEATURE_STORE_URL, FEATURE_GROUP_NAME, FEATURE_GROUP_VERSION and the
HOPSWORKS_* settings, as for the feature writer. Exit codes: 0 printed, 2 wrong arguments or
settings, 1 the store could not be read, or has nothing of that name.

Feature groups: features list | describe GROUP | stats GROUP | check FILE | build [FILE]
Old rows: features prune --keep 90d | --before DAY
"""


def main(arguments: list[str] | None = None) -> None:
    """Print or export features, and exit."""
    given = sys.argv[1:] if arguments is None else arguments
    if given and given[0] in (*_GROUP_COMMANDS, _PRUNE):
        sys.exit(_run_command(given))
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.what == "latest" and options.format == "parquet":
        parser.error("--format parquet is for candles: a lake holds days, not newest rows")
    # Stopped half-way, the output is not whole.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(_run(options))


def _run_command(arguments: list[str]) -> int:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from ohlc_features import group_command, prune_command

    try:
        if arguments[0] != "check" and "--url" not in arguments:
            _find_store()
        if arguments[0] == _PRUNE:
            return prune_command.run(arguments[1:])
        return group_command.run(arguments)
    except (StoreError, OSError) as error:
        sys.stderr.write(f"features: {clean(str(error))}\n")
        return 1
    except SettingsError as error:
        sys.stderr.write(f"features: {clean(str(error))}\n")
        return 2


def _find_store() -> None:
    """Read the store of a pipeline that runs here, where no setting names another."""
    if note := use_running_store(load(FeatureStoreSettings).model_fields_set):
        sys.stderr.write(f"{note}\n")


def _run(options: argparse.Namespace) -> int:
    products = _products(options)
    try:
        if not options.url:
            _find_store()
        with FeatureReader.open(options.url) as reader:
            if options.group:
                frame = _group_rows(reader, options, products)
            elif options.what == "latest":
                frame = reader.latest(options.exchange, products, options.interval)
            else:
                frame = reader.candles(
                    options.exchange,
                    products,
                    options.interval,
                    options.start,
                    options.end,
                    fill_gaps=options.fill_gaps,
                    include_incomplete=options.include_incomplete,
                )
            missing = "" if frame.height else _what_there_is(reader, options)
            if missing:
                sys.stderr.write(f"features: {clean(missing)}\n")
                return 1
            _deliver(frame, options)
    except (SettingsError, ValueError) as error:
        sys.stderr.write(f"features: {clean(str(error))}\n")
        return 2
    except (StoreError, OSError) as error:
        sys.stderr.write(f"features: {clean(str(error))}\n")
        return 1
    return 0


def _group_rows(
    reader: FeatureReader, options: argparse.Namespace, products: list[str] | None
) -> pl.DataFrame:
    frame = reader.features(
        options.group,
        options.exchange,
        products,
        options.interval,
        start=options.start,
        end=options.end,
        include_incomplete=options.include_incomplete,
    )
    if options.what == "latest":
        return frame.group_by("product_id", maintain_order=True).tail(1)
    return frame


def _products(options: argparse.Namespace) -> list[str] | None:
    return options.product.split(",") if options.product else None


def _what_there_is(reader: FeatureReader, options: argparse.Namespace) -> str:
    """Return what the store has where an asked-for name is none of it, else ""."""
    keys = reader.keys()
    if keys.is_empty():
        return "the feature store has no complete candles yet"
    asked = {
        "exchange": [options.exchange],
        "product_id": _products(options) or [],
        "candle_interval": [options.interval],
    }
    for column, names in asked.items():
        there = keys[column].unique().sort().to_list()
        for name in names:
            if name not in there:
                what = column.removeprefix("candle_").removesuffix("_id")
                return f"the feature store has no {what} {name!r}; it has {', '.join(there)}"
        keys = keys.filter(pl.col(column).is_in(names or there))
    return ""


def _deliver(frame: pl.DataFrame, options: argparse.Namespace) -> None:
    if options.format == "parquet":
        from ohlc_features.reading.parquet import write_parquet

        wanted = candle_range(
            options.exchange, _products(options), options.interval, options.start, options.end
        )
        rows = write_parquet(frame, Path(options.out), wanted)
        sys.stdout.write(f"{rows} rows in {options.out}\n")
    elif options.format == "csv":
        sys.stdout.write(frame.write_csv())
    elif options.format == "json":
        sys.stdout.write(frame.write_ndjson())
    else:
        sys.stdout.write(f"{_table(frame, options.rows)}\n{frame.height} rows, times in UTC\n")


def _table(frame: pl.DataFrame, rows: int) -> str:
    """Return the last ``rows`` rows for people; what is the same in every row is left out."""
    shown = (
        frame.tail(rows)
        .with_columns(pl.col("window_start", "window_end").dt.strftime("%Y-%m-%d %H:%M:%S"))
        .drop("exchange", "candle_interval", "first_trade_id", "last_trade_id", strict=False)
    )
    width = shutil.get_terminal_size((200, 24)).columns
    # The least useful columns go first where the terminal is narrow.
    left_out = [each for each in _DISPENSABLE if each in shown.columns]
    while (text := _drawn(shown, width)) and len(text.split("\n", 1)[0]) > width and left_out:
        shown = shown.drop(left_out.pop(0))
    return text


def _drawn(shown: pl.DataFrame, width: int) -> str:
    with pl.Config(
        tbl_rows=-1,
        tbl_cols=-1,
        tbl_width_chars=10_000,
        fmt_str_lengths=max(width, 40),
        tbl_hide_dataframe_shape=True,
        tbl_hide_column_data_types=True,
        tbl_formatting="ASCII_BORDERS_ONLY_CONDENSED",
    ):
        return "\n".join(printable(line) for line in str(shown).split("\n"))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="features", description="Print features as models read them.", epilog=_EPILOG
    )
    parser.add_argument("--version", action="version", version=f"features {__version__}")
    parser.add_argument(
        "what", choices=["latest", "candles"], help="newest rows (online) or the history (offline)"
    )
    parser.add_argument("--group", default="", help="rows of this feature group, not candles")
    parser.add_argument("--exchange", default="kraken", help="default: kraken")
    parser.add_argument("--product", default="", help="comma-separated; default: all")
    parser.add_argument("--interval", default="1m", help="default: 1m")
    parser.add_argument("--start", help="first window's start, e.g. 2026-09-21 or ...T10:00Z")
    parser.add_argument("--end", help="first window's start not wanted")
    parser.add_argument("--fill-gaps", action="store_true", help="flat rows for missing windows")
    parser.add_argument(
        "--include-incomplete", action="store_true", help="rows that may miss trades, too"
    )
    parser.add_argument(
        "--format", choices=["table", "csv", "json", "parquet"], default="table", help="of output"
    )
    parser.add_argument("--out", default="features", help="folder for --format parquet")
    parser.add_argument("--rows", type=int, default=20, help="of the table, the last ones")
    parser.add_argument("--url", help="a FEATURE_STORE_URL, instead of the settings'")
    return parser


if __name__ == "__main__":
    main()
