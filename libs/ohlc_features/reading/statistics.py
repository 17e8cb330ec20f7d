"""Statistics of features, and how far a recent range has moved from a reference range."""

import math

import polars as pl

_BUCKETS = 10
# A share below this counts as this: an empty bucket has no logarithm.
_LEAST_SHARE = 1e-4
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def statistics(
    rows: pl.DataFrame, features: list[str], reference: pl.DataFrame, recent: pl.DataFrame
) -> pl.DataFrame:
    """Return a line per feature: count, nulls, mean, deviation, quantiles and drift.

    Args:
        rows: the whole range.
        features: the columns to describe.
        reference, recent: the parts of it whose difference is the drift.

    Returns:
        A frame; ``psi`` is the population stability index over tenths of the reference: below 0.1
        little has changed, above 0.25 much. Null where one of both ranges has no numbers.
    """
    lines = []
    for name in features:
        numbers = rows[name].drop_nulls()
        line: dict[str, object] = {
            "feature": name,
            "count": rows.height,
            "nulls": rows.height - numbers.len(),
            "mean": numbers.mean(),
            "deviation": numbers.std(),
        }
        for quantile in _QUANTILES:
            line[f"q{round(quantile * 100):02d}"] = numbers.quantile(quantile)
        line["psi"] = stability_index(reference[name].drop_nulls(), recent[name].drop_nulls())
        lines.append(line)
    return pl.DataFrame(lines)


def stability_index(reference: pl.Series, recent: pl.Series) -> float | None:
    """Return the population stability index of two samples, None where one is empty."""
    if reference.is_empty() or recent.is_empty():
        return None
    cuts = sorted(
        {
            cut
            for place in range(1, _BUCKETS)
            if (cut := reference.quantile(place / _BUCKETS)) is not None
        }
    )
    index = 0.0
    for before, after in zip(_shares(reference, cuts), _shares(recent, cuts), strict=True):
        index += (after - before) * math.log(after / before)
    return index


def _shares(numbers: pl.Series, cuts: list[float]) -> list[float]:
    """Return which share of the numbers lies in each bucket between the cuts."""
    counts = [0] * (len(cuts) + 1)
    places = pl.Series(cuts, dtype=pl.Float64).search_sorted(numbers, "left")
    for place, count in places.value_counts().rows():
        counts[place] += count
    return [max(_LEAST_SHARE, count / numbers.len()) for count in counts]
