"""Ways to a smaller network: ours, a narrower one, L1 norms, and integers in it."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_diffmask.budget import Budget
from keras_diffmask.export.evidence.families import Family
from keras_diffmask.export.evidence.pruning.l1_norm import prune_by_l1_norm
from keras_diffmask.export.evidence.pruning.widths import largest
from keras_diffmask.export.surgery import plan
from keras_diffmask.masking import gates, mask_model

DENSE, OURS, NARROW, L1 = "dense", "ours", "narrowed", "L1 norm"
HARD = "ours, hard concrete"
RANKED = "ours, the lowest charged"
JOINT_8, JOINT_4 = "ours with int8", "ours with int4"
#: Part of the epochs after which everybody's decision falls: that of our search.
HALF = Budget(macs=1.0).search
#: The one that lost least in `keras-diffmask compare`, on another network.
ESTIMATOR = "differentiable_mask"


@dataclasses.dataclass(frozen=True)
class Task:
    """What is to be trained.

    Args:
        family: which network.
        shape: of an example.
        classes: number of outputs.
        share: MACs that may be left, of the dense network's.
        epochs: in all.
    """

    family: Family
    shape: tuple[int, ...]
    classes: int
    share: float
    epochs: int

    def network(self, width: float = 1.0) -> keras.Model:
        """The network, plain, every layer narrowed to a share of its units."""
        return self.family.network(self.shape, self.classes, width)

    @property
    def turn(self) -> int:
        """The first epoch that trains what is left."""
        return math.ceil(HALF * self.epochs)


@dataclasses.dataclass(frozen=True)
class Method:
    """A way to a network: half of the epochs, a decision, and the other half.

    The other half trains what `strip` leaves, with the optimizer's state.

    Args:
        start: makes what is trained first.
        close: closes channels at the turn: what is trained, and the share of the
            MACs that may be left. By default training itself has decided.
        first: name of the first half, where it is the same for several methods
            and every share.
        settings: what else the figures depend on, as plain data.
    """

    start: Callable[[Task], keras.Model]
    close: Callable[[keras.Model, float], None] = lambda model, share: None
    first: str | None = None
    settings: dict[str, Any] = dataclasses.field(default_factory=dict)


def all_open(task: Task) -> keras.Model:
    """The whole network, with gates that stay open until somebody closes them.

    Its function is the plain one's, bit for bit.
    """
    model = mask_model(task.network(), "straight_through")
    for gate in gates(model):
        gate.set_keep(np.ones(gate.units, bool))
    return model


def ours(task: Task) -> keras.Model:
    """Gates under a budget of MACs, with the default settings of a budget."""
    return _budgeted(task, ESTIMATOR)


def ours_with_noise(task: Task) -> keras.Model:
    """Budget as in `ours`, on the default estimator, which draws its gates."""
    return _budgeted(task, "hard_concrete")


def ours_by_rank(task: Task) -> keras.Model:
    """As `ours`, but those alone pay that the target of a step would close."""
    return _budgeted(task, ESTIMATOR, "lowest")


def ours_with_int8(task: Task) -> keras.Model:
    """As `ours_by_rank`, with the device's 8-bit integers in the training."""
    return _budgeted(task, ESTIMATOR, "lowest", quantization="int8")


def ours_with_int4(task: Task) -> keras.Model:
    """As `ours_by_rank`, with weights of 4 bits in the training."""
    return _budgeted(task, ESTIMATOR, "lowest", quantization="int4")


def _budgeted(
    task: Task, estimator: str, charged: str = "all", **more: Any
) -> keras.Model:
    budget = Budget(macs=task.share, charged=charged)
    return mask_model(task.network(), estimator, budget=budget, **more)


def narrowed(task: Task) -> keras.Model:
    """Every layer narrowed by the same factor, the largest that the budget allows."""
    most = task.share * plan(task.network()).macs[0]
    width = largest(lambda width: plan(task.network(width)).macs[0] <= most)
    return task.network(width)


def _settings(estimator: str = ESTIMATOR) -> dict[str, Any]:
    """Of the budget, the defaults: another version of this library may have others."""
    budget = Budget(macs=1.0)
    names = ("search", "ramp", "warmup")
    return {"estimator": estimator, **{name: getattr(budget, name) for name in names}}


_OPEN = "all gates open"
_BY_RANK = {**_settings(), "charged": "lowest"}
METHODS: dict[str, Method] = {
    DENSE: Method(all_open, first=_OPEN),
    OURS: Method(ours, settings=_settings()),
    HARD: Method(ours_with_noise, settings=_settings("hard_concrete")),
    RANKED: Method(ours_by_rank, settings=_BY_RANK),
    JOINT_8: Method(ours_with_int8, settings=_BY_RANK),
    JOINT_4: Method(ours_with_int4, settings=_BY_RANK),
    NARROW: Method(narrowed),
    L1: Method(all_open, prune_by_l1_norm, first=_OPEN),
}
