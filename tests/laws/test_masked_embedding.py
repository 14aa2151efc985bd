"""Masked tables: what the registries of the laws do not ask of them."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

import keras_diffmask as kd
from keras_diffmask import export, layers
from tests.laws import alive
from tests.laws.masked_cases import array, randomize, set_logits
from tests.laws.test_law_3_strip import assert_stock

TOKENS = np.random.default_rng(0).integers(0, 7, (4, 6))
FRACTIONS = np.array([0.7, 0.0, 0.4, 1.0, 0.9])


def _built(kind: Any, **more: Any) -> Any:
    layer = kind(7, 5, **more)
    layer(TOKENS)
    randomize(layer)
    return layer


@pytest.mark.parametrize("table", [np.ones((7, 5)), [np.ones((7, 5))]], ids=type)
def test_weights_are_given_by_name(table: Any) -> None:
    layer = layers.MaskedEmbedding(7, 5, weights=table)
    assert np.array_equal(array(layer.embeddings), np.ones((7, 5)))
    layer.gate.set_keep(np.arange(5) > 1)
    assert np.array_equal(array(layer(TOKENS))[0, 0], [0, 0, 1, 1, 1])
    assert len(layer.trainable_variables) == 2


@pytest.mark.parametrize("granularity", ["channel", "weight"])
@pytest.mark.parametrize("tied", [True, False])
def test_way_back_by_numpy(tied: bool, granularity: str) -> None:
    """Both calls see one table, fractions included; an untied one is its own."""
    layer = _built(
        layers.MaskedReversibleEmbedding,
        tie_weights=tied,
        logit_soft_cap=4.0,
        granularity=granularity,
    )
    by_weight = granularity == "weight"
    mask = np.resize(FRACTIONS, (7, 5))[:, ::-1] if by_weight else FRACTIONS
    gate = ops.convert_to_tensor(mask.astype("float32"))
    x = np.random.default_rng(1).normal(size=(4, 6, 5))
    table = array(layer.embeddings).astype(float) * mask
    back = table.T
    if not tied:
        back = array(layer.reverse_embeddings).astype(float)
        back = back if by_weight else back * mask[:, None]
    rows = array(layer(TOKENS, gate_mask=gate))
    np.testing.assert_allclose(rows, table[TOKENS], rtol=1e-5)
    logits = layer(ops.convert_to_tensor(x, "float32"), reverse=True, gate_mask=gate)
    expected = 4.0 * np.tanh(x @ back / 4.0)
    np.testing.assert_allclose(array(logits), expected, rtol=1e-4, atol=1e-5)


def test_own_gate_covers_both_ways() -> None:
    layer = _built(layers.MaskedReversibleEmbedding)
    layer.gate.set_keep(FRACTIONS > 0.5)
    x = np.random.default_rng(1).normal(size=(4, 6, 5)).astype("float32")
    moved = x.copy()
    moved[..., FRACTIONS < 0.5] += 3.0
    logits = [array(layer(v, reverse=True)) for v in (x, moved)]
    assert np.array_equal(logits[0], logits[1])
    assert np.std(logits[0]) > 0.1
    assert np.all(array(layer(TOKENS))[..., FRACTIONS < 0.5] == 0.0)


@pytest.mark.parametrize("kind", ["Embedding", "ReversibleEmbedding"])
@pytest.mark.parametrize("shared", [False, True])
def test_padding_stays_padding(kind: str, shared: bool) -> None:
    """Keras finds the mask of time steps on the output, whoever gives the gates."""
    masked_class = getattr(layers, f"Masked{kind}")
    masked = _built(masked_class, mask_zero=True)
    plain = getattr(keras.layers, kind)(7, 5, mask_zero=True)
    plain(TOKENS)
    plain.set_weights([array(masked.embeddings)])
    reader = keras.layers.LSTM(3)
    masked.gate.set_keep(np.ones(5, bool))
    more = {"gate_mask": ops.ones((5,))} if shared else {}
    expected, ours = reader(plain(TOKENS)), reader(masked(TOKENS, **more))
    assert np.array_equal(array(expected), array(ours))
    without = keras.layers.Embedding(7, 5)
    without(TOKENS)
    without.set_weights([array(masked.embeddings)])
    assert not np.allclose(array(reader(without(TOKENS))), array(ours))


@pytest.mark.skipif(not alive.TENSORFLOW, reason="of TensorFlow's sparse gradients")
def test_gradient_of_the_table_stays_sparse() -> None:
    """A mask on the whole table would touch every token of the vocabulary."""
    import tensorflow as tf

    layer = _built(layers.MaskedEmbedding)
    set_logits(layer.gate, 0.0)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(TOKENS, training=True) ** 2)
    table, logits = tape.gradient(
        loss, [layer._embeddings.value, layer.gate.raw_logits.value]
    )
    assert isinstance(table, tf.IndexedSlices) and np.any(logits)


def test_tied_model_loses_its_width_and_trains(tmp_path: Path) -> None:
    """One gate for the table, both of its calls and the layer that is tied to it."""
    inputs = keras.Input((6,), dtype="int32")
    wide = keras.initializers.RandomNormal(stddev=1.0)
    table = keras.layers.ReversibleEmbedding(7, 8, embeddings_initializer=wide)
    x = keras.layers.LSTM(8, return_sequences=True, name="last")(table(inputs))
    model = keras.Model(inputs, table(x, reverse=True))
    masked = kd.mask_model(model, gate_regularizer=kd.regularizers.L0(1e-4))
    (gate,) = kd.gates(masked)
    assert np.array_equal(array(model(TOKENS)), array(masked(TOKENS)))
    masked.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    masked.fit(TOKENS, TOKENS, verbose=0)
    set_logits(gate, np.where(np.arange(8) % 3 > 0, 1.0, -4.5))
    slim = export.strip(masked)
    assert alive.distance([array(masked(TOKENS))], [array(slim(TOKENS))]) < 1e-5
    assert [
        layer.output_dim for layer in slim.layers if hasattr(layer, "output_dim")
    ] == [5]
    assert slim.get_layer("last").units == 5
    assert_stock(slim)
    slim.save(tmp_path / "slim.keras")
    again = keras.saving.load_model(tmp_path / "slim.keras")
    assert np.array_equal(array(again(TOKENS)), array(slim(TOKENS)))


def test_operator_that_ties_is_cut_and_saved(tmp_path: Path) -> None:
    entry = alive.MODELS["frozen_softmax"]
    _, masked = alive.pair(entry.name)
    alive.decide(masked, 0.5)
    slim = export.strip(masked)
    for gate in kd.gates(masked):
        gate.set_keep(None)
    (product,) = [x for x in slim.operations if type(x).__name__ == "Matmul"]
    assert product.output.shape[-1] == 8
    slim.save(tmp_path / "slim.keras")
    again = keras.saving.load_model(tmp_path / "slim.keras")
    x = entry.inputs()
    assert alive.distance(alive.run(slim, x), alive.run(again, x)) == 0.0
