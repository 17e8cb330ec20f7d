"""What an exchange's protocol is to the server: frames out, frames in, REST answers.

A protocol is pure: it reads the market and the clock it was given, and does no I/O.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import NamedTuple

from exchange_simulator.market.clock import SimulatedClock
from exchange_simulator.market.market import Market
from exchange_simulator.market.trade_log import Row


class Session:
    """What the server knows of one websocket connection.

    Attributes:
        number: counts connections from 1.
        path, query: of the handshake.
        products: subscribed to, by the market's own names.
        streams: anything else the protocol notes: stream and channel names by product.
    """

    def __init__(self, number: int, path: str, query: Mapping[str, str]) -> None:
        self.number = number
        self.path = path
        self.query = query
        self.products: set[str] = set()
        self.streams: dict[str, str] = {}


class Replies(NamedTuple):
    """What to answer to a client's frame.

    subscribed: whether the client has just got its acknowledgement of a subscription.
    """

    frames: Sequence[str]
    subscribed: bool = False


class RestCall(NamedTuple):
    """One GET.

    Attributes:
        captured: the product in the path, in the exchange's words, where the path has one.
        hide_newest: answer as if this many newest trades had not happened yet (a stale cache).
        exclusive: read the cursor as exclusive.
        cursor: spoil the page's cursor: "", "missing" or "malformed".
    """

    path: str
    params: Mapping[str, str]
    headers: Mapping[str, str]
    captured: str = ""
    hide_newest: int = 0
    exclusive: bool = False
    cursor: str = ""


class RestAnswer(NamedTuple):
    """Status, body and headers of an answer."""

    status: int
    body: bytes
    headers: Mapping[str, str] = {}


RestHandler = Callable[[RestCall], RestAnswer]


class Protocol(ABC):
    """One exchange's public protocol over the simulated market.

    Attributes:
        name: as in the EXCHANGE setting.
        default_products: the market of a simulator whose products are not set.
        shares_ids: whether trade ids come from one sequence that all products share.
        websocket_paths: aiohttp routes of the websocket; the first is the one to announce.
        rest_routes: aiohttp routes to handlers; ``{product}`` in a route is passed as
            ``RestCall.captured``.
        heartbeat_only_when_quiet: heartbeats stand in for missing trades only.
        ping_seconds: real seconds between websocket-level pings; None where there are none.
        trades_path: a part of every REST path that serves trades.
        max_client_bytes: a longer client's frame ends its connection with code 1009.
        subscribe_within_seconds: a connection with no subscription after this long is ended.
        system: the announced state, "online" or another of the Status fault's.
    """

    name: str
    default_products: Sequence[str] = ("BTC/USD", "ETH/USD", "LTC/USD")
    shares_ids = False
    websocket_paths: Sequence[str]
    heartbeat_only_when_quiet = True
    ping_seconds: float | None = None
    trades_path = "rades"
    max_client_bytes = 1 << 20
    subscribe_within_seconds: float | None = None

    def __init__(self, market: Market, clock: SimulatedClock) -> None:
        self.market = market
        self.clock = clock
        self.system = "online"

    @property
    @abstractmethod
    def rest_routes(self) -> Mapping[str, RestHandler]:
        """REST routes and who answers them."""

    @abstractmethod
    def opened(self, session: Session) -> Replies:
        """Return what the exchange says on its own when a connection opens."""

    @abstractmethod
    def received(self, session: Session, text: str) -> Replies:
        """Return the answers to a client's frame; notes subscriptions in the session."""

    @abstractmethod
    def trade_frames(self, session: Session, product: str, rows: Sequence[Row]) -> list[str]:
        """Return the frames of trades that happened together."""

    def variant(self, session: Session) -> Hashable:
        """Return what `trade_frames` depends on besides the trades: sessions alike share text."""
        return ""

    @abstractmethod
    def malformed(self, frame: str) -> str:
        """Return a trade frame with its first row spoiled, though still JSON."""

    @abstractmethod
    def unknown_channel(self) -> str:
        """Return a well-formed frame of a kind no client knows."""

    @abstractmethod
    def heartbeat(self, session: Session) -> list[str]:
        """Return the heartbeats due now for a session, if it gets any."""

    def status_changed(self) -> list[str]:
        """Return the frames that announce ``system``, where the protocol has such."""
        return []

    def reconnect_asked(self) -> list[str]:
        """Return the frames that ask a client to connect again, where the protocol has such."""
        return []

    @abstractmethod
    def too_many_requests(self) -> RestAnswer:
        """Return the answer to a client that asked too often, in the exchange's words."""

    @abstractmethod
    def unavailable(self) -> RestAnswer:
        """Return the answer of an exchange that cannot answer now, in its words."""
