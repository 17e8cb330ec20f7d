"""Numbers and times as exchanges write them. Numbers are integers in units of 10^-decimals."""

from datetime import UTC, datetime
from functools import lru_cache

NS = 1_000_000_000


def fixed(units: int, decimals: int) -> str:
    """Return plain notation with exactly ``decimals`` digits after the point."""
    if decimals == 0:
        return str(units)
    digits = str(units).zfill(decimals + 1)
    return f"{digits[:-decimals]}.{digits[-decimals:]}"


def padded(units: int, decimals: int, width: int) -> str:
    """Return plain notation with at least ``width`` digits after the point."""
    if width <= decimals:
        return fixed(units, decimals)
    return fixed(units * 10 ** (width - decimals), width)


def trimmed(units: int, decimals: int) -> str:
    """Return plain notation without trailing zeros."""
    text = fixed(units, decimals)
    return text.rstrip("0").rstrip(".") if "." in text else text


def json_number(units: int, decimals: int) -> str:
    """Return a JSON number as Kraken writes it: below 0.0001 with an exponent (``5.1e-05``)."""
    if units == 0 or units * 10_000 >= 10**decimals:
        return fixed(units, decimals)
    digits = str(units)
    exponent = len(digits) - 1 - decimals
    digits = digits.rstrip("0")
    mantissa = digits if len(digits) == 1 else f"{digits[0]}.{digits[1:]}"
    return f"{mantissa}e{exponent:03d}"


@lru_cache(maxsize=4096)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def rfc3339_us(time_ns: int) -> str:
    """Return ``2026-09-26T18:07:54.626190Z``; nanoseconds below the microsecond are cut."""
    seconds, rest = divmod(time_ns, NS)
    return f"{_second(seconds)}.{rest // 1000:06d}Z"


def float_seconds(time_ns: int) -> str:
    """Return seconds as Kraken's REST does: a float64, so its last digits are not exact."""
    return repr(time_ns / NS)
