"""Where a product's state lives between checkpoints: named values, whatever holds them."""

from typing import Protocol


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
