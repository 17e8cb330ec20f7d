"""Random but repeatable schedules of faults, for runs that try many mixes."""

import random
from collections.abc import Callable, Sequence
from typing import get_args

from exchange_simulator.faults.model import (
    Delay,
    Drop,
    Fault,
    Garbage,
    Jump,
    Order,
    PassingGarbageKind,
    PassingRestKind,
    Reconnect,
    Refuse,
    Reorder,
    Repeat,
    Rest,
    RestKind,
    Silence,
    Skip,
)

#: The kinds a schedule is drawn from by default. ``withhold`` and ``jump`` must be asked for,
#: because they change what a correct client ends up with; so must ``reconnect`` and ``hostile``.
KINDS = (
    "drop", "refuse", "silence", "skip", "repeat", "reorder", "delay", "garbage", "rest"
)  # fmt: skip

_DROPS = ("now", "before_ack", "after_frames", "mid_frame", "mid_burst")
_GARBAGE = get_args(PassingGarbageKind)
_CODES = (None, None, 1001, 1012)


def random_orders(
    seed: int,
    count: int,
    trades: int,
    products: Sequence[str] = ("",),
    kinds: Sequence[str] = KINDS,
) -> list[Order]:
    """Return ``count`` faults at random moments of the first ``trades`` live trades.

    The same arguments give the same faults. Each is over by itself within seconds.

    Raises:
        ValueError: a kind is none of those above.
    """
    unknown = [kind for kind in kinds if kind not in _MAKERS]
    if unknown:
        raise ValueError(f"kind was {unknown[0]!r}; allowed: {', '.join(_MAKERS)}")
    rng = random.Random(f"schedule:{seed}")
    moments = sorted(rng.randrange(trades) for _ in range(count))
    return [
        Order(_MAKERS[rng.choice(kinds)](rng, rng.choice(products)), at_trades=moment)
        for moment in moments
    ]


def _drop(rng: random.Random, product: str) -> Fault:
    return Drop(rng.choice(_DROPS), rng.randrange(1, 6), rng.choice(_CODES))  # type: ignore[arg-type]


def _rest(rng: random.Random, product: str) -> Fault:
    kind = rng.choice(get_args(PassingRestKind))
    return Rest(kind, rng.randrange(1, 4), seconds=round(rng.uniform(0.1, 1.0), 2))


_HOSTILE: tuple[RestKind, ...] = ("web_page", "redirect", "deep", "bomb", "drip")


def _hostile(rng: random.Random, product: str) -> Fault:
    if rng.random() < 0.4:
        return Garbage(rng.choice(("deep", "huge")))
    return Rest(rng.choice(_HOSTILE), seconds=0.5)


_MAKERS: dict[str, Callable[[random.Random, str], Fault]] = {
    "drop": _drop,
    "refuse": lambda rng, _: Refuse(rng.choice((429, 503)), rng.randrange(1, 3)),
    "silence": lambda rng, _: Silence(round(rng.uniform(0.1, 1.0), 2)),
    "skip": lambda rng, product: Skip(rng.randrange(1, 8), product),
    "withhold": lambda rng, product: Skip(rng.randrange(1, 8), product, withhold=True),
    "jump": lambda rng, product: Jump(product, rng.randrange(1, 50)),
    "repeat": lambda rng, _: Repeat(rng.randrange(1, 5)),
    "reorder": lambda rng, _: Reorder(rng.choice(("frame", "frames")), rng.randrange(1, 5)),
    "delay": lambda rng, _: Delay(round(rng.uniform(0.01, 0.3), 3), rng.randrange(1, 4)),
    "garbage": lambda rng, _: Garbage(
        rng.choice(get_args(PassingGarbageKind)), rng.randrange(1, 4)
    ),
    "rest": _rest,
    "reconnect": lambda rng, _: Reconnect(),
    "hostile": _hostile,
}
