"""The fork server: jobs are processes of their own, and nothing of them stays."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from keras_diffmask.export import fork_server

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks on Linux only")
MODULE = "tests.export.fork_jobs"
ROOT = str(Path(__file__).parents[2])


@pytest.fixture(autouse=True, scope="module")
def own_server() -> Iterator[None]:
    """Not the one that the conversions of this process have."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fork_server, "_server", None)
        yield
        if fork_server._server is not None:
            fork_server._server.end()


def begin(job: Path, code: str, **more: str) -> fork_server.Fork:
    (job / "code.py").write_text(textwrap.dedent(code))
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow", "PYTHONPATH": ROOT}
    environment.update(more)
    fork = fork_server.start(MODULE, environment, job, job / "log.txt")
    assert fork is not None
    return fork


def said(job: Path) -> dict:
    return json.loads((job / "said.json").read_text())


SAY = """
import json, os, sys, tempfile
print("to the log")
print("this too", file=sys.stderr)
about = dict(server=loaded_by, pid=os.getpid(), parent=os.getppid(), cwd=os.getcwd(),
             temporary=tempfile.gettempdir(), word=os.environ.get("WORD"),
             stdin=sys.stdin.read(), loaded=[*sys.modules])
open("saying.json", "w").write(json.dumps(about))
os.rename("saying.json", "said.json")
"""


def test_jobs_are_forks_of_one_server(tmp_path: Path) -> None:
    seen = []
    for name in "ab":
        job = tmp_path / name
        job.mkdir()
        fork = begin(job, SAY)
        assert fork.wait() == 0 and fork.poll() == 0
        about = said(job)
        assert about["pid"] == fork.pid and about["parent"] == about["server"]
        assert about["cwd"] == about["temporary"] == str(job)
        assert about["stdin"] == ""
        assert (job / "log.txt").read_text() == "to the log\nthis too\n"
        seen.append(about)
    assert seen[0]["server"] == seen[1]["server"] != os.getpid()
    assert seen[0]["pid"] != seen[1]["pid"]
    # What Keras and TensorFlow would load for seconds if it is there.
    assert "tensorflow" in seen[0]["loaded"] and "keras" in seen[0]["loaded"]
    assert not {"jax", "matplotlib", "sklearn"} & set(seen[0]["loaded"])


def test_what_was_not_loaded_can_be(tmp_path: Path) -> None:
    assert begin(tmp_path, "import sklearn, matplotlib").wait() == 0


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("status = 3", 3),
        ("raise ValueError('no')", 1),
        ("raise SystemExit(5)", 1),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", -signal.SIGSEGV),
        ("import os; os._exit(7)", 7),
    ],
)
def test_ends_of_a_job_and_the_next_one(tmp_path: Path, code: str, status: int) -> None:
    assert begin(tmp_path, code).wait() == status
    assert begin(tmp_path, SAY).wait() == 0


def test_timeout_and_kill(tmp_path: Path) -> None:
    fork = begin(tmp_path, "import time; time.sleep(60)")
    assert fork.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        fork.wait(0.2)
    fork.kill()
    assert fork.wait() == -signal.SIGKILL
    with pytest.raises(ProcessLookupError):
        os.kill(fork.pid, 0)
    assert begin(tmp_path, SAY).wait() == 0


def test_a_job_meanwhile_is_not_taken(tmp_path: Path) -> None:
    first = begin(tmp_path, "import time; time.sleep(60)")
    environment = dict(os.environ)
    log = tmp_path / "other.txt"
    assert fork_server.start(MODULE, environment, tmp_path, log) is None
    first.kill()
    first.wait()
    assert begin(tmp_path, SAY).wait() == 0


def test_another_environment_is_another_server(tmp_path: Path) -> None:
    servers = []
    for word, early in (("one", "1"), ("two", "2"), ("three", "2")):
        more = {"WORD": word, "TF_SAID": early, "TMPDIR": f"/{word}"}
        assert begin(tmp_path, SAY, **more).wait() == 0
        assert said(tmp_path)["word"] == word
        servers.append(said(tmp_path)["server"])
    # What no import reads, a fork can be told.
    assert servers[0] != servers[1] == servers[2]
    with pytest.raises(ProcessLookupError):
        os.kill(servers[0], 0)


def test_killed_server_takes_its_job_along(tmp_path: Path) -> None:
    fork = begin(tmp_path, SAY + "import time; time.sleep(60)")
    while not (tmp_path / "said.json").exists():
        time.sleep(0.02)
    os.kill(said(tmp_path)["server"], signal.SIGKILL)
    assert fork.wait(30) == -signal.SIGKILL
    until = time.monotonic() + 30
    while Path(f"/proc/{fork.pid}").exists() and time.monotonic() < until:
        time.sleep(0.02)
    assert not Path(f"/proc/{fork.pid}").exists()
    # And the next job has a server of its own.
    assert begin(tmp_path, SAY).wait() == 0


def test_module_that_cannot_be_loaded_is_no_server(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": ROOT}
    log = tmp_path / "log.txt"
    assert fork_server.start("no.such.module", environment, tmp_path, log) is None
    assert begin(tmp_path, SAY).wait() == 0


def test_server_ends_with_its_parent(tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text(SAY)
    script = f"""
        import os, pathlib
        from keras_diffmask.export import fork_server
        job = pathlib.Path({str(tmp_path)!r})
        fork = fork_server.start({MODULE!r}, dict(os.environ), job, job / "log.txt")
        assert fork.wait() == 0
        """
    environment = {**os.environ, "PYTHONPATH": ROOT}
    command = [sys.executable, "-c", textwrap.dedent(script)]
    subprocess.run(command, env=environment, check=True, timeout=120)
    server = said(tmp_path)["server"]
    with pytest.raises(ProcessLookupError):
        os.kill(server, 0)
