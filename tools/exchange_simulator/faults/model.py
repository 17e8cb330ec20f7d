"""The faults that can be ordered, as JSON objects tagged by ``fault``.

Every fault is spent where it can be seen: those of the websocket wait for a subscriber, those
of REST for a call.
"""

from typing import Annotated, Literal

import msgspec

Count = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=3600)]

PassingGarbageKind = Literal["not_json", "truncated", "binary", "unknown_channel", "malformed_row"]
GarbageKind = Literal[PassingGarbageKind, "deep", "huge"]
PassingRestKind = Literal[
    "429",
    "503",
    "500",
    "too_many_requests",
    "unavailable",
    "garbage",
    "empty",
    "slow",
    "stale",
    "no_last",
    "bad_last",
    "exclusive",
]
RestKind = Literal[PassingRestKind, "web_page", "redirect", "deep", "bomb", "drip", "bad_row"]


class _Fault(msgspec.Struct, frozen=True, tag_field="fault", forbid_unknown_fields=True):
    """The base of all faults."""


class Drop(_Fault, frozen=True, tag="drop"):
    """End a connection.

    Attributes:
        when: ``now`` (every connection); or the next connection to get there: ``before_ack``
            (a subscription came in, nothing is answered), ``after_frames``, ``mid_frame`` (half
            of a websocket frame is written, then TCP ends), ``mid_burst`` (between two frames
            of trades that happened together).
        after_frames: trade frames to send before.
        code: websocket close code (e.g. 1012); without one the TCP connection just ends.
        count: how many times.
    """

    when: Literal["now", "before_ack", "after_frames", "mid_frame", "mid_burst"] = "now"
    after_frames: Annotated[int, msgspec.Meta(ge=0)] = 0
    code: Annotated[int, msgspec.Meta(ge=1000, le=4999)] | None = None
    count: Count = 1


class Refuse(_Fault, frozen=True, tag="refuse"):
    """Answer the next ``count`` websocket handshakes with an HTTP status."""

    status: Literal[429, 503] = 503
    count: Count = 1


class Silence(_Fault, frozen=True, tag="silence"):
    """Send nothing on the open connections, keep TCP open; for ever when ``seconds`` is None."""

    seconds: Seconds | None = None


class Skip(_Fault, frozen=True, tag="skip"):
    """Leave the next ``trades`` trades out of the websocket's updates.

    REST still has them, unless ``withhold``: then no public answer ever shows them.
    """

    trades: Count = 1
    product: str = ""
    withhold: bool = False


class Jump(_Fault, frozen=True, tag="jump"):
    """Let the next trade's id jump over ``ids`` numbers that no trade ever has."""

    product: str
    ids: Count = 1


class Repeat(_Fault, frozen=True, tag="repeat"):
    """Send each of the next ``frames`` trade frames twice."""

    frames: Count = 1


class Reorder(_Fault, frozen=True, tag="reorder"):
    """Shuffle the trades of the next ``frames`` frames, or swap frames with their next ones.

    A frame of one trade has no order, so within-frame faults wait for larger ones.
    """

    scope: Literal["frame", "frames"] = "frame"
    frames: Count = 1


class Delay(_Fault, frozen=True, tag="delay"):
    """Hold every connection's frames back for a time before each of the next ``frames``."""

    seconds: Seconds
    frames: Count = 1


class Garbage(_Fault, frozen=True, tag="garbage"):
    """Send nonsense: before each of the next ``frames`` frames, or (``malformed_row``) in it.

    Hostile kinds are ``deep`` (JSON nested 20,000 deep) and ``huge`` (a frame of 3 MB).
    """

    kind: GarbageKind = "not_json"
    frames: Count = 1


class Status(_Fault, frozen=True, tag="status"):
    """Announce the exchange's state, on open and new connections and over REST."""

    system: Literal["online", "maintenance", "cancel_only", "post_only"]


class Reconnect(_Fault, frozen=True, tag="reconnect"):
    """Ask the clients to connect again, where the protocol has such a message."""


class Rest(_Fault, frozen=True, tag="rest"):
    """Spoil the next ``calls`` REST calls.

    Attributes:
        kind: an HTTP status; ``too_many_requests`` and ``unavailable`` in the exchange's own
            words; ``garbage`` and ``empty`` bodies; ``slow`` (answered after ``seconds``);
            ``stale`` (the page as it was ``trades`` trades ago, as a cache would give it);
            ``no_last``, ``bad_last`` and ``exclusive`` spoil the page's cursor. Hostile ones:
            ``web_page`` (403), ``redirect`` (to another host), ``deep`` (JSON), ``bomb`` (100 MB
            of nothing, compressed), ``drip`` (a byte now and then for ``seconds``), ``bad_row``
            (the price of the page's first row is negative).
        path: only calls whose path contains it; empty: every call for trades.
    """

    kind: RestKind
    calls: Count = 1
    path: str = ""
    seconds: Seconds = 1.0
    trades: Count = 50


Fault = (
    Drop
    | Refuse
    | Silence
    | Skip
    | Jump
    | Repeat
    | Reorder
    | Delay
    | Garbage
    | Status
    | Reconnect
    | Rest
)


class Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A fault and its moment.

    Attributes:
        at_trades: armed once this many live trades of the market have happened; None: at once.
    """

    fault: Fault
    at_trades: Annotated[int, msgspec.Meta(ge=0)] | None = None


def read_orders(body: bytes) -> list[Order]:
    """Read a fault, an order, or a list of either.

    Raises:
        ValueError: one line that says what is wrong and where.
    """
    try:
        if not body.lstrip().startswith(b"["):
            return [_order(body)]
        return [_order(item) for item in msgspec.json.decode(body, type=list[msgspec.Raw])]
    except msgspec.MsgspecError as error:
        raise ValueError(f"faults were {body[:200]!r} ({error})") from None


def _order(item: bytes | msgspec.Raw) -> Order:
    fields = msgspec.json.decode(item, type=dict[str, msgspec.Raw])
    if bytes(fields.get("fault", b"")).startswith(b"{"):
        return msgspec.json.decode(item, type=Order)
    return Order(msgspec.json.decode(item, type=Fault))
