"""One stream of adb's protocol: what is read, and what waits to be acknowledged."""

import threading
from collections.abc import Callable

_PATIENCE = 60.0


class Stream:
    """A pipe to one client, of which each write waits for the one before.

    Args:
        send: sends one message.
        largest: bytes of a message.
    """

    def __init__(self, send: Callable[[bytes], None], largest: int) -> None:
        self._send, self._largest = send, largest
        self._changed = threading.Condition()
        self._input = b""
        self._is_free, self._is_open = True, True

    def write(self, data: bytes) -> None:
        for start in range(0, len(data), self._largest):
            with self._changed:
                self._changed.wait_for(
                    lambda: self._is_free or not self._is_open, _PATIENCE
                )
                if not self._is_open:
                    raise EOFError
                self._is_free = False
            self._send(data[start : start + self._largest])

    def drain(self) -> None:
        """Waits until the last write has arrived."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._is_free or not self._is_open, _PATIENCE
            )

    def read(self, length: int) -> bytes:
        with self._changed:
            self._changed.wait_for(
                lambda: len(self._input) >= length or not self._is_open
            )
            if len(self._input) < length:
                raise EOFError
            data, self._input = self._input[:length], self._input[length:]
            return data

    def wait_closed(self, seconds: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: not self._is_open, seconds)

    def acknowledged(self) -> None:
        with self._changed:
            self._is_free = True
            self._changed.notify_all()

    def received(self, data: bytes) -> None:
        with self._changed:
            self._input += data
            self._changed.notify_all()

    def closed_by_peer(self) -> None:
        with self._changed:
            self._is_open = False
            self._changed.notify_all()
