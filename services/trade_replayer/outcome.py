"""What became of a replay: the table at its end, and whether it used all it was given."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ohlc_core.errors import FatalError
from ohlc_core.service.clean_text import printable
from ohlc_history.sources.base import LeftOut
from trade_replayer.progress import ProductProgress

_FEW = 3


def print_summary(
    products: Sequence[ProductProgress], left_out: Sequence[LeftOut], run_id: str, seconds: float
) -> None:
    """Print the tables that end a replay."""
    table = Table(title=f"replay {run_id}")
    for heading in ("product", "files", "rows", "taken", "repeated", "outside", "rejected"):
        table.add_column(heading, justify="left" if heading == "product" else "right")
    for heading in ("missing ids", "first (UTC)", "last (UTC)", "state"):
        table.add_column(heading, justify="right" if heading == "missing ids" else "left")
    for product in products:
        table.add_row(
            printable(str(product.key)),
            "-" if product.files is None else f"{product.files:,}",
            f"{product.rows:,}",
            f"{product.trades:,}",
            f"{product.repeated:,}",
            f"{product.outside:,}",
            f"{sum(product.rejected.values()):,}",
            f"{product.missing:,}",
            _time(product.first_us),
            _time(product.at_us or None),
            _state(product),
        )
    console = Console(width=None if sys.stdout.isatty() else 150)
    console.print(table)
    for product in products:
        for reason, count in sorted(product.rejected.items()):
            console.print(Text(f"{product.key}: {count:,} rows rejected: {reason}"))
    for each in left_out:
        console.print(Text(f"left out: {each.part}: {each.reason}"))
    total = sum(product.trades for product in products)
    console.print(
        f"{total:,} trades in {seconds:.1f} s ({total / max(seconds, 0.001):,.0f} trades/s)",
        highlight=False,
    )


def check_everything_was_used(
    products: Sequence[ProductProgress],
    left_out: Sequence[LeftOut],
    allowed: Sequence[str],
    *,
    emptiness_is_certain: bool,
) -> None:
    """Raise unless the run used all it was given, but for what REPLAY_ALLOW allows.

    Args:
        products: what was replayed.
        left_out: files that could not be used.
        allowed: REPLAY_ALLOW.
        emptiness_is_certain: whether a source without trades of a product means that there are
            none, as an exchange's own history does.

    Raises:
        FatalError: something was left out; the text says what, and the remedy.
    """
    wrong: dict[str, str] = {}
    if left_out:
        named = "; ".join(f"{each.part}: {each.reason}" for each in left_out[:_FEW])
        more = f"; and {len(left_out) - _FEW} more" if len(left_out) > _FEW else ""
        wrong["unreadable"] = f"{len(left_out)} files were left out ({named}{more})"
    rejected = {p.key: sum(p.rejected.values()) for p in products if p.rejected}
    if rejected:
        named = ", ".join(f"{count:,} of {key}" for key, count in rejected.items())
        wrong["rejected"] = f"rows were rejected: {named}; the dead-letter topic holds them"
    empty = [p for p in products if p.is_done and not p.holds_trades]
    if empty and not emptiness_is_certain:
        named = ", ".join(_emptiness(product) for product in empty)
        wrong["empty"] = f"no trades of {named}"
    bad = {kind: text for kind, text in wrong.items() if kind not in allowed}
    if bad:
        raise FatalError(
            f"not everything was used: {'; '.join(bad.values())}. Correct the source, or set "
            f"REPLAY_ALLOW={','.join(sorted({*bad, *allowed}))} where that is as it should be"
        )


def _state(product: ProductProgress) -> str:
    if product.already:
        return "was complete"
    if not product.is_done:
        return "interrupted"
    return "complete" if product.holds_trades else "no trades"


def _emptiness(product: ProductProgress) -> str:
    if product.source_first_us is None:
        return f"{product.key}"
    held = f"the source's first is of {_time(product.source_first_us)}"
    if product.source_end_us is not None:
        held += f", all are before {_time(product.source_end_us)}"
    return f"{product.key} in the period ({held} UTC)"


def _time(time_us: int | None) -> str:
    if time_us is None:
        return "-"
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time_us)
    return moment.strftime("%Y-%m-%d %H:%M:%S")
