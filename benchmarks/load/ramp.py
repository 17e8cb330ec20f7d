"""Which rate to try next: up a ladder until one fails, then between what held and what failed."""

from collections.abc import Mapping, Sequence

#: Rates are found to this share of the failing rate ...
_CLOSENESS = 0.1
#: ... and in steps of this many trades a second.
_GRAIN = 100.0


def next_rate(held: Mapping[float, bool], ladder: Sequence[float]) -> float | None:
    """Return the next rate to measure, None when the highest one is known.

    Args:
        held: the rates that were measured, and whether the pipeline carried them.
        ladder: ascending rates.
    """
    lowest_failed = min((rate for rate, ok in held.items() if not ok), default=None)
    if lowest_failed is None:
        return next((rate for rate in ladder if rate not in held), None)
    carried = [rate for rate, ok in held.items() if ok and rate < lowest_failed]
    if not carried:
        return None
    highest = max(carried)
    if lowest_failed - highest <= max(_CLOSENESS * lowest_failed, _GRAIN):
        return None
    middle = round((highest + lowest_failed) / 2 / _GRAIN) * _GRAIN
    return middle if highest < middle < lowest_failed else None
