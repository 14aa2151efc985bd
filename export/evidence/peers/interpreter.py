"""The interpreter that a peer runs in, and whether it has what the peer needs."""

import json
import os
import subprocess
import sys
from pathlib import Path

from keras_diffmask import errors
from keras_diffmask.errors import MissingDependencyError
from keras_diffmask.export.evidence.peers.peer import Peer

#: Told what modules are wanted, prints those that are not there; imports none.
_PROBE = (
    "import importlib.util, json, sys;"
    "print(json.dumps([m for m in sys.argv[1:] if not importlib.util.find_spec(m)]))"
)
_SECONDS = 60


def interpreter(peer: Peer) -> str:
    """The program: what the peer's variable names, else this one."""
    return os.environ.get(peer.variable) or sys.executable


def environment(peer: Peer, job: Path | None = None) -> dict[str, str]:
    """The variables of a child process of a peer.

    Args:
        peer: which.
        job: the folder that it works in, for its temporary files as well.
    """
    variables = dict(os.environ)
    root = Path(errors.__file__).parent.parent
    if interpreter(peer) == sys.executable:
        # What this process can import the child can, installed or not.
        path = [str(root), *(os.path.abspath(entry) for entry in sys.path if entry)]
    elif "-packages" in root.name:
        # Packages of this interpreter are none for another one.
        path = []
    else:
        path = [str(root)]
    variables["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(path))
    variables["KERAS_BACKEND"] = peer.backend
    variables["TF_CPP_MIN_LOG_LEVEL"] = "3"
    # Left by a tensorflow_model_optimization that this process has imported.
    variables.pop("TF_USE_LEGACY_KERAS", None)
    # Threads of torch that wait by spinning have made a step 12 times as long where
    # other processes wanted the same two cores.
    variables.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if job is not None:
        variables["TMPDIR"] = str(job)
    return variables


def missing(peer: Peer) -> list[str]:
    """The packages that a peer's interpreter lacks.

    Raises:
        MissingDependencyError: what the peer's variable names is no interpreter.
    """
    packages = {**peer.packages, "keras_diffmask": "keras-diffmask", "keras": "keras"}
    program = interpreter(peer)
    try:
        done = subprocess.run(
            # -P: a folder where this command was called is no package.
            [program, "-P", "-c", _PROBE, *packages],
            env=environment(peer),
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=True,
        )
        absent = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise MissingDependencyError(
            f"{peer.variable} to name a Python interpreter",
            f"{program!r} ({type(error).__name__})",
            f"Name the one that has {peer.name}, or unset it for this one.",
        ) from error
    return [packages[module] for module in absent]


def require(peer: Peer) -> None:
    """Refuse an interpreter in which a peer cannot run.

    Raises:
        MissingDependencyError: naming the packages that are missing.
    """
    absent = missing(peer)
    if absent:
        raise MissingDependencyError(
            f"{' and '.join(absent)} to be installed, for {peer.name!r}",
            f"{interpreter(peer)!r} without",
            f"Install with `pip install 'keras-diffmask[{peer.extra}]'`, or let "
            f"{peer.variable} name the interpreter of an environment that has them.",
        )
