"""A websocket that ends rather than collect a message beyond its bound."""

from typing import Any

import websocket

from ohlc_exchanges.base import MAX_FRAME_BYTES

#: With the frame headers of a message in many fragments.
_MAX_MESSAGE_BYTES = 2 * MAX_FRAME_BYTES


class BoundedWebSocket(websocket.WebSocket):
    """Counts what it reads for one message, fragments and pings between them included."""

    def __init__(self) -> None:
        # Text is checked by the decoder, so a broken frame costs itself and not the connection.
        super().__init__(skip_utf8_validation=True)
        self._received = 0

    def recv_data_frame(self, control_frame: bool = False) -> tuple[int, Any]:
        """Return the next message, as the base class does.

        Raises:
            WebSocketPayloadException: it is too long.
        """
        if not self.cont_frame.cont_data:
            self._received = 0
        found: tuple[int, Any] = super().recv_data_frame(control_frame)
        return found

    def _recv(self, bufsize: int) -> bytes:
        data: bytes = super()._recv(bufsize)  # type: ignore[no-untyped-call]
        self._received += len(data)
        if self._received > _MAX_MESSAGE_BYTES:
            raise websocket.WebSocketPayloadException(
                f"a message of more than {_MAX_MESSAGE_BYTES} bytes"
            )
        return data
