"""The child process of Torch-Pruning: `python -m <this module> <job>`.

As its own `reproduce/main.py` goes about CIFAR-10: sparsity learning, where
`regularize` adds to the gradients; then many small steps of pruning until the
MACs are met; then fine-tuning. Channels may be of any number (`round_to=None`), and
the last layer is left out.

Where that file trains a network for 200 epochs beforehand and takes 100 epochs for
each part, the first half of the epochs is the sparsity learning here, from scratch,
and the second the fine-tuning: as many in all as everybody has. The optimizer is
everybody's AdamW, with one cosine over both halves; pruning makes new parameters, for
which its moments start again, as in that file.
"""

import math
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import torch_pruning as tp
from torch import nn

from keras_diffmask.errors import ConversionError
from keras_diffmask.export.child import answer
from keras_diffmask.export.evidence.peers.job import (
    EXAMPLES,
    Data,
    Diary,
    Order,
    read,
    write_answer,
)
from keras_diffmask.export.evidence.peers.peer import BN_SCALE, GROUP_NORM
from keras_diffmask.export.evidence.peers.torch_ds_cnn import DsCnn
from keras_diffmask.export.evidence.peers.torch_layers import (
    Network,
    count_macs,
    load,
    weights_of,
)
from keras_diffmask.export.evidence.peers.torch_resnet8 import ResNet8

#: Keras' for AdamW, where torch has another.
EPSILON = 1e-7
#: Name of a family -> its network.
NETWORKS: dict[str, type[Network]] = {"resnet8": ResNet8, "ds_cnn": DsCnn}


def main(job: Path) -> int:
    """Does the job in the directory `job`; returns the exit status."""
    return answer(job, train, _translate)


def train(job: Path) -> dict[str, Any]:
    """Trains, prunes and fine-tunes; leaves the weights.

    Returns:
        The versions.
    """
    order, data = read(job)
    torch.manual_seed(order.seed)
    x = torch.from_numpy(data.x).permute(0, 3, 1, 2).contiguous()
    y = torch.from_numpy(data.y)
    network = NETWORKS[order.network](x.shape[1], order.classes)
    load(network, data.weights)
    dense = count_macs(network, x[:1])
    diary = Diary(job)
    done = len(diary.entries())
    moments = None
    if done:
        # Our own file; a pruned network has other shapes than a new one.
        network, moments = torch.load(_state(job, done), weights_only=False)
    pruner = pruner_of(network, order, x[:1])
    optimizer = _optimizer(network, order, moments)
    for epoch in range(done, order.epochs):
        if epoch == order.switch:
            prune(pruner, network, x[:1], int(order.share * dense))
            optimizer = _optimizer(network, order, None)
        learning = pruner if epoch < order.switch else None
        figures = _epoch(network, optimizer, learning, order, data, x, y, epoch)
        torch.save((network, optimizer.state_dict()), _state(job, epoch + 1))
        diary.add(**figures)
        _state(job, epoch).unlink(missing_ok=True)
    network.eval()
    with torch.no_grad():
        outputs = network(x[:EXAMPLES]).numpy()
    write_answer(job, weights_of(network), outputs)
    # Torch-Pruning 1.6.1 says of itself that it is 1.6.0.
    return {"versions": {name: version(name) for name in ("torch", "torch-pruning")}}


def pruner_of(network: Network, order: Order, image: torch.Tensor) -> Any:
    """Torch-Pruning's pruner, set as in its `reproduce/main.py`.

    Args:
        network: which it prunes in place.
        order: the method, and its settings.
        image: an example.
    """
    chosen = order.settings
    importances, pruners = tp.importance, tp.pruner
    importance, pruner = {
        GROUP_NORM.name: (
            importances.GroupMagnitudeImportance,
            pruners.GroupNormPruner,
        ),
        BN_SCALE.name: (importances.BNScaleImportance, pruners.BNScalePruner),
    }[order.method]
    # It traces the network, whose statistics must not follow.
    network.eval()
    return pruner(
        network,
        image,
        importance=importance(normalizer=chosen["normalizer"]),
        reg=chosen["regularization"],
        iterative_steps=chosen["iterative_steps"],
        pruning_ratio=1.0,
        global_pruning=chosen["global_pruning"],
        round_to=None,
        ignored_layers=[network.dense],
    )


def prune(pruner: Any, network: Network, image: torch.Tensor, most: int) -> None:
    """Prunes in small steps until the MACs are met.

    Args:
        pruner: the network's.
        network: pruned in place.
        image: an example.
        most: MACs that may be left.

    Raises:
        ConversionError: the last step leaves more.
    """
    network.eval()
    while count_macs(network, image) > most:
        if pruner.current_step == pruner.iterative_steps:
            raise ConversionError(
                f"Torch-Pruning to leave at most {most:,} MACs",
                f"{count_macs(network, image):,} after its last step",
                "Allow a larger share.",
            )
        pruner.step()


def _optimizer(
    network: nn.Module, order: Order, moments: dict[str, Any] | None
) -> torch.optim.Optimizer:
    optimizer = torch.optim.AdamW(
        network.parameters(),
        order.learning_rate,
        eps=EPSILON,
        weight_decay=order.weight_decay,
    )
    if moments is not None:
        optimizer.load_state_dict(moments)
    return optimizer


def _epoch(
    network: Network,
    optimizer: torch.optim.Optimizer,
    pruner: Any,
    order: Order,
    data: Data,
    x: torch.Tensor,
    y: torch.Tensor,
    epoch: int,
) -> dict[str, float]:
    """One epoch; with a pruner, of sparsity learning."""
    batches = data.epoch(epoch, order.batch_size)
    steps, step = order.epochs * len(batches), epoch * len(batches)
    loss_of = nn.CrossEntropyLoss()
    started, losses, hits = time.monotonic(), 0.0, 0
    network.train()
    if pruner is not None:
        pruner.update_regularizer()
    for batch in batches:
        rate = order.learning_rate * (1 + math.cos(math.pi * step / steps)) / 2
        for group in optimizer.param_groups:
            group["lr"] = rate
        chosen = torch.from_numpy(batch)
        outputs, labels = network(x[chosen]), y[chosen]
        loss = loss_of(outputs, labels)
        optimizer.zero_grad()
        loss.backward()
        if pruner is not None:
            pruner.regularize(network)
        optimizer.step()
        step += 1
        losses += loss.item() * len(batch)
        hits += int((outputs.argmax(dim=1) == labels).sum())
    return {
        "seconds": round(time.monotonic() - started, 2),
        "loss": losses / len(y),
        "accuracy": hits / len(y),
    }


def _state(job: Path, epochs: int) -> Path:
    """The network and the optimizer's moments after so many epochs."""
    return job / f"epoch-{epochs}.pt"


def _translate(error: Exception) -> ConversionError:
    return ConversionError(
        "Torch-Pruning to train and prune the network",
        f"{type(error).__name__}: {error}".splitlines()[0],
        "See log.txt in the folder of the unfinished run.",
    )


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
