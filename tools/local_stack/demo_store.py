"""Keeps simulated candles out of the user's real ones.

Both live in the default store. A demo marks the store it made; whatever runs next moves a marked
store aside, and a demo that finds real candles writes to a store of its own.
"""

from pathlib import Path

from local_stack.settings import StackSettings
from ohlc_features.sql.url import store_url

_SQLITE_ENDINGS = ("", "-wal", "-shm", "-journal")


def prepare_demo_store(settings: StackSettings) -> tuple[str, str]:
    """Return the FEATURE_STORE_URL of a demo and a note for the user ("" for none).

    A store the user named is taken as it is.
    """
    if settings.was_given("feature_store_url"):
        return settings.feature_store_url, ""
    store = _default_store(settings)
    note = ""
    if store.exists() and not _mark(store).exists():
        note = f"{store} holds real candles, so the demo writes to a store of its own"
        store = store.with_name(f"demo-{store.name}")
    if store.exists():
        _move_aside(store)
    store.parent.mkdir(parents=True, exist_ok=True)
    _mark(store).write_text("simulated candles, made by a demo\n", encoding="utf-8")
    return f"sqlite:///{store}", note


def set_demo_store_aside(settings: StackSettings) -> str:
    """Move a demo's store out of the way of real candles; return a note ("" for none)."""
    if settings.feature_store != "local" or settings.was_given("feature_store_url"):
        return ""
    store = _default_store(settings)
    if not _mark(store).exists():
        return ""
    if not store.exists():
        _mark(store).unlink()
        return ""
    return f"{store} held a demo's simulated candles; they are in {_move_aside(store)} now"


def _default_store(settings: StackSettings) -> Path:
    return Path(store_url(settings.feature_store_url).database or "")


def _mark(store: Path) -> Path:
    return store.with_name(f"{store.name}.is-simulated")


def _move_aside(store: Path) -> Path:
    aside = store.with_name(f"old-demo-{store.name.removeprefix('demo-')}")
    for ending in _SQLITE_ENDINGS:
        part = store.with_name(store.name + ending)
        target = aside.with_name(aside.name + ending)
        if part.exists():
            part.replace(target)
        else:
            target.unlink(missing_ok=True)
    _mark(store).unlink(missing_ok=True)
    return aside
