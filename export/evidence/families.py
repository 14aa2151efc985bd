"""The networks that are pruned in several ways, each with the data that it is for."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from keras_diffmask.export.demo import folders
from keras_diffmask.export.demo.recipes import Recipe
from keras_diffmask.export.evidence.tiny.networks import ds_cnn, lstm, resnet8_at

#: From widths, shape of an example and number of classes to a network.
AtWidths = Callable[[Sequence[int], tuple[int, ...], int], keras.Model]


@dataclasses.dataclass(frozen=True)
class Family:
    """A network at any widths, and how every one of its kind is trained.

    Args:
        name: what its trainings are known by.
        label: what tables call it.
        task: of its data, `"image"` or `"sequence"`.
        recipe: chosen on validation parts.
        widths: of its layers at full width.
        at_widths: makes it.
        widths_of: from weights in Keras' order to the widths that they have.
    """

    name: str
    label: str
    task: str
    recipe: Recipe
    widths: tuple[int, ...]
    at_widths: AtWidths
    widths_of: Callable[[list[np.ndarray]], list[int]]

    def network(
        self, shape: tuple[int, ...], classes: int, width: float = 1.0
    ) -> keras.Model:
        """The network, every layer narrowed to a share of its units.

        Args:
            shape: of an example.
            classes: number of outputs; they are logits.
            width: the share, in (0, 1]; rounded down, and one of each at least.
        """
        narrowed = [max(1, int(width * units)) for units in self.widths]
        return self.at_widths(narrowed, shape, classes)

    def with_weights(
        self, shape: tuple[int, ...], classes: int, weights: list[np.ndarray]
    ) -> keras.Model:
        """The network that has these weights, whatever its widths.

        Args:
            shape: of an example.
            classes: number of outputs.
            weights: in Keras' order and layout.
        """
        model = self.at_widths(self.widths_of(weights), shape, classes)
        model.set_weights(weights)
        return model


def _of_resnet8(weights: list[np.ndarray]) -> list[int]:
    kernels = _filters(weights)
    # The stem; two of the first block; then first, second and skip of each.
    return [kernels[place] for place in (1, 2, 3, 4, 6, 7)]


def _of_ds_cnn(weights: list[np.ndarray]) -> list[int]:
    # A depthwise kernel before each of the 1x1 ones.
    return _filters(weights)[::2]


def _of_two_lstm(weights: list[np.ndarray]) -> list[int]:
    # Kernel, recurrent kernel and bias of each.
    return [weights[1].shape[0], weights[4].shape[0]]


def _filters(weights: list[np.ndarray]) -> list[int]:
    return [weight.shape[-1] for weight in weights if weight.ndim == 4]


RESNET8 = Family(
    "resnet8", "ResNet-8", "image", Recipe(10, 64, 2e-3),
    (16, 16, 32, 32, 64, 64), resnet8_at, _of_resnet8,
)  # fmt: skip
DS_CNN = Family(
    "ds_cnn", "DS-CNN", "image", Recipe(30, 32, 2e-3), (64,) * 5, ds_cnn, _of_ds_cnn
)
TWO_LSTM = Family(
    "two_lstm", "2 LSTM of 64", "sequence", Recipe(12, 64, 3e-3), (64, 64),
    lstm, _of_two_lstm,
)  # fmt: skip

FAMILIES = {family.name: family for family in (RESNET8, DS_CNN, TWO_LSTM)}
#: Data set -> what it is classified by; every other one by the first.
_BY_DATA = {"speech_commands": DS_CNN, "uci_har": TWO_LSTM}


def family_for(data_dir: Any) -> Family:
    """The network for the data in a folder.

    Args:
        data_dir: the folder; None for the digits of scikit-learn.
    """
    for name, family in _BY_DATA.items():
        if data_dir is not None and folders.holds(data_dir, name):
            return family
    return RESNET8
