"""The `sync:` service: copies of files to and from the device."""

import os
import stat
import struct
from pathlib import Path
from typing import TYPE_CHECKING

from tests.devices.fake_shell import real_path
from tests.devices.fake_streams import Stream

if TYPE_CHECKING:
    from tests.devices.fake_adbd import Device

_CHUNK = 65536


def serve_sync(stream: Stream, device: "Device") -> None:
    """Answers until the client quits."""
    while True:
        request, length = struct.unpack("<4sI", stream.read(8))
        name = stream.read(length).decode() if length else ""
        path = Path(real_path(device.root, name.rpartition(",")[0] or name))
        if request == b"QUIT":
            return
        if request == b"STAT":
            _stat(stream, path)
        elif request in (b"STA2", b"LST2"):
            _stat2(stream, request, path)
        elif request == b"LIST":
            _list(stream, path)
        elif request == b"SEND":
            _receive(stream, device, path, int(name.rpartition(",")[2]))
        elif request == b"RECV":
            _send(stream, path)
        else:
            _fail(stream, f"unknown command {request!r}")
            return


def _stat(stream: Stream, path: Path) -> None:
    try:
        found = path.stat()
        values = (found.st_mode, found.st_size & 0xFFFFFFFF, int(found.st_mtime))
    except OSError:
        values = (0, 0, 0)
    stream.write(b"STAT" + struct.pack("<3I", *values))


def _stat2(stream: Stream, request: bytes, path: Path) -> None:
    """72 bytes: error, device, inode, mode, links, owner, group, size, times."""
    try:
        found = path.stat() if request == b"STA2" else path.lstat()
    except OSError as error:
        stream.write(request + struct.pack("<I64x", error.errno or 5))
        return
    times = (int(found.st_atime), int(found.st_mtime), int(found.st_ctime))
    stream.write(
        request
        + struct.pack("<IQQIIIIQ", 0, found.st_dev, found.st_ino, found.st_mode, 1, 0, 0, found.st_size)  # noqa: E501
        + struct.pack("<3q", *times)
    )  # fmt: skip


def _list(stream: Stream, path: Path) -> None:
    for entry in sorted(path.iterdir()) if path.is_dir() else ():
        found, name = entry.stat(), entry.name.encode()
        sizes = (found.st_mode, found.st_size, int(found.st_mtime), len(name))
        stream.write(b"DENT" + struct.pack("<4I", *sizes) + name)
    stream.write(b"DONE" + bytes(16))


def _receive(stream: Stream, device: "Device", path: Path, mode: int) -> None:
    content = bytearray()
    while True:
        kind, length = struct.unpack("<4sI", stream.read(8))
        if kind == b"DONE":
            break
        content += stream.read(length)
    if device.space is not None and len(content) > device.space:
        _fail(stream, "write failed: No space left on device")
        return
    try:
        path.write_bytes(content)
        os.chmod(path, stat.S_IMODE(mode) or 0o644)
    except OSError as error:
        _fail(stream, f"couldn't create file: {error.strerror}")
        return
    stream.write(b"OKAY" + bytes(4))


def _send(stream: Stream, path: Path) -> None:
    try:
        content = path.read_bytes()
    except OSError as error:
        _fail(stream, f"open failed: {error.strerror}")
        return
    for start in range(0, len(content), _CHUNK):
        part = content[start : start + _CHUNK]
        stream.write(b"DATA" + struct.pack("<I", len(part)) + part)
    stream.write(b"DONE" + bytes(4))


def _fail(stream: Stream, reason: str) -> None:
    text = reason.encode()
    stream.write(b"FAIL" + struct.pack("<I", len(text)) + text)
