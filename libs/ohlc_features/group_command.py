"""The part of the command ``features`` that is about definitions and feature groups."""

import argparse
import sys
from datetime import timedelta
from pathlib import Path

import polars as pl

from ohlc_core.errors import SettingsError
from ohlc_core.service.settings import load
from ohlc_features.building import Built, build_groups
from ohlc_features.checking.report import run_check
from ohlc_features.define.group import DefinitionError
from ohlc_features.define.loading import load_definitions
from ohlc_features.errors import StoreRejectedError
from ohlc_features.reading.groups import StoredGroup, find_group
from ohlc_features.reading.reader import FeatureReader
from ohlc_features.settings import FeatureStoreSettings


def run(arguments: list[str]) -> int:
    """Run ``features list``, ``describe``, ``stats``, ``check`` or ``build``; return the exit code.

    Raises:
        StoreError: the store cannot be used.
    """
    options = _parser().parse_args(arguments)
    try:
        if options.command == "check":
            return run_check(Path(options.file))
        if options.command == "build":
            return _build(options)
        with FeatureReader.open(options.url) as reader:
            return _read(reader, options)
    except (DefinitionError, SettingsError, ValueError) as error:
        sys.stderr.write(f"features: {error}\n")
        return 2


def settings_of(url: str | None) -> FeatureStoreSettings:
    """Return the settings of the store at a URL, or those of the environment.

    Raises:
        SettingsError: they are wrong.
    """
    if url:
        return load(FeatureStoreSettings, feature_store="local", feature_store_url=url)
    return load(FeatureStoreSettings)


def _build(options: argparse.Namespace) -> int:
    settings = settings_of(options.url)
    if settings.feature_store != "local":
        raise StoreRejectedError(
            f"FEATURE_STORE was {settings.feature_store!r}; features build fills a local store"
        )
    path = options.file or settings.feature_definitions
    if not path:
        raise SettingsError("which definitions? give a FILE, or set FEATURE_DEFINITIONS")
    groups = load_definitions(path)
    built = build_groups(settings, groups, replace=options.replace, progress=_show)
    if sys.stderr.isatty():
        sys.stderr.write("\r\033[K")
    names = ", ".join(each.group.table for each in groups)
    sys.stdout.write(f"{names}: {built.rows:,} rows written, {built.present:,} were there\n")
    return 0


def _show(built: Built) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{built.done:6.1%}  {built.rows:,} rows  {built.what}")
        sys.stderr.flush()


def _read(reader: FeatureReader, options: argparse.Namespace) -> int:
    if options.command == "list":
        groups = reader.groups()
        for group in groups:
            intervals = group.features[0].intervals
            sys.stdout.write(f"{group.table}  {len(group.features)} features  {intervals}\n")
        if not groups:
            sys.stdout.write("no feature groups yet: set FEATURE_DEFINITIONS\n")
        return 0
    group = find_group(
        [each for group in reader.groups() for each in group.features], options.group
    )
    if options.command == "describe":
        _describe(group)
        return 0
    products = options.product.split(",") if options.product else None
    frame = reader.statistics(
        options.group,
        options.exchange,
        products,
        options.interval,
        recent=timedelta(hours=options.recent_hours),
    )
    with pl.Config(
        tbl_rows=-1,
        tbl_cols=-1,
        tbl_width_chars=200,
        tbl_hide_dataframe_shape=True,
        tbl_hide_column_data_types=True,
        tbl_formatting="ASCII_BORDERS_ONLY_CONDENSED",
        float_precision=4,
    ):
        sys.stdout.write(f"{frame}\n")
    return 0


def _describe(group: StoredGroup) -> None:
    sys.stdout.write(f"{group.table}  rows of {group.features[0].intervals}\n")
    width = max(len(each.feature) for each in group.features)
    for each in group.features:
        sys.stdout.write(
            f"  {each.feature:<{width}}  {each.inputs}  [{each.unit}]  {each.description}\n"
        )
    sys.stdout.write(f"code hash {group.features[0].code_hash[:16]}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="features",
        description="Feature groups: what there is, and proving and building definitions.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    url = argparse.ArgumentParser(add_help=False)
    url.add_argument("--url", help="a FEATURE_STORE_URL, instead of the settings'")
    commands.add_parser("list", parents=[url], help="the feature groups of the store")
    describe = commands.add_parser("describe", parents=[url], help="a group's features")
    describe.add_argument("group", help="e.g. momentum or momentum_1")
    stats = commands.add_parser("stats", parents=[url], help="counts, quantiles, drift (psi)")
    stats.add_argument("group", help="e.g. momentum or momentum_1")
    stats.add_argument("--exchange", default="kraken", help="default: kraken")
    stats.add_argument("--product", default="", help="comma-separated; default: all")
    stats.add_argument("--interval", default="1m", help="default: 1m")
    stats.add_argument(
        "--recent-hours", type=float, default=24.0, help="compared with the rest; default: 24"
    )
    check = commands.add_parser("check", help="prove a file of definitions, or say why not")
    check.add_argument("file", help="a Python file, e.g. features/momentum.py")
    build = commands.add_parser(
        "build", parents=[url], help="fill a file's groups from stored candles, beside live"
    )
    build.add_argument("file", nargs="?", help="default: FEATURE_DEFINITIONS")
    build.add_argument(
        "--replace", action="store_true", help="remove the groups' rows first: the code changed"
    )
    return parser
