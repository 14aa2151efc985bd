"""LeNet-300-100 and LeNet-5 with gates where a paper puts them."""

import dataclasses
from collections.abc import Callable
from typing import Any

import keras

from keras_diffmask import estimators, layers, regularizers, schedules

LENET_300_100, LENET_5 = "LeNet-300-100", "LeNet-5"
DENSE, L0, TOP_K, THRESHOLD = "dense", "L0", "top-k", "learned threshold"
#: Loss per expected kept weight, times the number of training examples. The first
#: is the paper's. The second lies between 0.5 and 2, which with 10 epochs left 9.1 and
#: 3.8 % of LeNet-300-100's weights at errors of 2.47 and 2.88 % on the validation part.
L0_STRENGTH, THRESHOLD_STRENGTH = 0.1, 1.0
#: How many times faster than weights the gates learn; the default of `mask_model`.
LOGIT_SCALE = 20.0
#: Inputs that each unit keeps under top-k.
INPUTS = {LENET_300_100: 20, LENET_5: 10}


@dataclasses.dataclass(frozen=True)
class Gates:
    """How the layers of one network are masked; keyword arguments of masked layers.

    Args:
        conv: for each convolution.
        dense: for each Dense layer but the last.
        last: for the last Dense layer, whose outputs stay.
    """

    conv: dict[str, Any]
    dense: dict[str, Any]
    last: dict[str, Any]


#: From a network, the number of its training examples and of its steps, to its gates.
Rule = Callable[[str, int, int], Gates]


def no_gates(network: str, examples: int, steps: int) -> Gates:
    """The dense network: gates that cost nothing, which the trial fixes open."""
    return Gates({}, {}, {})


def l0(network: str, examples: int, steps: int) -> Gates:
    """Hard concrete gates on feature maps and on the inputs of Dense layers.

    Reference:
        Louizos, Welling and Kingma, arXiv:1712.01312, section 4.1: gates on the
        inputs of each fully connected layer and on the output maps of each
        convolution, strength 0.1 / N (`lambda / N`).
    """

    gate = {
        "estimator": "hard_concrete",
        "logit_scale": LOGIT_SCALE,
        "gate_regularizer": regularizers.L0(L0_STRENGTH / examples),
    }
    maps, inputs = ({**gate, "granularity": word} for word in ("channel", "input"))
    return Gates(maps, inputs, inputs)


def top_k(network: str, examples: int, steps: int) -> Gates:
    """Exactly k of n weights per row, Gumbel top-k, with the entropy penalty.

    Reference:
        Gonzalez-Carabarin et al., arXiv:2105.12686. The counts of LeNet-5 are
        those of a script of the first author: 20 of the 25 positions of each
        kernel, 10 inputs of each of the 500 units; so is the strength of the
        penalty. Temperature 5 to 0.5, noise 1 to 0.01.
    """

    def gate(k: int, **more: Any) -> dict[str, Any]:
        estimator = estimators.TopK(
            k=k,
            temperature=schedules.Linear(5.0, 0.5, steps=steps),
            noise_scale=schedules.Exponential(1.0, 0.01, steps=steps),
            **more,
        )
        return {
            "estimator": estimator,
            "logit_scale": LOGIT_SCALE,
            "granularity": "weight",
            "gate_regularizer": regularizers.Entropy(5e-5),
        }

    return Gates(gate(20, axes=(0, 1)), gate(INPUTS[network]), gate(INPUTS[network]))


def threshold(network: str, examples: int, steps: int) -> Gates:
    """A learned threshold per layer, below which a weight is 0.

    Reference:
        Manessi, Rozza, Bianco, Napoletano and Schettini, arXiv:1712.01721. Their
        regularizer was not at hand; here the soft count of weights above the
        threshold, ramped over the first third of the steps.
    """
    ramp = schedules.Linear(
        0.0, THRESHOLD_STRENGTH / examples, steps=max(1, steps // 3)
    )
    gate = {
        "estimator": "soft_threshold",
        "logit_scale": LOGIT_SCALE,
        "granularity": "weight",
        "gate_regularizer": regularizers.L0(ramp),
    }
    return Gates(gate, gate, gate)


RULES: dict[str, Rule] = {
    DENSE: no_gates,
    L0: l0,
    TOP_K: top_k,
    THRESHOLD: threshold,
}


def lenet_300_100(
    shape: tuple[int, ...], classes: int, gates: Gates
) -> tuple[keras.Model, list[keras.layers.Layer]]:
    """Dense layers of 300 and 100 units on flattened images.

    Args:
        shape: height, width, channels.
        classes: number of outputs; they are logits.
        gates: of the layers.

    Returns:
        The model, and its masked layers in order.
    """
    inputs = keras.Input(shape)
    first = layers.MaskedDense(300, activation="relu", name="first", **gates.dense)
    second = layers.MaskedDense(100, activation="relu", name="second", **gates.dense)
    last = layers.MaskedDense(classes, name="logits", **gates.last)
    x = first(keras.layers.Flatten()(inputs))
    return keras.Model(inputs, last(second(x))), [first, second, last]


def lenet_5(
    shape: tuple[int, ...], classes: int, gates: Gates
) -> tuple[keras.Model, list[keras.layers.Layer]]:
    """LeNet-5 as Caffe has it: 5x5 convolutions of 20 and 50 maps, 500 units.

    At 28x28x1 the units read 800 values. Arguments and result are those of
    `lenet_300_100`.
    """
    inputs = keras.Input(shape)
    one = layers.MaskedConv2D(20, 5, activation="relu", name="conv1", **gates.conv)
    two = layers.MaskedConv2D(50, 5, activation="relu", name="conv2", **gates.conv)
    units = layers.MaskedDense(500, activation="relu", name="units", **gates.dense)
    last = layers.MaskedDense(classes, name="logits", **gates.last)
    x = keras.layers.MaxPooling2D()(one(inputs))
    x = keras.layers.MaxPooling2D()(two(x))
    x = units(keras.layers.Flatten()(x))
    return keras.Model(inputs, last(x)), [one, two, units, last]


BUILDERS = {LENET_300_100: lenet_300_100, LENET_5: lenet_5}
