"""Line charts as SVG, without a library: panels below each other, one scale a panel."""

import math
from collections.abc import Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape

from benchmarks.measuring.fit import Point

# Told apart by the colour-blind too (Okabe and Ito).
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#7f7f7f")
_WIDTH, _HEIGHT = 760, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 190, 34, 44
_TICKS = 5


class Line(NamedTuple):
    """One line and its name."""

    name: str
    points: Sequence[Point]


class Panel(NamedTuple):
    """One chart.

    Attributes:
        title, x_name, y_name: with their units.
        lines: what is drawn.
        limit: a horizontal line that is not to be crossed.
        log: whether y is on a logarithmic scale.
    """

    title: str
    x_name: str
    y_name: str
    lines: Sequence[Line]
    limit: float | None = None
    log: bool = False


class _Scale(NamedTuple):
    low: float
    high: float
    first: float
    last: float
    log: bool

    def at(self, value: float) -> float:
        """Return a value's place in the picture."""
        low, high = self.low, self.high
        if self.log:
            value, low, high = math.log10(max(value, low)), math.log10(low), math.log10(high)
        return self.first + (value - low) / (high - low) * (self.last - self.first)


def svg(panels: Sequence[Panel], columns: int = 1) -> str:
    """Return a picture of panels, in rows of so many."""
    rows = -(-len(panels) // columns)
    width, height = _WIDTH * columns, _HEIGHT * rows
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
    ]
    for place, panel in enumerate(panels):
        row, column = divmod(place, columns)
        parts.append(f'<g transform="translate({column * _WIDTH} {row * _HEIGHT})">')
        parts += _panel(panel)
        parts.append("</g>")
    return "\n".join([*parts, "</svg>"]) + "\n"


def ticks(low: float, high: float) -> list[float]:
    """Return round numbers that cover a range, some five of them."""
    raw = (high - low) / _TICKS
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(each * power for each in (1, 2, 5, 10) if each * power >= raw * 0.999)
    first, last = math.floor(low / step), math.ceil(high / step - 1e-9)
    return [number * step for number in range(first, last + 1)]


def _panel(panel: Panel) -> list[str]:
    points = [point for line in panel.lines for point in line.points]
    title = _text(_LEFT, 20, panel.title, 'font-weight="bold"')
    if not points:
        return [title, _text(_LEFT, _HEIGHT / 2, "no samples")]
    values = [y for _, y in points] + ([] if panel.limit is None else [panel.limit])
    x_ticks = _linear_ticks([x for x, _ in points])
    y_ticks = _log_ticks(values) if panel.log else _linear_ticks([0.0, *values])
    across = _Scale(x_ticks[0], x_ticks[-1], _LEFT, _WIDTH - _RIGHT, log=False)
    up = _Scale(y_ticks[0], y_ticks[-1], _HEIGHT - _BOTTOM, _TOP, log=panel.log)
    parts = [title, *_grid(across, up, x_ticks, y_ticks)]
    parts.append(_text(_WIDTH - _RIGHT, _HEIGHT - 8, panel.x_name, 'text-anchor="end"'))
    parts.append(_text(8, _TOP - 2, panel.y_name, 'fill="#555" font-size="11"'))
    if panel.limit is not None:
        y = up.at(panel.limit)
        parts.append(_line((across.first, y), (across.last, y), "#c00", 'stroke-dasharray="6 4"'))
    for place, line in enumerate(panel.lines):
        parts += _drawn(line, across, up, _COLOURS[place % len(_COLOURS)], place)
    return parts


def _linear_ticks(values: Sequence[float]) -> list[float]:
    low, high = min(values), max(values)
    return ticks(low, high if high > low else low + 1.0)


def _log_ticks(values: Sequence[float]) -> list[float]:
    positive = [each for each in values if each > 0] or [1.0]
    low = math.floor(math.log10(min(positive)))
    high = max(math.ceil(math.log10(max(positive))), low + 1)
    return [10.0**power for power in range(low, high + 1)]


def _grid(
    across: _Scale, up: _Scale, x_ticks: Sequence[float], y_ticks: Sequence[float]
) -> list[str]:
    parts = []
    for value in x_ticks:
        x = across.at(value)
        parts.append(_line((x, up.first), (x, up.last), "#eee"))
        parts.append(_text(x, up.first + 16, _number(value), 'text-anchor="middle"'))
    for value in y_ticks:
        y = up.at(value)
        parts.append(_line((across.first, y), (across.last, y), "#ddd"))
        parts.append(_text(across.first - 6, y + 4, _number(value), 'text-anchor="end"'))
    return parts


def _drawn(line: Line, across: _Scale, up: _Scale, colour: str, place: int) -> list[str]:
    at = [(across.at(x), up.at(y)) for x, y in line.points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in at)
    parts = [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.8"/>']
    if len(at) <= 40:
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in at]
    y = _TOP + 10 + 18 * place
    mark = (across.last + 12, y), (across.last + 32, y)
    parts.append(_line(*mark, colour, 'stroke-width="3"'))
    parts.append(_text(across.last + 38, y + 4, line.name))
    return parts


def _line(begin: Point, end: Point, colour: str, more: str = "") -> str:
    ends = zip(("x1", "y1", "x2", "y2"), (*begin, *end), strict=True)
    places = " ".join(f'{name}="{value:.1f}"' for name, value in ends)
    return f'<line {places} stroke="{colour}" {more}/>'


def _text(x: float, y: float, text: str, more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" {more}>{escape(text)}</text>'


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 10 or value == int(value) else f"{value:.3g}"
