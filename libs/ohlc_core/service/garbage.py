"""How often Python looks for garbage in cycles."""

import gc

_ALLOCATIONS = 50_000


def collect_rarely() -> None:
    """Look for cycles after 50,000 allocations instead of 700.

    A service makes many short-lived objects and next to none of them in cycles.
    """
    gc.set_threshold(_ALLOCATIONS)
