"""The device's shell: a command of this computer's, in the device's folders."""

import os
import signal
import struct
import subprocess
import threading
from pathlib import Path
from typing import IO, TYPE_CHECKING

from tests.devices.fake_streams import Stream

if TYPE_CHECKING:
    from tests.devices.fake_adbd import Device

#: Folders of the device that lie under its root.
MAPPED = (
    "/data/local/tmp",
    "/sys/devices/system/cpu",
    "/sys/class/thermal",
)
_OUT, _ERR, _EXIT = 1, 2, 3
_CHUNK = 65536


def real_path(root: Path, text: str) -> str:
    """Paths of the device as they are on this computer."""
    for folder in MAPPED:
        text = text.replace(folder, str(root) + folder)
    return text


def run_shell(stream: Stream, device: "Device", command: str, is_v2: bool) -> None:
    """Runs a command for a client, and ends it when the client goes.

    Args:
        stream: to the client.
        device: the device.
        command: for `sh`.
        is_v2: packets with stdout, stderr and the exit status apart.
    """
    root = device.root
    child = subprocess.Popen(
        ["sh", "-c", real_path(root, command)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE if is_v2 else subprocess.STDOUT,
        start_new_session=True,
        env={
            **os.environ,
            "PATH": f"{root}/system/bin{os.pathsep}{os.environ['PATH']}",
        },
    )
    over = threading.Event()
    if device.ends_orphans:
        watch = threading.Thread(target=_watch, args=(stream, child, over), daemon=True)
        watch.start()
    writing = threading.Lock()

    def copy(source: IO[bytes], kind: int) -> None:
        while data := os.read(source.fileno(), _CHUNK):
            data = data.replace(str(root).encode(), b"")
            packet = struct.pack("<BI", kind, len(data)) + data
            try:
                with writing:
                    stream.write(packet if is_v2 else data)
            except EOFError:
                return

    outputs = [(child.stdout, _OUT), (child.stderr, _ERR)]
    copies = [
        threading.Thread(target=copy, args=pair, daemon=True)
        for pair in outputs
        if pair[0] is not None
    ]
    for thread in copies:
        thread.start()
    for thread in copies:
        thread.join()
    status = child.wait()
    over.set()
    if is_v2:
        # As a shell tells a death by a signal.
        status = 128 - status if status < 0 else status
        stream.write(struct.pack("<BIB", _EXIT, 1, status))
    stream.drain()


def _watch(stream: Stream, child: subprocess.Popen, over: threading.Event) -> None:
    while not over.is_set():
        if stream.wait_closed(0.1):
            try:
                os.killpg(child.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass  # it had just ended
            return
