"""Tables and pages in Markdown."""

from collections.abc import Iterable, Sequence

from benchmarks.measuring.machine import Origin


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def measured(origin: Origin) -> str:
    """Return where a result comes from, as a paragraph and the command."""
    return (
        f"Measured on {origin.date}, commit {origin.commit}: {origin.machine.shown()}.\n\n"
        f"    {origin.command}"
    )
