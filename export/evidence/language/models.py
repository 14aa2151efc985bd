"""An LSTM language model: dense, gated or narrowed, reading on or from the start."""

import dataclasses
from typing import Any

import keras
import numpy as np

from keras_diffmask.estimators import HardConcrete
from keras_diffmask.export.evidence.language.carried import Carried
from keras_diffmask.export.evidence.language.expected_weights import ExpectedWeights
from keras_diffmask.gate import Gate
from keras_diffmask.layers import MaskedLSTM

#: Names of the layers whose neurons have gates, from the input on.
GATED = ("embedding", "lstm1", "lstm2")
PENALTY = "expected_weights"


@dataclasses.dataclass(frozen=True)
class Widths:
    """How wide a language model is.

    Args:
        embedding: width of the embedding: input neurons of the first LSTM.
        hidden: units of each LSTM.
        vocabulary: number of words.
    """

    embedding: int
    hidden: tuple[int, int]
    vocabulary: int

    @property
    def mult_adds(self) -> int:
        """Multiply-accumulates per word, the softmax's included."""
        count, inputs = 0, self.embedding
        for units in self.hidden:
            count += 4 * units * (inputs + units)
            inputs = units
        return count + inputs * self.vocabulary

    @property
    def parameters(self) -> int:
        """Entries of all weights, biases included."""
        biases = 4 * sum(self.hidden) + self.vocabulary
        return self.embedding * self.vocabulary + self.mult_adds + biases


@dataclasses.dataclass(frozen=True)
class Gating:
    """What a gated model has beyond a dense one.

    Args:
        weight: lambda of the penalty, in the loss that is trained.
        initial_keep: P(gate != 0) at the start.
        logit_scale: how many times faster than a weight the gate logits learn.
    """

    weight: float
    initial_keep: float
    logit_scale: float


def build(
    widths: Widths,
    batch_size: int,
    steps: int,
    init: float = 0.05,
    dropout: float = 0.0,
    gating: Gating | None = None,
    carries: bool = False,
) -> keras.Model:
    """Embedding, two LSTM layers and a softmax over the vocabulary, as logits.

    Gated, one gate vector stands on the embedding's columns and one on each
    LSTM's hidden neurons; the input neurons of an LSTM share the gate of what
    feeds it, so that a closed one is gone from both.

    Args:
        widths: how wide it is.
        batch_size: rows of every batch.
        steps: words of a row.
        init: weights and biases start uniformly in -init..init.
        dropout: share of the values dropped before and behind each LSTM.
        gating: gates and their penalty, or None.
        carries: whether a batch goes on from the one before. This is the form
            that is trained: the penalty is in it alone.

    Returns:
        A Functional model, not compiled. Its layers have the same names and
        weights in every form.

    Example:
        >>> build(Widths(200, (200, 200), 10_000), 20, 20).count_params()
        4653200
    """

    def uniform() -> Any:
        return keras.initializers.RandomUniform(-init, init)

    def dropped(x: Any) -> Any:
        return keras.layers.Dropout(dropout)(x) if dropout else x

    ids = inputs = keras.Input(batch_shape=(batch_size, steps), dtype="int32")
    masks: list[Any] = [None] * len(GATED)
    if gating is not None:
        masks, keep = _gates(inputs, widths, gating)
        if carries:
            penalty = ExpectedWeights(gating.weight, name=PENALTY)
            ids = penalty(inputs, keep_probabilities=keep)
    x = keras.layers.Embedding(
        widths.vocabulary, widths.embedding, uniform(), name=GATED[0]
    )(ids)
    for place, units in enumerate(widths.hidden, 1):
        lstm_class: Any = MaskedLSTM if gating else keras.layers.LSTM
        lstm = lstm_class(
            units,
            kernel_initializer=uniform(),
            recurrent_initializer=uniform(),
            bias_initializer=uniform(),
            unit_forget_bias=False,
            return_sequences=True,
            return_state=carries,
            name=GATED[place],
            **({"hidden_estimator": None} if gating else {}),
        )
        call = Carried(lstm, batch_size, name=f"{lstm.name}_on") if carries else lstm
        given = {"gate_mask": masks[place], "input_gate_mask": masks[place - 1]}
        x = call(dropped(x), **(given if gating else {}))
    logits = keras.layers.Dense(
        widths.vocabulary,
        kernel_initializer=uniform(),
        bias_initializer=uniform(),
        name="softmax",
    )(dropped(x))
    return keras.Model(inputs, logits, name="language_model")


def _gates(inputs: Any, widths: Widths, gating: Gating) -> tuple[list[Any], list[Any]]:
    """Masks and keep probabilities from the input on."""
    sizes = (widths.embedding, *widths.hidden)
    pairs = [
        Gate(
            size,
            HardConcrete(gating.initial_keep),
            logit_scale=gating.logit_scale,
            name=f"{name}_gate",
        )(inputs)
        for name, size in zip(GATED, sizes, strict=True)
    ]
    return [mask for mask, _ in pairs], [keep for _, keep in pairs]


def copy_weights(source: keras.Model, target: keras.Model) -> None:
    """Copies the weights of the layers that both models have, by name.

    Args:
        source: a model of `build`, or what `strip` made of one.
        target: one of the same widths, in another form.
    """
    theirs = {layer.name: layer for layer in _layers(source)}
    for layer in _layers(target):
        if layer.name in theirs and layer.weights:
            layer.set_weights(theirs[layer.name].get_weights())


def widths_of(model: keras.Model) -> Widths:
    """How wide a model is, by the shapes of its weights."""
    by_name = {layer.name: layer for layer in _layers(model)}
    vocabulary, embedding = by_name[GATED[0]].weights[0].shape
    first, second = (by_name[name].units for name in GATED[1:])
    return Widths(int(embedding), (int(first), int(second)), int(vocabulary))


def kept(model: keras.Model) -> dict[str, tuple[int, int]]:
    """Name of a gated layer -> (kept neurons, all)."""
    gates = {name: model.get_layer(f"{name}_gate").keep for name in GATED}
    return {name: (int(np.sum(keep)), keep.size) for name, keep in gates.items()}


def _layers(model: keras.Model) -> list[Any]:
    return [getattr(layer, "layer", layer) for layer in model.layers]
