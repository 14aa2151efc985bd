"""The peers: which they are, what they need, and how they are set."""

import dataclasses
from typing import Any

_WORKERS = "keras_diffmask.export.evidence.peers"


@dataclasses.dataclass(frozen=True)
class Peer:
    """One way of another library to a smaller network.

    Args:
        name: of the method.
        worker: module that a child process runs.
        packages: module -> package that the child needs.
        extra: the extra of this library that brings these packages.
        variable: the environment variable that may name another interpreter.
        backend: Keras 3's in the child, which trains without it.
        settings: the library's own.
    """

    name: str
    worker: str
    packages: dict[str, str]
    extra: str
    variable: str
    backend: str
    settings: dict[str, Any]


TFMOT = Peer(
    "tfmot magnitude",
    f"{_WORKERS}.tfmot_worker",
    {
        "tensorflow_model_optimization": "tensorflow-model-optimization",
        "tf_keras": "tf_keras",
    },
    "tfmot",
    "KERAS_DIFFMASK_TFMOT_PYTHON",
    "tensorflow",
    # Its own default is to look at the weights every 100 steps.
    {"frequency": 100, "end": 0.5},
)


def _torch_pruning(name: str, settings: dict[str, Any]) -> Peer:
    return Peer(
        name,
        f"{_WORKERS}.torch_pruning_worker",
        {"torch": "torch", "torch_pruning": "torch-pruning"},
        "torch-pruning",
        "KERAS_DIFFMASK_TORCH_PYTHON",
        "torch",
        {"iterative_steps": 400, "global_pruning": True, "end": 0.5, **settings},
    )


GROUP_NORM = _torch_pruning(
    "Torch-Pruning group norm", {"regularization": 5e-4, "normalizer": "max"}
)
BN_SCALE = _torch_pruning(
    "Torch-Pruning BN scale", {"regularization": 5e-4, "normalizer": "mean"}
)

PEERS = {peer.name: peer for peer in (TFMOT, GROUP_NORM, BN_SCALE)}
