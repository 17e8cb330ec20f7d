"""One websocket, read by a thread of its own into the inbox.

The inbox is bounded: when its reader is slow, the socket is left unread, so the exchange's frames
wait in the network and not in memory.
"""

import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import websocket

from trade_producer.bounded_socket import BoundedWebSocket

_PUT_SECONDS = 0.2
_ABNF = websocket.ABNF


class Opened(NamedTuple):
    """The handshake succeeded and the subscriptions are sent."""

    connection: int


class FrameArrived(NamedTuple):
    """A frame came in; ``frame`` is None for a websocket ping or pong."""

    connection: int
    frame: bytes | None
    received_us: int


class Closed(NamedTuple):
    """The connection is over, or was never made; ``reason`` says why."""

    connection: int
    reason: str


ConnectionEvent = Opened | FrameArrived | Closed


def monotonic_us() -> int:
    """Return microseconds of the monotonic clock."""
    return time.monotonic_ns() // 1_000


class Inbox:
    """What waits for the main loop, up to a bound; safe between threads.

    A deque and two events instead of ``queue.Queue``, whose lock is taken twice a frame: with a
    thread on either side of it, nearly all time goes into waiting for each other.

    Args:
        max_events: how many may wait; a few more where several threads put at once.
    """

    def __init__(self, max_events: int = 5_000) -> None:
        self._max_events = max_events
        self._events: deque[object] = deque()
        self._arrived = threading.Event()
        self._room = threading.Event()

    def put(self, event: object, is_cancelled: Callable[[], bool]) -> bool:
        """Wait for room and put the event; False when cancelled meanwhile."""
        while len(self._events) >= self._max_events and not is_cancelled():
            self._room.clear()
            self._room.wait(_PUT_SECONDS)
        if is_cancelled():
            return False
        self._events.append(event)
        if not self._arrived.is_set():
            self._arrived.set()
        return True

    def take(self, timeout: float, max_events: int = 500) -> list[object]:
        """Return up to ``max_events`` that wait; wait ``timeout`` seconds for the first."""
        if not self._events:
            self._arrived.clear()
            # Looked at again: one may have come between the look and the clearing.
            if not self._events:
                self._arrived.wait(timeout)
        taken = [self._events.popleft() for _ in range(min(max_events, len(self._events)))]
        if len(self._events) < self._max_events:
            self._room.set()
        return taken

    @property
    def waiting(self) -> int:
        """How many events wait."""
        return len(self._events)


class Connection:
    """One connection to the exchange; use once.

    Args:
        number: distinguishes its events from those of other connections.
        url: where to connect.
        frames: what to send at once after the handshake.
        inbox: where its events go; the last one is always `Closed`, unless `close` was called.
        silence_seconds: nothing received for this long ends it.
    """

    def __init__(
        self, number: int, url: str, frames: Sequence[str], inbox: Inbox, silence_seconds: float
    ) -> None:
        self.number = number
        self._url = url
        self._frames = frames
        self._inbox = inbox
        self._silence = silence_seconds
        self._socket: Any = BoundedWebSocket()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"websocket-{number}", daemon=True)

    def open(self) -> None:
        """Begin connecting."""
        self._thread.start()

    def send(self, frame: str | None) -> None:
        """Send a frame, or a websocket ping for None; a failure shows as `Closed`."""
        try:
            if frame is None:
                self._socket.ping()
            else:
                self._socket.send(frame)
        except (OSError, websocket.WebSocketException):
            self._cut()

    def close(self) -> None:
        """End it; no further event comes."""
        self._closing.set()
        self._cut()

    def drop(self) -> None:
        """End it as dead; `Closed` comes."""
        self._cut()

    def join(self, timeout: float) -> None:
        """Wait for its thread to end."""
        if self._thread.ident is not None:
            self._thread.join(timeout)

    def _cut(self) -> None:
        raw = self._socket.sock
        if raw is not None:
            try:
                raw.shutdown(socket.SHUT_RDWR)
            except OSError:
                return

    def _run(self) -> None:
        reason = "closed"
        try:
            self._socket.connect(self._url, timeout=max(self._silence, 5.0))
            self._socket.settimeout(self._silence)
            for frame in self._frames:
                self._socket.send(frame)
            self._put(Opened(self.number))
            reason = self._read()
        except websocket.WebSocketBadStatusException as error:
            reason = f"the handshake was answered with HTTP {error.status_code}"
        except (OSError, websocket.WebSocketException, ValueError) as error:
            reason = " ".join(str(error).split())[:300] or type(error).__name__
        finally:
            self._socket.shutdown()
        self._put(Closed(self.number, reason))

    def _read(self) -> str:
        while not self._closing.is_set():
            opcode, data = self._socket.recv_data(control_frame=True)
            if opcode == _ABNF.OPCODE_CLOSE:
                return _close_reason(data)
            is_data = opcode in (_ABNF.OPCODE_TEXT, _ABNF.OPCODE_BINARY)
            self._put(FrameArrived(self.number, data if is_data else None, monotonic_us()))
        return "closed"

    def _put(self, event: ConnectionEvent) -> None:
        self._inbox.put(event, self._closing.is_set)


def _close_reason(data: bytes) -> str:
    code = int.from_bytes(data[:2], "big") if len(data) >= 2 else 1005
    return f"the exchange closed the connection ({code} {data[2:].decode(errors='replace')})"
