"""The peers: which they are, what they need, and how they are set.

tfmot has its defaults, and the first half of the steps for its schedule, as ours
has them for its search.

Torch-Pruning has what its `reproduce/main.py` sets for CIFAR-10, but for what was
chosen on validation parts alone: 4,000 examples of Fashion-MNIST, 6 epochs of
batches of 16, two seeds, accuracy in %. That is little: differences below a point
say nothing, and the ranks were not tried on other data.

- Group norm, each layer losing the same part: 83.8 with a regularization of 5e-4
  (as there), 82.6 with 5e-3, 80.0 with 1e-2. With one rank over all layers: 81.8
  with 5e-3 (and 81.5 with 5e-4, 20.8 with 5e-2, of one seed).
- BN scale, each layer losing the same part: 82.9 with 5e-4, 82.3 with 5e-3. With
  one rank over all layers: 82.3 with 5e-4, 80.4 with 1e-4 (and 78.5 with 5e-3, 77.3
  with 5e-2, of one seed).

So every layer loses the same part, as is the default of its pruners, though not of
that file: all layers then lose a channel in the same small step, and the last one
leaves 27.5 % of the MACs where 30 % were allowed, as narrowing does.

Its `regularize` adds to gradients: under Adam, a strength means something else
than under the SGD of its examples.
"""

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
        networks: names of the families that it can prune.
        settings: the library's own.
    """

    name: str
    worker: str
    packages: dict[str, str]
    extra: str
    variable: str
    backend: str
    networks: tuple[str, ...]
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
    ("resnet8", "ds_cnn", "two_lstm"),
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
        # Of two LSTM layers its 1.6.1 cuts the second beyond its size: IndexError.
        ("resnet8", "ds_cnn"),
        {"iterative_steps": 400, "end": 0.5, **settings},
    )


GROUP_NORM = _torch_pruning(
    "Torch-Pruning group norm",
    {"regularization": 5e-4, "normalizer": "max", "global_pruning": False},
)
BN_SCALE = _torch_pruning(
    "Torch-Pruning BN scale",
    {"regularization": 5e-4, "normalizer": "mean", "global_pruning": False},
)

PEERS = {peer.name: peer for peer in (TFMOT, GROUP_NORM, BN_SCALE)}
