"""The device's side of adb's protocol on the loopback: what Android's adbd does.

    device = Device(root).start()      # adb connect 127.0.0.1:<device.port>

Files of the device lie under `root`, its programs in `root/system/bin`. Real adb
clients talk to it; what it does not offer (`ls_v2`, compression, forwarding) it
does not advertise either. No authentication, as on an emulator, unless `locked`.
"""

import socket
import struct
import threading
from pathlib import Path

from tests.devices.fake_shell import run_shell
from tests.devices.fake_streams import Stream
from tests.devices.fake_sync import serve_sync

_HEADER = struct.Struct("<6I")
_VERSION, _MAX_DATA = 0x01000001, 262144  # of this version on without checksums
_TOKEN = 1


def _word(name: bytes) -> int:
    return struct.unpack("<I", name)[0]


CNXN, AUTH, OPEN, OKAY, WRTE, CLSE = map(
    _word, (b"CNXN", b"AUTH", b"OPEN", b"OKAY", b"WRTE", b"CLSE")
)


class Device:
    """A device that answers on a port of its own.

    Args:
        root: folder with its files.
        features: what it advertises; without `shell_v2` it is an Android 6.
    """

    def __init__(self, root: Path, features: str = "shell_v2,cmd,stat_v2") -> None:
        self.root, self.features = root, features
        self.locked = False
        #: Whether a command ends when its client goes; not every daemon sees to it.
        self.ends_orphans = True
        #: Bytes that fit on it; None for no limit.
        self.space: int | None = None
        self._connections: list[_Connection] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    @property
    def serial(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> "Device":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._connections.append(_Connection(self, connection))

    def unplug(self) -> None:
        """The cable is pulled: nobody answers any more."""
        self._listener.close()
        for connection in self._connections:
            connection.close()

    stop = unplug


class _Connection:
    """One adb server that has connected."""

    def __init__(self, device: Device, connection: socket.socket) -> None:
        self._device, self._socket = device, connection
        self._lock = threading.Lock()
        self._streams: dict[int, Stream] = {}
        self._last = 0
        threading.Thread(target=self._read, daemon=True).start()

    def close(self) -> None:
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the other side was faster
        for stream in list(self._streams.values()):
            stream.closed_by_peer()

    def send(self, command: int, first: int, second: int, data: bytes = b"") -> None:
        header = _HEADER.pack(
            command, first, second, len(data), 0, command ^ 0xFFFFFFFF
        )
        with self._lock:
            try:
                self._socket.sendall(header + data)
            except OSError:
                pass  # unplugged; the reader ends by itself

    def _read(self) -> None:
        try:
            while True:
                command, first, second, length, _, _ = _HEADER.unpack(
                    self._exactly(_HEADER.size)
                )
                self._handle(command, first, second, self._exactly(length))
        except (EOFError, OSError):
            self.close()
        finally:
            self._socket.close()

    def _exactly(self, length: int) -> bytes:
        data = b""
        while len(data) < length:
            part = self._socket.recv(length - len(data))
            if not part:
                raise EOFError
            data += part
        return data

    def _handle(self, command: int, first: int, second: int, data: bytes) -> None:
        if command in (CNXN, AUTH):
            if self._device.locked:
                # Never satisfied: the question stays on the screen.
                self.send(AUTH, _TOKEN, 0, bytes(20))
            elif command == CNXN:
                self.send(CNXN, _VERSION, _MAX_DATA, self._banner())
        elif command == OPEN:
            self._open(first, data.rstrip(b"\0").decode())
        elif (stream := self._streams.get(second)) is not None:
            if command == OKAY:
                stream.acknowledged()
            elif command == WRTE:
                stream.received(data)
                self.send(OKAY, second, first)
            elif command == CLSE:
                stream.closed_by_peer()
                self._streams.pop(second, None)

    def _banner(self) -> bytes:
        return (
            "device::ro.product.name=fake;ro.product.model=Fake;ro.product.device=fake;"
            f"features={self._device.features}"
        ).encode()

    def _open(self, remote: int, service: str) -> None:
        kind, _, rest = service.partition(":")
        if kind.split(",")[0] not in ("shell", "exec", "sync"):
            self.send(CLSE, 0, remote)
            return
        self._last += 1
        local = self._last

        def send(data: bytes) -> None:
            self.send(WRTE, local, remote, data)

        stream = self._streams[local] = Stream(send, _MAX_DATA)
        self.send(OKAY, local, remote)

        def serve() -> None:
            try:
                if kind == "sync":
                    serve_sync(stream, self._device)
                else:
                    run_shell(stream, self._device, rest, "v2" in kind)
            except (EOFError, OSError):
                pass  # the client has gone
            self.send(CLSE, local, remote)

        threading.Thread(target=serve, daemon=True).start()
