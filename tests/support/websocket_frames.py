"""A websocket client for tests: frames until a condition, with a deadline."""

import json
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

import websocket

Message = dict[str, Any]


class FrameReader:
    """One connection whose every received text is kept in ``texts``, in order."""

    def __init__(self, url: str, timeout: float = 15.0) -> None:
        self._timeout = timeout
        self.texts: list[str | bytes] = []
        self.socket = websocket.create_connection(url, timeout=timeout)

    def send(self, message: Message) -> None:
        """Send one JSON frame."""
        self.socket.send(json.dumps(message))

    def next_text(self, timeout: float | None = None) -> str | bytes:
        """Return the next frame as it came."""
        self.socket.settimeout(self._timeout if timeout is None else timeout)
        text: str | bytes = self.socket.recv()
        if text in {"", b""}:
            raise websocket.WebSocketConnectionClosedException("closed")
        self.texts.append(text)
        return text

    def next(self) -> Message:
        """Return the next frame, decoded."""
        message: Message = json.loads(self.next_text())
        return message

    def until(self, wanted: Callable[[Message], bool]) -> list[Message]:
        """Return the frames up to and including the first wanted one."""
        deadline = time.monotonic() + self._timeout
        found: list[Message] = []
        while time.monotonic() < deadline:
            found.append(self.next())
            if wanted(found[-1]):
                return found
        raise AssertionError(f"no such frame within {self._timeout:g} s; last: {found[-3:]}")

    def until_closed(self) -> websocket.WebSocketException | OSError:
        """Read until the connection ends; return how."""
        deadline = time.monotonic() + self._timeout
        while time.monotonic() < deadline:
            try:
                self.next_text()
            except websocket.WebSocketTimeoutException as error:
                raise AssertionError("the connection did not end") from error
            except (websocket.WebSocketException, OSError) as error:
                return error
        raise AssertionError("the connection did not end")

    def close(self) -> None:
        """End the connection."""
        self.socket.shutdown()  # type: ignore[no-untyped-call]

    def __enter__(self) -> "FrameReader":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
