"""Verdicts as a table for people and JSON for machines."""

from collections.abc import Sequence

import msgspec
from rich.console import Console
from rich.table import Table

from ohlc_backfill.verification.compare import Comparison
from ohlc_backfill.verification.official import Agreement
from ohlc_core.service.clean_text import printable


class Report(msgspec.Struct):
    """What `make verify` found out."""

    is_equal: bool
    trades: int
    store: list[Comparison]
    official: list[Agreement]


def comparison_table(title: str, comparisons: Sequence[Comparison]) -> Table:
    """Return the store's verdicts as a table."""
    table = Table(title=title)
    for heading in ("product", "interval"):
        table.add_column(heading, no_wrap=True)
    for heading in ("candles", "matching", "missing", "extra", "different"):
        table.add_column(heading, justify="right")
    table.add_column("checksum")
    for each in comparisons:
        same = each.expected_checksum == each.stored_checksum
        table.add_row(
            printable(f"{each.exchange}:{each.product_id}"),
            each.interval,
            *(
                f"{count:,}"
                for count in (
                    each.expected,
                    each.matching,
                    each.missing,
                    each.extra,
                    each.different,
                )
            ),
            f"{each.expected_checksum[:8]} {'=' if same else '≠ ' + each.stored_checksum[:8]}",
        )
    return table


def agreement_table(agreements: Sequence[Agreement]) -> Table:
    """Return the agreement with the exchange's own candles as a table."""
    table = Table(title="the exchange's own candles")
    for heading in ("product", "interval"):
        table.add_column(heading, no_wrap=True)
    for heading in ("compared", "equal", "different", "in gaps, not stored"):
        table.add_column(heading, justify="right")
    table.add_column("largest difference, or why not")
    for each in agreements:
        largest = ", ".join(f"{name} {value:g}" for name, value in each.largest_difference.items())
        table.add_row(
            printable(each.product_id),
            each.interval,
            f"{each.compared:,}",
            f"{each.equal:,}",
            f"{each.compared - each.equal:,}",
            f"{each.in_gaps:,}",
            printable(each.note or largest),
        )
    return table


def print_differences(console: Console, comparisons: Sequence[Comparison]) -> None:
    """Print the first differences of each verdict, and the largest of each column."""
    for each in comparisons:
        for example in each.examples:
            console.print(
                f"  {each.exchange}:{printable(each.product_id)} {each.interval} "
                f"{example.window_start} {example.column}: "
                f"expected {example.expected}, the store has {example.stored}",
                highlight=False,
                markup=False,
            )
        for name, value in each.largest_difference.items():
            console.print(
                f"  {each.exchange}:{printable(each.product_id)} {each.interval} largest "
                f"difference in {name}: {value:g}",
                highlight=False,
                markup=False,
            )
