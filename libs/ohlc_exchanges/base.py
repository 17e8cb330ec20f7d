"""The one interface behind which every exchange stands.

An adapter is pure: it turns frames and response bodies into values and values into requests.
Sockets, HTTP clients, waits and retries belong to its callers, who pass in a ``Fetch``.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Literal, NamedTuple

import msgspec

from ohlc_core.domain.interval import Interval
from ohlc_core.domain.trade import Trade
from ohlc_core.errors import PipelineError
from ohlc_exchanges.names import ProductNames

#: A frame of the websocket, or a part of one.
FrameData = str | bytes | msgspec.Raw

#: A longer frame is not decoded; the largest known ones, snapshots, have some 10 kB.
MAX_FRAME_BYTES = 1 << 20

#: What decoding raises on bad input; everything else is a defect of ours.
DECODE_ERRORS = (msgspec.MsgspecError, ValueError, ArithmeticError, LookupError, RecursionError)

_MAX_PAYLOAD = 20_000
_MAX_REASON = 300


class ExchangeError(PipelineError):
    """The exchange answered with an error; the text is the exchange's own words."""


class UnknownProductError(ExchangeError):
    """The exchange does not know the product."""


class RateLimitedError(ExchangeError):
    """Too many requests: wait ``retry_after_seconds`` (None: the exchange did not say)."""

    def __init__(self, words: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(words)
        self.retry_after_seconds = retry_after_seconds


class ExchangeUnavailableError(ExchangeError):
    """The exchange cannot answer now (5xx, maintenance, a timeout); trying again may help.

    ``retry_after_seconds`` is the wait it asked for (None: it did not say).
    """

    def __init__(self, words: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(words)
        self.retry_after_seconds = retry_after_seconds


class MalformedResponseError(ExchangeError):
    """The exchange's answer is not what its documentation says."""


class HistoryTooShortError(ExchangeError):
    """History does not reach back to where it was asked from; it is whole from begins_us on."""

    def __init__(self, words: str, begins_us: int) -> None:
        super().__init__(words)
        self.begins_us = begins_us


# --- live frames -----------------------------------------------------------------------------


class TradesSeen(NamedTuple):
    """Trades of one product in one frame, in the frame's order, made ascending."""

    product_id: str
    trades: tuple[Trade, ...]
    is_snapshot: bool


class Subscribed(NamedTuple):
    """The exchange acknowledged the subscription to a product."""

    product_id: str


class SubscriptionRejected(NamedTuple):
    """The exchange refused a subscription; product_id is "" when it refused them all.

    is_unknown_product distinguishes a name that no retry will make right from a passing refusal.
    """

    product_id: str
    words: str
    is_unknown_product: bool = False


class Alive(NamedTuple):
    """A heartbeat, a pong or a status: the connection lives.

    exchange_time_us is the exchange's clock where the frame reported it; maintenance is True or
    False where the frame reported the system's state, with its own words.
    """

    exchange_time_us: int | None = None
    maintenance: bool | None = None
    words: str = ""


class NewestReported(NamedTuple):
    """The exchange reported, beside the trades themselves, which one is a product's newest."""

    product_id: str
    trade_id: int


class ReconnectAsked(NamedTuple):
    """The exchange asked its clients to connect again, or is about to close the connection."""

    words: str


class Malformed(NamedTuple):
    """A frame, or a part of one, that is not what the exchange documents."""

    reason: str
    payload: str


def payload_text(frame: str | bytes) -> str:
    """Return the frame as text for a dead letter: undecodable bytes replaced, length bounded."""
    frame = frame[: 4 * _MAX_PAYLOAD]
    text = frame.decode(errors="replace") if isinstance(frame, bytes) else frame
    return text if len(text) <= _MAX_PAYLOAD else text[:_MAX_PAYLOAD] + "... (cut)"


def reason_of(error: BaseException) -> str:
    """Return an error's text on one line, bounded: it may quote what was sent."""
    text = " ".join(str(error)[: 2 * _MAX_REASON].split()) or type(error).__name__
    return text[:_MAX_REASON]


FrameEvent = (
    TradesSeen
    | Subscribed
    | SubscriptionRejected
    | Alive
    | NewestReported
    | ReconnectAsked
    | Malformed
)


# --- history ---------------------------------------------------------------------------------


class Request(NamedTuple):
    """A GET below the exchange's REST address."""

    path: str
    params: Mapping[str, str]


class Response(NamedTuple):
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes


#: Performs the request, waiting for the rate limit and retrying what may pass. ``check`` raises
#: an ExchangeError when the response is one; the fetcher decides whether to try again.
Fetch = Callable[[Request], Response]


class Page(NamedTuple):
    """One page of history, ascending; pages may overlap, so take ids that are new.

    Attributes:
        trades: its trades.
        more: whether the exchange has (or may have) a further page.
        rejected: its rows that are no trades.
    """

    trades: tuple[Trade, ...]
    more: bool
    rejected: tuple[Malformed, ...] = ()


class Position(NamedTuple):
    """A place in a product's trades: the id of the last known one, and its event time."""

    trade_id: str
    timestamp_us: int


class HistoryReach(NamedTuple):
    """How far back an exchange's REST history goes.

    Attributes:
        us: microseconds before now.
        message: the same for a person, e.g. "the last day of trades".
    """

    us: int
    message: str


#: An official candle: its window's start in ms, and the values that the exchange publishes, by
#: the names of a feature row's columns. A ``vwap`` is cut off, not rounded.
OfficialCandle = tuple[int, Mapping[str, Decimal]]

#: What an answer of history can become. ``final``: it never changes. ``full``: final where it
#: held trades. ``partial``: final once a later page followed. ``volatile``: it may change always.
PageState = Literal["final", "full", "partial", "volatile"]


class ExchangeAdapter(ABC):
    """One exchange.

    Attributes:
        name: as in EXCHANGE and in record keys.
        ws_url, rest_url: the exchange's public addresses.
        trade_ids: ``dense``: they count up by one within a product, so they order its trades
            and reveal a gap. ``shared``: by all products, so a jump says nothing about a gap.
        history_reach: how far back REST history goes; None: to the first trade.
        history_time_us: history's times are cut off to multiples of this.
        cursor_params: names of the request parameters whose answers may be kept on disk (see
            `page_state`).
        snapshot_on_subscribe: whether a subscription is answered with the latest trades, which
            often closes the gap of a short disconnection without REST.
        provides_server_time: whether its frames hold the exchange's own time.
        rejects_unknown_products: whether a subscription to an unknown product is refused, rather
            than acknowledged and then silent.
        rest_interval_seconds: the spacing of REST calls that stays within the public limit.
        silence_seconds: no frame of any kind for this long means a dead connection.
        max_connection_age_seconds: the exchange's own limit; None where it has none.
        connection_attempts: at most so many in so many seconds, from one address.
    """

    name: str
    ws_url: str
    rest_url: str
    trade_ids: Literal["dense", "shared"]
    history_reach: HistoryReach | None = None
    history_time_us: int = 1
    cursor_params: Sequence[str] = ()
    snapshot_on_subscribe: bool
    provides_server_time: bool
    rejects_unknown_products: bool
    rest_interval_seconds: float
    silence_seconds: float
    max_connection_age_seconds: float | None = None
    connection_attempts: tuple[int, float] = (100, 600.0)

    @property
    def has_dense_ids(self) -> bool:
        """Whether trade ids count up by one within a product."""
        return self.trade_ids == "dense"

    def __init__(self) -> None:
        self._names = ProductNames(self.symbol)

    @abstractmethod
    def symbol(self, product_id: str) -> str:
        """Return the exchange's own name of a product; the same for all its spellings."""

    def websocket_url(self, base: str, product_ids: Sequence[str]) -> str:
        """Return the address to connect to, given EXCHANGE_WS_URL or ``ws_url``.

        It is ``base`` itself where products are named in the subscription.
        """
        return base

    def subscribe_frames(self, product_ids: Sequence[str]) -> list[str]:
        """Return the frames that subscribe to the trades of these products."""
        self._names.remember(product_ids)
        return self.subscriptions([self.symbol(product) for product in product_ids])

    @abstractmethod
    def subscriptions(self, symbols: Sequence[str]) -> list[str]:
        """Return the frames that subscribe to the trades of products by the exchange's names."""

    @abstractmethod
    def ping_frame(self) -> str | None:
        """Return a frame that makes the exchange answer, or None where it has no such frame."""

    def read_frame(self, frame: str | bytes) -> list[FrameEvent]:
        """Turn one frame into events. Never raises: bad input becomes `Malformed`."""
        if len(frame) > MAX_FRAME_BYTES:
            reason = f"a frame of {len(frame)} bytes; at most {MAX_FRAME_BYTES} are read"
            return [Malformed(reason, payload_text(frame))]
        try:
            return self.events(frame)
        except DECODE_ERRORS as error:
            return [Malformed(reason_of(error), payload_text(frame))]

    @abstractmethod
    def events(self, data: FrameData) -> list[FrameEvent]:
        """Return what a frame says.

        Raises:
            MsgspecError, ValueError, ArithmeticError, LookupError, RecursionError: it is not as
                the exchange documents.
        """

    @abstractmethod
    def check(self, response: Response) -> None:
        """Raise the ExchangeError the response stands for, if it stands for one."""

    @abstractmethod
    def product_check(self, product_id: str) -> Request:
        """Return a cheap request whose response fails `check` when the product is unknown."""

    def exchange_time_us(self, fetch: Fetch) -> int | None:
        """Ask history's server for the exchange's time; None where it gives none."""
        return None

    def rate_limit_key(self, request: Request) -> str:
        """Return what the exchange counts calls by, beside the address: "" or e.g. a product."""
        return ""

    def page_state(self, request: Request, body: bytes) -> PageState:
        """Return whether the answer to a request with a cursor can still change.

        Raises:
            MsgspecError, ValueError, LookupError: the body is not as documented.
        """
        return "volatile"

    def official_candles(
        self, product_id: str, interval: Interval, from_ms: int, to_ms: int, fetch: Fetch
    ) -> Iterator[OfficialCandle] | None:
        """Yield the exchange's own candles of a period; None where they are not compared.

        Raises:
            ValueError: the exchange has no candles of this interval.
        """
        return None

    @abstractmethod
    def pages_from_time(self, product_id: str, from_us: int, fetch: Fetch) -> Iterator[Page]:
        """Yield pages, ascending, that hold every trade with a time at or after ``from_us``.

        Earlier trades may be among them. Ends after the page with ``more`` False. Follows the
        exchange's own cursor, never a rounded row time.
        """

    @abstractmethod
    def pages_after(self, product_id: str, position: Position, fetch: Fetch) -> Iterator[Page]:
        """Yield pages, ascending, that hold every trade after ``position`` in the exchange's order.

        Trades up to and including it may be among them.
        """
