"""A straight line through samples."""

from collections.abc import Sequence

Point = tuple[float, float]


def slope(points: Sequence[Point]) -> float:
    """Return what y gains per unit of x, by least squares; 0 for fewer than two x."""
    if not points:
        return 0.0
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    if spread == 0:
        return 0.0
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread
