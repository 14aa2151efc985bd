"""Boards for ssh: a real sshd on the loopback, or a stand-in of three lines."""

import getpass
import os
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.devices.phone import program

_SSHD = """
ListenAddress 127.0.0.1:{port}
HostKey {folder}/host
AuthorizedKeysFile {folder}/key.pub
StrictModes no
UsePAM no
PermitRootLogin yes
PasswordAuthentication no
PidFile none
Subsystem sftp internal-sftp
SetEnv TMPDIR={temporary}
"""
#: ssh reads its user's files wherever HOME is: these must not be touched.
_CLIENT = """
IdentityFile {folder}/key
IdentitiesOnly yes
UserKnownHostsFile {folder}/known
StrictHostKeyChecking accept-new
LogLevel ERROR
"""


@dataclass
class Board:
    """Where a board is, and where its temporary folders are."""

    address: str
    temporary: Path
    process: subprocess.Popen | None = None

    def unplug(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait()


def start_sshd(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Board:
    """Starts a server of its own keys, and puts clients that know them on PATH."""
    server = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
    keygen, ssh, scp = map(shutil.which, ("ssh-keygen", "ssh", "scp"))
    if not (server and keygen and ssh and scp):
        pytest.skip("no OpenSSH server and client")
    for key in ("host", "key"):
        words = [keygen, "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key)]
        subprocess.run(words, check=True)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    temporary = folder / "temporary"
    temporary.mkdir()
    settings = {"folder": folder, "port": port, "temporary": temporary}
    (folder / "sshd_config").write_text(_SSHD.format(**settings))
    (folder / "config").write_text(_CLIENT.format(**settings))
    log = open(folder / "log", "wb")  # the server's, to the end of the test
    process = subprocess.Popen(
        [server, "-D", "-e", "-f", str(folder / "sshd_config")], stderr=log
    )
    log.close()
    programs = folder / "bin"
    programs.mkdir()
    for name, real in (("ssh", ssh), ("scp", scp)):
        program(programs / name, f'exec {real} -F {folder}/config "$@"')
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    board = Board(f"ssh:{getpass.getuser()}@127.0.0.1:{port}", temporary, process)
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return board
        if process.poll() is not None:
            break
        time.sleep(0.05)
    pytest.skip(f"sshd does not start here: {(folder / 'log').read_text()[-200:]}")


def stand_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Board:
    """`ssh` runs the last word here, `scp` copies."""
    programs, temporary = folder / "bin", folder / "temporary"
    programs.mkdir()
    temporary.mkdir()
    down = f'[ ! -e {folder}/down ] || {{ echo "No route to host" >&2; exit 255; }}'
    last = 'for word; do last=$word; done; exec sh -c "$last"'
    program(programs / "ssh", f"{down}\nexport TMPDIR={temporary}\n{last}")
    copy = """while [ "$1" != -- ]; do shift; done; shift
exec cp -- "${1#*@*:}" "${2#*@*:}\""""
    program(programs / "scp", f"{down}\n{copy}")
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    return Board("ssh:pi@board:2222", temporary)
