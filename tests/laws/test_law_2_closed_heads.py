"""Law 2 for attention: a closed head adds exactly 0.0 to the output."""

from typing import Any

import keras
import numpy as np
import pytest

from keras_diffmask import layers
from tests.laws.masked_cases import (
    Case,
    array,
    copy_weights,
    gates,
    randomize,
    run,
)
from tests.laws.masked_examples import EXAMPLES

CASES = [
    Case(layers.MaskedMultiHeadAttention, "channel", example)
    for example in EXAMPLES[layers.MaskedMultiHeadAttention]
]
KEEP = np.array([True, False, True])
every_case = pytest.mark.parametrize("case", CASES, ids=str)


def _twins(case: Case) -> tuple[Any, Any, np.ndarray]:
    """A plain layer and a masked one of the same weights, with one head closed."""
    plain, masked, x = case.plain(), case.layer(), case.inputs()
    plain(x), masked(x)
    randomize(plain)
    copy_weights(plain, masked)
    gates(masked)[0].set_keep(KEEP)
    return plain, masked, x


@every_case
def test_closed_head_is_the_plain_layer_with_zero_rows_there(case: Case) -> None:
    plain, masked, x = _twins(case)
    open_ = run(plain, x)
    kernel = plain.attention.output_dense.kernel
    kernel.assign(array(kernel) * KEEP.reshape(-1, *[1] * (len(kernel.shape) - 1)))
    assert np.array_equal(run(masked, x), run(plain, x))
    assert not np.allclose(open_, run(plain, x)), "a head that adds nothing"


@every_case
def test_what_a_closed_head_computes_reaches_nothing(case: Case) -> None:
    """Its own weights may be anything finite: no output bit depends on them."""
    _, masked, x = _twins(case)
    before = run(masked, x)
    changed = 0
    for side in ("query_dense", "key_dense", "value_dense"):
        for weight in getattr(masked.attention, side).weights:
            value = array(weight).copy()
            head_axis = len(weight.shape) - 2  # (..., heads, size)
            np.moveaxis(value, head_axis, 0)[~KEEP] *= -7.0
            weight.assign(value)
            changed += 1
    assert changed in (3, 6)
    assert np.array_equal(run(masked, x), before)


@every_case
def test_no_gradient_reaches_a_closed_heads_weights(case: Case) -> None:
    if keras.backend.backend() != "tensorflow":
        pytest.skip("one backend's tape is enough")
    import tensorflow as tf

    _, masked, x = _twins(case)
    with tf.GradientTape() as tape:
        loss = keras.ops.sum(keras.ops.square(masked(x)))
    kernel = masked.attention.value_dense.kernel
    gradient = np.moveaxis(array(tape.gradient(loss, kernel.value)), -2, 0)
    assert np.all(gradient[~KEEP] == 0.0) and np.all(np.any(gradient[KEEP] != 0.0))


CALLS: dict[str, dict[str, Any]] = {
    "causal": {"use_causal_mask": True},
    "attention_mask": {"attention_mask": np.tri(4, 5, 1, bool)[None]},
    "query_mask": {"query_mask": np.array([[True, True, True, False]] * 2)},
    "value_mask": {"value_mask": np.array([[True, True, False, True, True]] * 2)},
    "key": {"key": np.random.default_rng(2).normal(size=(2, 5, 3)).astype("float32")},
    "scores": {"return_attention_scores": True},
    "training": {"training": True},
}


@pytest.mark.parametrize("name", CALLS)
def test_call_arguments_are_the_parents(name: str) -> None:
    """Under a shared mask, positional value and all, and symbolically too."""
    rng = np.random.default_rng(1)
    query, value = (
        rng.normal(size=(2, steps, 6)).astype("float32") for steps in (4, 5)
    )
    plain = keras.layers.MultiHeadAttention(3, 2)
    masked = layers.MaskedMultiHeadAttention(3, 2, estimator=None)
    plain(query, value, **CALLS[name])
    masked(query, value, **CALLS[name])
    randomize(plain)
    copy_weights(plain, masked)
    kernel = plain.output_dense.kernel
    kernel.assign(array(kernel) * KEEP[:, None, None])
    expected = plain(query, value, **CALLS[name])
    ours = masked(query, value, gate_mask=KEEP.astype("float32"), **CALLS[name])
    for one, other in zip(
        keras.tree.flatten(expected), keras.tree.flatten(ours), strict=True
    ):
        assert np.array_equal(array(one), array(other))
    symbols = [keras.Input(batch_shape=x.shape) for x in (query, value)]
    arguments = {k: v for k, v in CALLS[name].items() if not hasattr(v, "shape")}
    symbolic = masked(*symbols, gate_mask=keras.Input(batch_shape=(3,)), **arguments)
    shapes = [tuple(tensor.shape) for tensor in keras.tree.flatten(symbolic)]
    assert shapes[0] == (2, 4, 6) and len(shapes) == len(keras.tree.flatten(ours))


def test_mask_of_an_embedding_reaches_the_attention() -> None:
    """Keras fills query_mask and value_mask in, a shared gate or not."""
    tokens = np.array([[1, 2, 3, 0], [4, 1, 0, 0]])
    embed = keras.layers.Embedding(5, 6, mask_zero=True)
    plain = keras.layers.MultiHeadAttention(3, 2)
    masked = layers.MaskedMultiHeadAttention(3, 2, estimator=None)
    x = array(embed(tokens))
    without, _ = plain(x, x), masked(x, x)
    copy_weights(plain, masked)
    # Embedded anew each time: an attention takes the mask off its inputs.
    x = embed(tokens)
    expected = array(plain(x, x))
    x = embed(tokens)
    ours = masked(x, x, gate_mask=np.ones(3, "float32"))
    assert np.array_equal(array(ours), expected)
    assert not np.allclose(array(without), expected), "the mask has to matter"


def test_penalty_counts_what_goes_with_a_head() -> None:
    layer = layers.MaskedMultiHeadAttention(3, 2, value_dim=4)
    layer.build((None, 5, 6), (None, 5, 7))
    of_head = (6 + 1) * 2 + (7 + 1) * 2 + (7 + 1) * 4 + 4 * 6
    assert layer.gate.weights_per_gate == of_head
