"""The language model: its penalty, its carried state, its strip, its perplexity."""

import itertools

import keras
import numpy as np
import pytest

from keras_diffmask.export.evidence.language import corpus
from keras_diffmask.export.evidence.language import models as language_models
from keras_diffmask.export.evidence.language import trial as language_trial
from keras_diffmask.export.evidence.language.carried import FromTheStart, forget
from keras_diffmask.export.evidence.language.expected_weights import expected_weights
from keras_diffmask.export.evidence.language.models import Gating, Widths
from keras_diffmask.export.evidence.language.recipes import RECIPES
from keras_diffmask.export.surgery import plan, strip

WIDTHS = Widths(5, (4, 3), 11)
BATCH, STEPS, PIECES = 2, 4, 3


def test_penalty_is_the_mean_count_of_kept_weights() -> None:
    """Against all 2^7 states of the gates, one after the other."""
    p = [np.array([0.9, 0.3]), np.array([0.7, 0.2]), np.array([0.4, 0.8, 0.5])]
    flat = np.concatenate(p)
    expected = 0.0
    for state in itertools.product((0, 1), repeat=len(flat)):
        keep = np.array(state)
        chance = np.prod(np.where(keep, flat, 1 - flat))
        z, first, second = keep[:2], keep[2:4], keep[4:]
        kernels = z.sum() * first.sum() + first.sum() * second.sum()
        recurrent = np.outer(first, first).sum() + np.outer(second, second).sum()
        expected += chance * 4 * (kernels + recurrent)
    tensors = [keras.ops.convert_to_tensor(one.astype("float32")) for one in p]
    assert float(expected_weights(tensors)) == pytest.approx(expected, rel=1e-5)


def _built(**arguments: object) -> keras.Model:
    keras.utils.set_random_seed(1)
    gating = Gating(1e-3, 0.93, 1.0)
    return language_models.build(WIDTHS, gating=gating, init=0.5, **arguments)


def _words() -> tuple[np.ndarray, np.ndarray]:
    """(one long row per stream, the same in segments)."""
    ids = np.random.default_rng(2).integers(0, 11, (BATCH, PIECES * STEPS))
    pieces = ids.reshape(BATCH, PIECES, STEPS).transpose(1, 0, 2)
    return ids.astype("int32"), pieces.reshape(-1, STEPS).astype("int32")


def test_compiled_steps_carry_the_state() -> None:
    """Segment by segment, and all at once from the start: the same function."""
    pieces, whole = (
        _built(batch_size=BATCH, steps=STEPS, carries=True),
        _built(batch_size=BATCH, steps=PIECES * STEPS),
    )
    language_models.copy_weights(pieces, whole)
    ids, rows = _words()
    expected = keras.ops.convert_to_numpy(whole(ids))
    for _ in range(2):  # the second time only if it forgets
        forget(pieces)
        got = pieces.predict(rows, batch_size=BATCH, verbose=0)
        got = got.reshape(PIECES, BATCH, STEPS, -1).transpose(1, 0, 2, 3)
        np.testing.assert_allclose(got.reshape(expected.shape), expected, atol=1e-6)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    pieces.compile(keras.optimizers.SGD(0.0), loss)
    nats = pieces.evaluate(
        rows, rows, batch_size=BATCH, verbose=0, callbacks=[FromTheStart()]
    )
    assert nats == pytest.approx(float(loss(ids, expected)), rel=1e-5)


def test_strip_of_the_twin_is_the_same_function_and_as_wide_as_counted() -> None:
    model = _built(batch_size=1, steps=6)
    for name, keep in (("embedding", 3), ("lstm1", 2), ("lstm2", 1)):
        gate = model.get_layer(f"{name}_gate")
        gate.set_keep(np.arange(gate.units) < keep)
    slim = strip(model)
    widths = language_models.widths_of(slim)
    assert widths == Widths(3, (2, 1), 11)
    assert language_models.kept(model)["lstm1"] == (2, 4)
    before, after = plan(model).macs
    assert (before, after) == (6 * WIDTHS.mult_adds, 6 * widths.mult_adds)
    assert slim.count_params() == widths.parameters
    ids = np.random.default_rng(3).integers(0, 11, (1, 6)).astype("int32")
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(slim(ids)),
        keras.ops.convert_to_numpy(model(ids, training=False)),
        atol=1e-6,
    )


def test_perplexity_counts_every_word_but_the_first_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reader = language_models.build(WIDTHS, 1, STEPS, 0.5, carries=True)
    ids = np.random.default_rng(4).integers(0, 11, 2 * STEPS + 3).astype("int32")
    whole = language_models.build(WIDTHS, 1, len(ids) - 1)
    language_models.copy_weights(reader, whole)
    logits = np.asarray(keras.ops.convert_to_numpy(whole(ids[None, :-1]))[0], float)
    chances = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    picked = chances[np.arange(len(ids) - 1), ids[1:]]
    expected = np.exp(-np.log(picked).mean())
    assert language_trial.perplexity(reader, ids) == pytest.approx(expected, rel=1e-5)


def test_large_is_the_published_network() -> None:
    """66.0 M parameters without biases, and 7.49 times fewer mult-adds for ISS."""
    dense, iss = RECIPES["large"].widths(10_000), Widths(1500, (373, 315), 10_000)
    biases = 4 * 3000 + 10_000
    assert dense.parameters - biases == 66_000_000
    assert dense.mult_adds / iss.mult_adds == pytest.approx(7.49, abs=0.005)


def test_fewer_epochs_end_at_the_same_rate() -> None:
    recipe = RECIPES["small"]
    short = recipe.within(6)
    assert recipe.rate(0) == short.rate(0) == 1.0
    assert recipe.rate(12) == pytest.approx(0.5**9)
    assert short.rate(5) == pytest.approx(recipe.rate(12))


def test_segments_of_a_stream_follow_each_other() -> None:
    x, y = corpus.segments(np.arange(23), batch_size=2, steps=3)
    np.testing.assert_array_equal(
        x, [[0, 1, 2], [11, 12, 13], [3, 4, 5], [14, 15, 16], [6, 7, 8], [17, 18, 19]]
    )
    np.testing.assert_array_equal(y, x + 1)
