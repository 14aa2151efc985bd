"""The five networks with LSTMs whose int8 files are compared between runtimes."""

from collections.abc import Callable

import keras
import numpy as np

from keras_diffmask.export.evidence.classifier.networks import Recipe
from keras_diffmask.masking import gates, mask_model

layers = keras.layers
#: Brief: the runtimes part where a network has learnt to decide, and four passes
#: over the windows bring it to some nine in ten.
RECIPE = Recipe(4, 64, 3e-3, dropout=0.0, noise=0.0, weight_decay=0.0)
#: Of the stripped network's units: how many are kept. Sizes that nothing divides.
KEPT = {32: 19, 64: 37}


def _plain(x: keras.KerasTensor) -> keras.KerasTensor:
    return layers.LSTM(32)(x)


def _wide(x: keras.KerasTensor) -> keras.KerasTensor:
    return layers.LSTM(64)(layers.Dense(32)(x))


def _stacked(x: keras.KerasTensor) -> keras.KerasTensor:
    return layers.LSTM(17)(layers.LSTM(24, return_sequences=True)(x))


def _bidirectional(x: keras.KerasTensor) -> keras.KerasTensor:
    both = layers.Bidirectional(layers.LSTM(12, return_sequences=True))(x)
    return layers.GlobalAveragePooling1D()(both)


def _after_convolution(x: keras.KerasTensor) -> keras.KerasTensor:
    x = layers.Conv1D(16, 5, strides=2, use_bias=False)(x)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    return layers.LSTM(20)(layers.MaxPooling1D()(x))


STRIPPED = "stripped"
#: Name -> what stands between the inputs and the Dense layer of the logits.
BODIES: dict[str, Callable[[keras.KerasTensor], keras.KerasTensor]] = {
    "plain": _plain,
    STRIPPED: _wide,
    "stacked": _stacked,
    "bidirectional": _bidirectional,
    "Conv1D + LSTM": _after_convolution,
}
#: Name -> LSTM operators of its file: one per layer and direction.
FUSED = {
    "plain": 1,
    STRIPPED: 1,
    "stacked": 2,
    "bidirectional": 2,
    "Conv1D + LSTM": 1,
}


def network(
    name: str, input_shape: tuple[int, ...], classes: int, seed: int
) -> keras.Model:
    """One of the five, before its training.

    Args:
        name: which of `BODIES`.
        input_shape: steps, features.
        classes: number of outputs; they are logits.
        seed: of the units that the stripped network keeps.

    Returns:
        A Functional model, not compiled. The stripped one is masked: 13 of its
        32 inputs and 27 of its 64 hidden units are closed from the start, and
        `strip` removes them after the training.

    Example:
        >>> network("plain", (128, 9), 6, seed=0).count_params()
        5574
    """
    inputs = keras.Input(input_shape)
    outputs = layers.Dense(classes)(BODIES[name](inputs))
    model = keras.Model(inputs, outputs, name=name.replace(" + ", "_").lower())
    if name != STRIPPED:
        return model
    masked = mask_model(model, "hard_concrete")
    generator = np.random.default_rng(seed)
    for gate in gates(masked):
        gate.set_keep(generator.permutation(gate.units) < KEPT[gate.units])
    return masked
