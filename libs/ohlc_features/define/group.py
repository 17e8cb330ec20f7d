"""Feature groups: which features there are, over which candles, for which intervals."""

import inspect
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ohlc_core.domain.interval import Interval

_NAME = re.compile(r"[a-z][a-z0-9_]{0,47}")
#: A product's name may hold a space, so the next input is known by its beginning.
_BETWEEN_INPUTS = re.compile(r" (?=[a-z][a-z0-9_]*=[0-9]+x)")
_INPUT = re.compile(r"(?P<name>\w+)=(?P<length>[0-9]+)x(?P<interval>[^:]+)(?::(?P<product>.*))?")
_MAX_WINDOW = 10_000
_RESERVED = frozenset(
    ("exchange", "product_id", "candle_interval", "window_start", "window_end", "complete")
)


class DefinitionError(ValueError):
    """A feature definition is wrong; one line that names file, group or feature and the remedy."""


class Input(NamedTuple):
    """One argument of a feature function.

    Attributes:
        name: of the parameter.
        length: how many consecutive candles.
        interval: of the candles; None means the row's own interval.
        product_id: whose candles; None means the row's own product.
    """

    name: str
    length: int
    interval: str | None = None
    product_id: str | None = None

    def text(self) -> str:
        """Return the input in one word for ``feature_definitions``, e.g. ``btc=61x1m:BTC/USD``."""
        interval = self.interval or "own"
        product = f":{self.product_id}" if self.product_id else ""
        return f"{self.name}={self.length}x{interval}{product}"

    @classmethod
    def parse_all(cls, texts: str) -> "list[Input]":
        """Return the inputs that `text` returned, joined by spaces.

        Raises:
            ValueError: they are none.
        """
        found = []
        for text in _BETWEEN_INPUTS.split(texts):
            match = _INPUT.fullmatch(text)
            if match is None:
                raise ValueError(f"{text!r} is no input of a feature")
            interval = None if match["interval"] == "own" else match["interval"]
            found.append(cls(match["name"], int(match["length"]), interval, match["product"]))
        return found


class Feature(NamedTuple):
    """One feature: a pure function of its inputs.

    Attributes:
        name: of the column.
        inputs: in the order of the function's parameters; the first is the row's own candles.
        unit: e.g. ``0..100``, ``ratio``.
        about: one line of description.
        function: takes one `Candles` per input and returns one number or None.
    """

    name: str
    inputs: tuple[Input, ...]
    unit: str
    about: str
    function: Callable[..., Any]


class FeatureGroup:
    """Features that are stored together: one table per group and version.

    Args:
        name: lower snake case; the tables are ``<name>_<version>`` and ``..._latest``.
        version: raise it whenever a computation changes.
        intervals: for which candle intervals rows are made.

    Raises:
        DefinitionError: a name, version or interval is wrong.
    """

    def __init__(self, name: str, *, version: int = 1, intervals: Sequence[str]) -> None:
        if not _NAME.fullmatch(name):
            raise DefinitionError(
                f"group {name!r}: a name is up to 48 lower-case letters, digits and underscores"
            )
        if not isinstance(version, int) or not 1 <= version <= 9_999:
            raise DefinitionError(f"group {name}: version was {version!r}; allowed: 1 to 9999")
        if isinstance(intervals, str) or not intervals:
            raise DefinitionError(f"group {name}: intervals was {intervals!r}; e.g. ['1m', '5m']")
        for interval in intervals:
            _check_interval(f"group {name}", interval)
        self.name = name
        self.version = version
        self.intervals = tuple(dict.fromkeys(intervals))
        self.features: dict[str, Feature] = {}

    @property
    def table(self) -> str:
        """The name of the group's history table."""
        return f"{self.name}_{self.version}"

    def feature(
        self,
        *,
        window: int,
        unit: str = "",
        about: str = "",
        **inputs: tuple[str, int] | tuple[str, int, str],
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Declare a feature; the decorated function's name is the column's.

        Args:
            window: candles of the row's own product and interval.
            unit: of the values.
            about: one line that describes the feature.
            inputs: further parameters: ``hour=("1h", 24)`` or ``btc=("1m", 61, "BTC/USD")``.

        Raises:
            DefinitionError: something of it is wrong.
        """

        def add(function: Callable[..., Any]) -> Callable[..., Any]:
            self._add(function, window, unit, about, inputs)
            return function

        return add

    def _add(
        self,
        function: Callable[..., Any],
        window: int,
        unit: str,
        about: str,
        extra: dict[str, Any],
    ) -> None:
        name = function.__name__
        where = f"feature {self.name}.{name}"
        if not _NAME.fullmatch(name) or name in _RESERVED:
            raise DefinitionError(
                f"{where}: a feature's name is lower snake case and none of "
                f"{', '.join(sorted(_RESERVED))}"
            )
        if name in self.features:
            raise DefinitionError(f"{where} is defined twice")
        parameters = list(inspect.signature(function).parameters)
        if not parameters or set(parameters[1:]) != set(extra):
            raise DefinitionError(
                f"{where}: the function takes ({', '.join(parameters)}), but its inputs are "
                f"({', '.join(['c', *extra])})"
            )
        inputs = [Input(parameters[0], _length(where, parameters[0], window))]
        inputs += [_input(where, parameter, extra[parameter]) for parameter in parameters[1:]]
        self.features[name] = Feature(name, tuple(inputs), unit, about, function)


def _length(where: str, name: str, length: object) -> int:
    if isinstance(length, bool) or not isinstance(length, int) or not 1 <= length <= _MAX_WINDOW:
        raise DefinitionError(
            f"{where}: {name} was a window of {length!r} candles; allowed: 1 to {_MAX_WINDOW}"
        )
    return length


def _input(where: str, name: str, given: object) -> Input:
    match given:
        case (str() as interval, int() as length):
            product = None
        case (str() as interval, int() as length, str() as product) if product:
            pass
        case _:
            raise DefinitionError(
                f'{where}: input {name} was {given!r}; expected ("1h", 24) or ("1m", 61, "BTC/USD")'
            )
    _check_interval(where, interval)
    return Input(name, _length(where, name, length), interval, product)


def _check_interval(where: str, interval: object) -> None:
    try:
        if not isinstance(interval, str):
            raise ValueError(f"interval was {interval!r}")
        Interval.parse(interval)
    except ValueError as error:
        raise DefinitionError(f"{where}: {error}") from None
