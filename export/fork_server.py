"""A process that has imported what its jobs need, and forks a child for each.

TensorFlow takes some four seconds of processor time to import, a small conversion
one or two. The server imports it once; a job is done by a fork of it, as much a
process of its own as one that was started anew: it can crash or be killed, and
leaves nothing behind. Nothing of TensorFlow runs in the server, so that there is no
lock that a fork could find taken.

`python -m keras_diffmask.export.fork_server MODULE` imports MODULE and calls its
`preload()`. Then it reads a line of JSON per job, and answers with two lines:
"started PID", and "ended STATUS"; between them runs MODULE's `main(path)`.
"""

import atexit
import contextlib
import ctypes
import gc
import importlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import IO, cast

#: A server that has nothing to do for so long ends, and gives its memory back.
IDLE_SECONDS = 300.0
NAME = "keras_diffmask.export.fork_server"
STARTED, ENDED = "started", "ended"
_PR_SET_PDEATHSIG = 1
#: Variables that are read when modules are imported, or the process starts, begin so:
#: where one changes, a server is no good any more. The others are set in a fork.
_EARLY = (
    "ABSL", "CUDA", "GRPC", "JAX", "KERAS", "KMP", "LD_", "MALLOC", "MKL", "NPY",
    "OMP", "OPENBLAS", "PYTHON", "TCMALLOC", "TF_", "XLA",
)  # fmt: skip

_busy = threading.Lock()
_server: "Server | None" = None


class Fork:
    """One job, with what `subprocess.Popen` has for its end.

    Args:
        server: the server that does it, which does no other meanwhile.
        job: the directory.
        log: the file for what it writes to stdout and stderr.
        environment: of the job.

    Raises:
        OSError: the server is gone.
    """

    def __init__(
        self, server: "Server", job: Path, log: Path, environment: dict[str, str]
    ) -> None:
        self._server = server
        self._status: int | None = None
        self.pid = server.order(job, log, environment)

    def wait(self, timeout: float | None = None) -> int:
        """The exit status, negative for a signal.

        Raises:
            subprocess.TimeoutExpired: it has not ended by then.
        """
        if self._status is None:
            self._status = self._server.status(timeout)
            if self._status is None:
                raise subprocess.TimeoutExpired(NAME, timeout or 0.0)
            _busy.release()
        return self._status

    def poll(self) -> int | None:
        """The exit status, or None while it runs."""
        try:
            return self.wait(0.0)
        except subprocess.TimeoutExpired:
            return None

    def kill(self) -> None:
        """Kills it; `wait` tells when it is gone."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)


class Server:
    """The parent's end of a server.

    Args:
        module: name of the module whose `preload` and `main` it calls.
        environment: its environment.
    """

    def __init__(self, module: str, environment: dict[str, str]) -> None:
        self._about = module, _early(environment), os.getpid()
        self._read = b""
        self._process = subprocess.Popen(
            [sys.executable, "-m", NAME, module],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
        )
        self._orders = cast(IO[bytes], self._process.stdin)
        self._answers = cast(IO[bytes], self._process.stdout).fileno()

    def is_for(self, module: str, environment: dict[str, str]) -> bool:
        """Whether it lives, and does a job as a process started now would."""
        # A fork of this process has the pipes as well, and must not use them.
        same = self._about == (module, _early(environment), os.getpid())
        return same and self._process.poll() is None

    def order(self, job: Path, log: Path, environment: dict[str, str]) -> int:
        """Has a job begun; returns the fork's process id.

        Raises:
            OSError: the server is gone.
        """
        order = {"job": str(job), "log": str(log), "environment": environment}
        line = f"{json.dumps(order)}\n".encode()
        # A pipe takes as much as it has room for.
        while line:
            line = line[self._orders.write(line) :]
        word, _, pid = (self._line(None) or "").partition(" ")
        if word != STARTED:
            raise ConnectionResetError(f"{NAME} has ended")
        return int(pid)

    def status(self, timeout: float | None) -> int | None:
        """The exit status of the job, or None if it has not ended by then.

        One whose server is gone counts as killed: nobody hears of its end.
        """
        line = self._line(timeout)
        if line is None:
            return None
        word, _, status = line.partition(" ")
        return int(status) if word == ENDED else -signal.SIGKILL

    def end(self) -> None:
        """Lets it end, which it does at once."""
        if self._about[2] == os.getpid():
            with contextlib.suppress(OSError):
                self._orders.close()
            self._process.wait()

    def drop(self) -> None:
        """Kills it, and with it what it has begun."""
        self._process.kill()
        self._process.wait()

    def _line(self, timeout: float | None) -> str | None:
        """The next line, "" where there will be none; None if it takes too long."""
        until = None if timeout is None else time.monotonic() + timeout
        while b"\n" not in self._read:
            left = None if until is None else max(0.0, until - time.monotonic())
            if not select.select([self._answers], [], [], left)[0]:
                return None
            found = os.read(self._answers, 1024)
            if not found:
                return ""
            self._read += found
        line, self._read = self._read.split(b"\n", 1)
        return line.decode()


def start(
    module: str, environment: dict[str, str], job: Path, log: Path
) -> Fork | None:
    """Begins a job in a fork of a server, which is started if there is none.

    Args:
        module: what does the job: its `main(job)` returns the exit status.
        environment: of the job, but for TMPDIR, which is the job's directory.
        job: the directory.
        log: the file for what it writes to stdout and stderr.

    Returns:
        The job, or None where a process has to be started in the usual way: where
        forks are not to be relied on, or the server has another job to do.
    """
    global _server
    if sys.platform != "linux" or not _busy.acquire(blocking=False):
        return None
    try:
        if _server is None or not _server.is_for(module, environment):
            if _server is not None:
                _server.end()
            _server = Server(module, environment)
        # Its end lets go of the lock.
        return Fork(_server, job, log, environment)
    except BaseException as error:
        if _server is not None:
            _server.drop()
            _server = None
        _busy.release()
        if isinstance(error, OSError):
            return None
        raise


def _early(environment: dict[str, str]) -> dict[str, str]:
    return {k: v for k, v in environment.items() if k.startswith(_EARLY)}


@atexit.register
def _end() -> None:
    if _server is not None:
        _server.end()


def _renew() -> None:
    """In a fork of the parent: the server, and its lock, are the parent's."""
    global _server, _busy
    _server, _busy = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)


def serve(module: str) -> None:
    """The server: forks for every job, until its stdin ends or nobody asks."""
    # Ctrl-C in a terminal is for the parent, which then kills what it has begun.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    work = importlib.import_module(module)
    work.preload()
    # What is there now is never looked at again, nor copied into a fork for that.
    gc.collect()
    gc.freeze()
    while select.select([0], [], [], IDLE_SECONDS)[0]:
        line = _next_line()
        if not line:
            return
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            os._exit(_do(work.main, **order))
        _say(STARTED, pid)
        _say(ENDED, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def _next_line() -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        found = os.read(0, 1)
        if not found:
            return b""
        line += found
    return line


def _say(word: str, number: int) -> None:
    with contextlib.suppress(BrokenPipeError):
        os.write(1, f"{word} {number}\n".encode())


def _do(
    main: Callable[[Path], int], job: str, log: str, environment: dict[str, str]
) -> int:
    """In the fork: the job, as if this process had been started for it."""
    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        # Dies with the server, which alone hears of its end.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        # Not the server's pipes: who reads them would wait for this process too.
        nothing = os.open(os.devnull, os.O_RDONLY)
        written = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for old, new in ((nothing, 0), (written, 1), (written, 2)):
            os.dup2(old, new)
        os.chdir(job)
        os.environ.clear()
        os.environ.update(environment, TMPDIR=job)
        tempfile.tempdir = None
        status = main(Path(job))
    except BaseException:
        traceback.print_exc()
        status = 1
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    return status


if __name__ == "__main__":
    serve(sys.argv[1])
