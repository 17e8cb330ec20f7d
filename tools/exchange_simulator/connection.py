"""One websocket connection: an outbox that a single task empties, and ways to end badly."""

import asyncio
import contextlib
import struct
import time
from collections import deque
from typing import NamedTuple

from aiohttp import ClientConnectionResetError, WSCloseCode, web

from exchange_simulator.faults.model import Drop
from exchange_simulator.protocols.protocol import Session

#: A client this many characters behind is cut, as exchanges do with slow consumers.
MAX_BACKLOG_CHARS = 64_000_000


class _Send(NamedTuple):
    frame: str | bytes


class _Wait(NamedTuple):
    seconds: float


class _Cut(NamedTuple):
    """End TCP in the middle of this frame."""

    frame: str


class _Close(NamedTuple):
    """End with a close code, or (None) end TCP without a word."""

    code: int | None


class _Ping(NamedTuple):
    pass


class _Pong(NamedTuple):
    payload: bytes


_Action = _Send | _Wait | _Cut | _Close | _Ping | _Pong


class Connection:
    """Sends frames in order, each after all before it.

    Attributes:
        session: what the protocol knows of the client.
        trade_frames: how many frames of trades were put in the outbox.
        opened_at: monotonic seconds.
        sent_something: whether anything was sent since the last heartbeat.
    """

    def __init__(
        self, session: Session, socket: web.WebSocketResponse, transport: asyncio.Transport
    ) -> None:
        self.session = session
        self.trade_frames = 0
        self.sent_something = False
        self.opened_at = time.monotonic()
        self._socket = socket
        self._transport = transport
        self._outbox: deque[_Action] = deque()
        self._backlog = 0
        self._wake = asyncio.Event()
        self._is_ending = False
        self._silent_until: float | None = None

    @property
    def is_idle(self) -> bool:
        """Whether everything was handed to the socket."""
        return not self._outbox

    @property
    def is_ending(self) -> bool:
        """Whether an end is already in the outbox: nothing more will be sent."""
        return self._is_ending

    def send(self, frame: str | bytes) -> None:
        """Put a frame in the outbox."""
        if self._is_ending or self._is_silent():
            return
        self._backlog += len(frame)
        self._put(_Send(frame))
        self.sent_something = True
        if self._backlog > MAX_BACKLOG_CHARS:
            self.end(None)
            self._transport.abort()

    def wait(self, seconds: float) -> None:
        """Let everything sent after this wait."""
        if not self._is_ending:
            self._put(_Wait(seconds))

    def cut(self, frame: str) -> None:
        """Write half of a frame, then end TCP."""
        if not self._is_ending:
            self._put(_Cut(frame))
            self._is_ending = True

    def drop(self, fault: Drop) -> None:
        """End as the fault says."""
        self.end(fault.code)

    def end(self, code: int | None) -> None:
        """End the connection after what is in the outbox."""
        if not self._is_ending:
            self._put(_Close(code))
            self._is_ending = True

    def silence(self, seconds: float | None) -> None:
        """Send nothing for a time, or for ever; what is not sent is lost."""
        now = asyncio.get_running_loop().time()
        self._silent_until = float("inf") if seconds is None else now + seconds

    def ping(self) -> None:
        """Send a websocket-level ping."""
        if not (self._is_ending or self._is_silent()):
            self._put(_Ping())

    def pong(self, payload: bytes) -> None:
        """Answer a websocket-level ping."""
        if not (self._is_ending or self._is_silent()):
            self._put(_Pong(payload))

    async def run(self) -> None:
        """Send what is in the outbox, for as long as the connection lives."""
        with contextlib.suppress(ConnectionError, ClientConnectionResetError):
            while not self._socket.closed:
                if not self._outbox:
                    self._wake.clear()
                    await self._wake.wait()
                # Removed only once sent: an empty outbox means that the socket has it all.
                await self._do(self._outbox[0])
                self._outbox.popleft()

    async def _do(self, action: _Action) -> None:
        match action:
            case _Send(frame):
                self._backlog -= len(frame)
                if isinstance(frame, str):
                    await self._socket.send_str(frame)
                else:
                    await self._socket.send_bytes(frame)
            case _Wait(seconds):
                await asyncio.sleep(seconds)
            case _Cut(frame):
                whole = frame.encode()
                self._transport.write(_text_frame_header(len(whole)) + whole[: len(whole) // 2])
                self._transport.close()
            case _Ping():
                await self._socket.ping()
            case _Pong(payload):
                await self._socket.pong(payload)
            case _Close(None):
                self._transport.abort()
            case _Close(code):
                assert code is not None
                await self._socket.close(code=code, message=_reason(code))

    def _put(self, action: _Action) -> None:
        self._outbox.append(action)
        self._wake.set()

    def _is_silent(self) -> bool:
        if self._silent_until is None:
            return False
        if asyncio.get_running_loop().time() < self._silent_until:
            return True
        self._silent_until = None
        return False


def _text_frame_header(length: int) -> bytes:
    """Return the header of an unmasked, final text frame (RFC 6455, section 5.2)."""
    if length < 126:
        return struct.pack("!BB", 0x81, length)
    if length < 1 << 16:
        return struct.pack("!BBH", 0x81, 126, length)
    return struct.pack("!BBQ", 0x81, 127, length)


def _reason(code: int) -> bytes:
    return b"service restart" if code == WSCloseCode.SERVICE_RESTART else b""
