"""The live feed: one subscribed connection, replaced when it dies, overlapped when it ages.

A new connection that replaces a living one is read only into a buffer until the old one has
drained, so that a planned replacement loses and doubles nothing.
"""

import random
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from loguru import logger

from ohlc_exchanges.base import (
    Alive,
    ExchangeAdapter,
    FrameEvent,
    Malformed,
    ReconnectAsked,
    Subscribed,
    SubscriptionRejected,
    TradesSeen,
    payload_text,
)
from trade_producer.backoff import AttemptLimit, Backoff
from trade_producer.connection import (
    Closed,
    Connection,
    ConnectionEvent,
    Inbox,
    Opened,
)
from trade_producer.formatting import product_list
from trade_producer.subscriptions import Refusals

_ACK_SECONDS = 10.0
_HANDSHAKE_SECONDS = 20.0
_DRAIN_SECONDS = 2.0
_MAINTENANCE_SECONDS = 5.0
_MAX_BACKOFF_SECONDS = 60.0
_PING_SECONDS = 1.0
_STABLE_SECONDS = 30.0
# Connect again a little before the exchange cuts the connection.
_AGE_MARGIN = 0.98
_SHOWN_AS_0 = 0.05


class Lost(NamedTuple):
    """There is no subscribed connection any more: trades may pass unseen."""

    reason: str


class Heard(NamedTuple):
    """An event of a frame of the connection in use, received at ``received_us`` (monotonic)."""

    event: FrameEvent
    received_us: int


FeedEvent = Lost | Heard


class _Link:
    """A connection and how far its subscription is."""

    def __init__(self, connection: Connection, products: Iterable[str], now: float) -> None:
        self.connection = connection
        self.unacknowledged = set(products)
        self.started = now
        self.opened: float | None = None
        self.heard = now
        self.pinged = now
        self.acknowledged: float | None = None
        self.retiring = False
        self.held: list[Heard] = []


class Feed:
    """Keeps a subscribed connection to the exchange.

    Driven by its caller: `tick` regularly, `handle` for each connection event.

    Args:
        adapter: the exchange.
        url: EXCHANGE_WS_URL, or "".
        product_ids: what to subscribe to.
        inbox: where connections put their events.
        backoff_seconds: the first wait between failures.
        max_age_seconds: replace a connection after this long; None: never.
        random_: source of the jitter.
        connect: makes a connection (for tests).
    """

    def __init__(
        self,
        adapter: ExchangeAdapter,
        url: str,
        product_ids: Sequence[str],
        inbox: Inbox,
        *,
        backoff_seconds: float = 1.0,
        max_age_seconds: float | None = None,
        random_: random.Random | None = None,
        connect: Callable[..., Connection] = Connection,
    ) -> None:
        self.reconnects = 0
        self.url = adapter.websocket_url(url or adapter.ws_url, product_ids)
        self._adapter = adapter
        self._products = tuple(product_ids)
        self._inbox = inbox
        self._max_age = max_age_seconds
        self._connect = connect
        self._backoff = Backoff(backoff_seconds, _MAX_BACKOFF_SECONDS, random_ or random.Random())
        self._limit = AttemptLimit(*adapter.connection_attempts)
        self._primary: _Link | None = None
        self._standby: _Link | None = None
        self._promote_at: float | None = None
        self._next_attempt = 0.0
        self._maintenance = False
        self._numbers = 0
        self._refusals = Refusals()

    @property
    def is_subscribed(self) -> bool:
        """Whether every product is acknowledged on the connection in use."""
        return self._primary is not None and self._primary.acknowledged is not None

    def close(self) -> None:
        """End all connections."""
        for link in (self._primary, self._standby):
            if link is not None:
                link.connection.close()
                link.connection.join(2.0)
        self._primary = self._standby = None

    # --- time -------------------------------------------------------------------------------

    def tick(self, now: float) -> list[FeedEvent]:
        """Do what time demands: connect, ping, give up the silent, replace the old."""
        if self._primary is None:
            if now >= self._next_attempt:
                self._primary = self._open(now)
            return []
        for link in (self._primary, self._standby):
            if link is not None:
                self._watch(link, now)
        self._ask_refused_again(self._primary, now)
        if self._standby is None and self._must_replace(self._primary, now):
            logger.info("connecting again before the connection in use ends")
            self._standby = self._open(now)
        if self._promote_at is not None and now >= self._promote_at:
            return self._promote()
        return []

    def ask_time(self, now: float) -> None:
        """Ask the exchange for a frame with its time at once, instead of within a second."""
        if self._primary is not None and self._primary.opened is not None:
            self._ping(self._primary, now)

    def _ping(self, link: _Link, now: float) -> None:
        link.pinged = now
        link.connection.send(self._adapter.ping_frame())

    def _open(self, now: float) -> _Link | None:
        wait = self._limit.wait_seconds(now)
        if wait > 0:
            logger.warning("the exchange's limit of connections: waiting {:.0f} s", wait)
            self._next_attempt = now + wait
            return None
        self._limit.attempted(now)
        self._numbers += 1
        self._refusals.connected(now)
        delisted = self._refusals.are_delisted(self._products)
        wanted = [product for product in self._products if product not in delisted]
        connection = self._connect(
            self._numbers,
            self.url,
            self._adapter.subscribe_frames(wanted or self._products),
            self._inbox,
            self._adapter.silence_seconds,
        )
        connection.open()
        return _Link(connection, wanted or self._products, now)

    def _ask_refused_again(self, link: _Link, now: float) -> None:
        due = self._refusals.due(now) if link.opened is not None else []
        if due:
            link.opened = now
            for frame in self._adapter.subscribe_frames(due):
                link.connection.send(frame)

    def _watch(self, link: _Link, now: float) -> None:
        if link.opened is None:
            # Each read of the handshake has its own timeout; a server that drips passes all.
            if now - link.started > _HANDSHAKE_SECONDS:
                logger.warning("no handshake within {:g} s", _HANDSHAKE_SECONDS)
                link.connection.drop()
                link.started = now
            return
        silent = now - link.heard
        if silent > self._adapter.silence_seconds and not self._inbox.waiting:
            logger.warning("no frame for {:.1f} s: the connection is dead", silent)
            link.connection.drop()
            link.heard = now
        elif link.acknowledged is None and now - link.opened > _ACK_SECONDS:
            missing = product_list(link.unacknowledged)
            logger.warning("no acknowledgement for {} within {:g} s", missing, _ACK_SECONDS)
            link.connection.drop()
            link.opened = now
        elif now - link.pinged >= _PING_SECONDS:
            self._ping(link, now)
        if link.acknowledged is not None and now - link.acknowledged > _STABLE_SECONDS:
            self._backoff.succeeded()

    def _must_replace(self, link: _Link, now: float) -> bool:
        if link.acknowledged is None or now < self._next_attempt:
            return False
        aged = self._max_age is not None and now - link.started > self._max_age * _AGE_MARGIN
        return aged or link.retiring

    # --- events -----------------------------------------------------------------------------

    def handle(self, event: ConnectionEvent, now: float) -> Sequence[FeedEvent]:
        """Take an event of a connection; return what it means."""
        link = self._link(event.connection)
        if link is None:
            return []  # of a connection that was given up
        if isinstance(event, Closed):
            return self._closed(link, event.reason, now)
        link.heard = now
        if isinstance(event, Opened):
            link.opened = now
            return []
        seen = [Alive()] if event.frame is None else self._read(event.frame)
        heard = [Heard(each, event.received_us) for each in seen]
        for each in seen:
            self._note(link, each, now)
        if link is self._standby:
            # Acknowledgements and refusals speak of a subscription that is not in use yet.
            link.held += [each for each in heard if isinstance(each.event, TradesSeen)]
            return []
        return heard

    def _read(self, frame: bytes) -> list[FrameEvent]:
        try:
            return self._adapter.read_frame(frame)
        except Exception as error:
            reason = f"the frame could not be read ({type(error).__name__})"
            return [Malformed(reason, payload_text(frame))]

    def _link(self, number: int) -> _Link | None:
        for link in (self._primary, self._standby):
            if link is not None and link.connection.number == number:
                return link
        return None

    def _note(self, link: _Link, event: FrameEvent, now: float) -> None:
        if isinstance(event, Subscribed):
            self._refusals.accepted(event.product_id)
            link.unacknowledged.discard(event.product_id)
            self._note_acknowledged(link, now)
        elif isinstance(event, SubscriptionRejected):
            self._note_refused(link, event, now)
        elif isinstance(event, Alive) and event.maintenance is not None:
            if event.maintenance and not self._maintenance:
                logger.warning("the exchange says: {}", event.words)
            self._maintenance = event.maintenance
        elif isinstance(event, ReconnectAsked):
            logger.info("the exchange asks to connect again: {}", event.words)
            link.retiring = True

    def _note_refused(self, link: _Link, refused: SubscriptionRejected, now: float) -> None:
        """Go on with the other products; the caller decides what becomes of this one."""
        product = refused.product_id
        if product and product not in self._products:
            return  # nobody asked for it
        link.opened = now if link.opened is not None else None
        if refused.is_unknown_product and product:
            self._refusals.delisted(product, now)
            link.unacknowledged.discard(product)
            # Some exchanges refuse all products for one: ask for the others again.
            self._refusals.passing(link.unacknowledged, now)
            self._note_acknowledged(link, now)
        elif not refused.is_unknown_product:
            self._refusals.passing([product] if product else link.unacknowledged, now)

    def _note_acknowledged(self, link: _Link, now: float) -> None:
        if link.unacknowledged or link.acknowledged is not None:
            return
        link.acknowledged = now
        if link is self._standby:
            self._promote_at = now + _DRAIN_SECONDS
        else:
            logger.info("subscribed to {} at {}", product_list(self._products), self.url)

    def _promote(self) -> list[FeedEvent]:
        """Put the standby in the place of the connection in use."""
        old, new = self._primary, self._standby
        self._promote_at = None
        if new is None:
            return []
        if old is not None:
            old.connection.close()
        self._primary, self._standby = new, None
        self.reconnects += 1
        held, new.held = new.held, []
        logger.info("replaced the connection, {} frames overlapped", len(held))
        return list(held)

    def _closed(self, link: _Link, reason: str, now: float) -> list[FeedEvent]:
        if link is self._standby:
            self._standby, self._promote_at = None, None
            self._schedule(reason, now)
            return []
        was_subscribed = link.acknowledged is not None
        self._primary = None
        self.reconnects += was_subscribed
        if self._standby is not None:
            # It subscribed while the other lived, but what that one had not delivered is lost.
            self._primary, self._standby, self._promote_at = self._standby, None, None
            held, self._primary.held = self._primary.held, []
            delisted = self._refusals.are_delisted(self._products)
            acks = [
                Heard(Subscribed(product), self._primary_us(held))
                for product in self._products
                if product not in self._primary.unacknowledged | delisted
            ]
            return [Lost(reason), *acks, *held]
        self._schedule(reason, now)
        return [Lost(reason)]

    @staticmethod
    def _primary_us(held: list[Heard]) -> int:
        return held[0].received_us if held else 0

    def _schedule(self, reason: str, now: float) -> None:
        wait = self._backoff.next_seconds()
        if self._maintenance:
            wait = max(wait, _MAINTENANCE_SECONDS)
        self._next_attempt = now + wait
        again = f"in {wait:.1f} s" if wait > _SHOWN_AS_0 else "now"
        logger.warning("no connection to {} ({}); trying again {}", self.url, reason, again)
