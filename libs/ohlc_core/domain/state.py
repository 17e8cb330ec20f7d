"""Where a product's state lives between checkpoints: named values, whatever holds them."""

from collections.abc import Callable
from typing import Protocol, TypeVar

import msgspec

T = TypeVar("T")


class StateError(ValueError):
    """A value that should be state is none; the text says which, and where it differs."""


def read_state(decode: Callable[[bytes], T], value: bytes, name: str) -> T:
    """Return what ``decode`` makes of a value that was stored under the name.

    Raises:
        StateError: it is nothing that this code ever stored.
    """
    try:
        return decode(value)
    except (msgspec.MsgspecError, ValueError, ArithmeticError, RecursionError) as error:
        raise StateError(f"{name[:100]}: {str(error)[:300]}") from None


class StateStore(Protocol):
    """Named byte values of one product. Writes become durable with the caller's checkpoint."""

    def get(self, name: str) -> bytes | None:
        """Return the value, or None when there is none."""

    def set(self, name: str, value: bytes) -> None:
        """Keep the value under the name."""

    def delete(self, name: str) -> None:
        """Forget the value, if there is one."""


class MemoryStore(dict[str, bytes]):
    """A `StateStore` in memory, for tests and for computing candles outside a service."""

    def set(self, name: str, value: bytes) -> None:
        """Keep the value under the name."""
        self[name] = value

    def delete(self, name: str) -> None:
        """Forget the value, if there is one."""
        self.pop(name, None)
