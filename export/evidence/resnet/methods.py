"""Ways to a smaller network: ours, a narrower one, L1 norms, and integers in it."""

import dataclasses
from collections.abc import Callable

import keras

from keras_diffmask.budget import Budget
from keras_diffmask.export.benchmarking.networks import resnet8
from keras_diffmask.export.evidence.resnet.l1_norm import by_l1_norm
from keras_diffmask.export.evidence.resnet.widths import largest
from keras_diffmask.export.surgery import plan
from keras_diffmask.masking import mask_model

DENSE, OURS, NARROW, L1 = "dense", "ours", "narrowed", "L1 norm"
MASK = "ours, differentiable mask"
JOINT_8, JOINT_4 = "ours with int8", "ours with int4"


@dataclasses.dataclass(frozen=True)
class Task:
    """What is to be trained.

    Args:
        shape: height, width, channels of an image.
        classes: number of outputs.
        share: MACs that may be left, of the dense network's.
        epochs: in all.
    """

    shape: tuple[int, ...]
    classes: int
    share: float
    epochs: int

    def network(self, width: float = 1.0) -> keras.Model:
        """The ResNet-8, plain, every layer narrowed to a share of its channels."""
        return resnet8(self.shape, self.classes, width)


#: What to train, and the callbacks it needs.
Trained = tuple[keras.Model, tuple[keras.callbacks.Callback, ...]]


def dense(task: Task) -> Trained:
    """The whole network."""
    return task.network(), ()


def ours(task: Task) -> Trained:
    """Gates under a budget of MACs, with the default settings."""
    return mask_model(task.network(), budget=Budget(macs=task.share)), ()


def ours_with_scales(task: Task) -> Trained:
    """Budget as in `ours`, on learned scales, which no noise is put on."""
    budget = Budget(macs=task.share)
    return mask_model(task.network(), "differentiable_mask", budget=budget), ()


def ours_with_int8(task: Task) -> Trained:
    """Gates as in `ours`, with the device's 8-bit integers in the training."""
    return _quantized(task, "int8")


def ours_with_int4(task: Task) -> Trained:
    """Gates as in `ours`, with weights of 4 bits in the training."""
    return _quantized(task, "int4")


def _quantized(task: Task, integers: str) -> Trained:
    budget = Budget(macs=task.share)
    return mask_model(task.network(), budget=budget, quantization=integers), ()


def narrowed(task: Task) -> Trained:
    """Every layer narrowed by the same factor, the largest that the budget allows."""
    most = task.share * plan(task.network()).macs[0]
    width = largest(lambda width: plan(task.network(width)).macs[0] <= most)
    return task.network(width), ()


def l1_norm(task: Task) -> Trained:
    """Pruned by L1 norms after half of the epochs, then fine-tuned."""
    model, prune = by_l1_norm(task.network(), task.share, task.epochs)
    return model, (prune,)


METHODS: dict[str, Callable[[Task], Trained]] = {
    DENSE: dense,
    OURS: ours,
    MASK: ours_with_scales,
    JOINT_8: ours_with_int8,
    JOINT_4: ours_with_int4,
    NARROW: narrowed,
    L1: l1_norm,
}
