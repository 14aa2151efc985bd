"""Graphs that were hard, each by its name: found by drawing, or thought of.

A failure of `test_random_graphs` or of `python -m tests.random_graphs` prints
a recipe. Paste its short form here under a name that says what was wrong.
"""

from collections.abc import Callable

import keras
import numpy as np
import pytest
from keras import layers

from tests.laws import alive
from tests.laws.zoo_shared import Unknown
from tests.random_graphs.check import check
from tests.random_graphs.finish import Graph, draw, enliven
from tests.random_graphs.recipe import Recipe, Replayed
from tests.random_graphs.sketch import InputSpec

pytestmark = pytest.mark.skipif(
    not alive.TENSORFLOW, reason="float64, and bit for bit, are TensorFlow's"
)

#: Name -> recipe, for what was found.
FOUND: dict[str, Recipe] = {
    # The decoder's own units were held, the encoder's were cut: shapes broke.
    "states_of_encoders_start_decoders": [
        ["start", 0],
        ["Initial state", 0, 0, 0, 0, 0, 0, 0],
        ["Initial state", 0, 0, 0, 0],
        ["finish", 0, 0, 0, 0, 0, 0, 0, 0, 0],
    ],
    # One mask of channels with a gate and without one, side by side.
    "gated_next_to_not_gated": [
        ["start", 3, 0, 0, 0, 0, 0, 0],
        ["Model in a model", 0, 0, 0, 0, 0, 0, 0, 0],
        ["Concatenate nested", 1, 0, 0, 0, 0, 0, 0, 0, 0],
        ["Add", 0, 0, 0, 0, 0, 0, 0, 0, 0],
        ["finish", 0, 0, 0, 0, 0, 0, 0, 0, 0],
    ],
    # A copy computed with other statistics than it showed in its weights.
    "normalization_in_the_middle": [
        ["start", 0],
        ["Conv3D", 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        ["Normalization", 0, 1],
        ["finish", 0, 0, 0, 0, 0, 0, 0],
    ],
    # With masks in it the model ran in another order, and a group changed its name.
    "another_order_of_layers": [
        ["start", 3, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0],
        ["Conv3DTranspose", 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0],
        ["Conv3DTranspose", 3, 0, 0, 0, 0, 0, 0, 9, 0, 0],
        ["x * y", 1, 1, 0, 1],
        ["finish", 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    ],
    # One channel, picked by its number: every entry that is left is of that channel.
    "one_channel_picked": [
        ["start", 3, 0, 0, 0, 0, 0, 0],
        ["LayerNormalization", 1, 0, 0],
        ["ops.relu", 0, 0],
        ["x[:, 1:]", 0, 0, 2, 1],
        ["Dropout", 0],
        ["ops.relu", 0, 0],
        ["LayerNormalization", 0, 0, 0],
        ["finish", 0, 0, 0, 0],
    ],
    # Slopes along the last axis, channels along another.
    "slopes_across_the_channels": [
        ["start", 3, 0, 0, 0, 0, 0, 0],
        ["Two outputs of a model in a model", 0, 0, 0, 0],
        ["PReLU", 2, 0],
        ["finish", 0, 0, 0, 0, 0, 0, 0, 0, 0],
    ],
    # Channels that no layer reads go, though their gate is open.
    "unread_channels": [
        ["start", 0],
        ["ReLU", 3, 0, 0, 0, 0, 0],
        ["Resizing", 0, 0, 0, 0, 0, 10, 0, 0, 0, 0],
        ["x[..., :k]", 0, 0, 1],
        ["finish", 0, 0, 0, 0, 0, 0, 0, 0],
    ],
    # A second group of "dense" took the name of the layer "dense_1".
    "a_name_that_is_taken": [
        ["start", 0],
        ["Add", 0, 0, 0, 11, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        ["x[..., :k]", 0, 0],
        ["finish", 0, 0, 0, 0, 0, 0],
    ],
}


@pytest.mark.parametrize("name", FOUND)
def test_found_by_drawing(name: str) -> None:
    check(draw(Replayed(FOUND[name])))


def flattened_both_ways() -> keras.Model:
    """One map is flattened as it lies and transposed: two orders of its units."""
    inputs = keras.Input((4, 4, 3))
    x = layers.Conv2D(6, 3, padding="same", activation="sigmoid")(inputs)
    turned = layers.Permute((3, 1, 2))(layers.MaxPooling2D(2)(x))
    flat = layers.Flatten()(layers.AveragePooling2D(2)(x))
    x = layers.Concatenate()([flat, layers.Flatten()(turned), flat])
    return keras.Model(inputs, layers.Dense(3, name="head0")(x))


def channel_tied_to_its_neighbour() -> keras.Model:
    """A skip that is shifted by one channel: all of them die, or none."""
    inputs = keras.Input((6,))
    x = layers.Dense(8, activation="relu")(inputs)
    x = x[..., 1:] + x[..., :-1]
    return keras.Model(inputs, layers.Dense(3, name="head0")(x))


def constant_through_everything() -> keras.Model:
    """A bias behind a closed unit meets padding, a norm, a product and a skip."""
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(8, 3, padding="same", activation="softplus")(inputs)
    y = layers.BatchNormalization()(1.0 - x)
    y = layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2)(y)
    y = layers.Conv2D(8, 1, activation="sigmoid")(layers.LayerNormalization()(y))
    x = layers.Add()([x, layers.Multiply()([x, y])])
    x = layers.GlobalAveragePooling2D()(layers.ZeroPadding2D()(x))
    return keras.Model(inputs, layers.Dense(3, name="head0")(x))


def encoder_in_two_towers_and_alone() -> keras.Model:
    """A model in the model, called on two widths' worth of tensors and nested."""
    block_in = keras.Input((6,))
    y = layers.Dense(9, activation="relu")(block_in)
    block = keras.Model(block_in, layers.Add()([block_in, layers.Dense(6)(y)]))
    inputs = keras.Input((6,))
    left = block(layers.Dense(6, activation="tanh")(inputs))
    right = block(block(layers.Dense(6)(inputs)))
    x = layers.Concatenate()([left, Unknown()(right), right])
    return keras.Model(inputs, layers.Dense(3, name="head0")(x))


def state_of_an_encoder_starts_a_decoder() -> keras.Model:
    """The units of both LSTMs are tied by the state that one hands the other."""
    inputs = keras.Input((6, 4))
    _, *states = layers.LSTM(5, return_state=True)(inputs)
    x = layers.LSTM(5, return_sequences=True)(inputs, initial_state=states)
    x = layers.GlobalAveragePooling1D()(x)
    return keras.Model(inputs, layers.Dense(3, name="head0")(x))


def adapted_normalization() -> keras.Model:
    """Its statistics take effect when they are finalized, not when assigned."""
    norm = layers.Normalization()
    norm.adapt(np.random.default_rng(0).normal(2, 3, (64, 6)))
    inputs = keras.Input((6,))
    x = layers.Dense(8, activation="relu")(norm(inputs))
    return keras.Model(inputs, layers.Dense(3, name="head0")(x))


THOUGHT_OF: tuple[Callable[[], keras.Model], ...] = (
    flattened_both_ways,
    channel_tied_to_its_neighbour,
    constant_through_everything,
    encoder_in_two_towers_and_alone,
    state_of_an_encoder_starts_a_decoder,
    adapted_normalization,
)


@pytest.mark.parametrize("build", THOUGHT_OF, ids=lambda build: build.__name__)
def test_thought_of(build: Callable[[], keras.Model]) -> None:
    outcome = check(graph_of(build))
    assert not outcome.dead and outcome.round_trip == (outcome.gates > 0)


def graph_of(build: Callable[[], keras.Model]) -> Graph:
    """The same checks, for a model that no recipe describes."""
    keras.utils.clear_session(free_memory=False)
    keras.utils.set_random_seed(1)
    model = build()
    specs = tuple(InputSpec(x.shape[1:], "floats") for x in model.inputs)
    kinds = frozenset({"Unknown layer"})
    graph = Graph(model, specs, "plain", kinds, [], round_trip=True, again=build)
    enliven(graph)
    return graph
