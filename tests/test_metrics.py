"""MaskConfidence and MaskDiversity against NumPy, and in `kd.summary`."""

import json
import math

import keras
import numpy as np
import pytest
from keras import ops

import keras_diffmask as kd
from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.estimators import TopK
from tests.reference import row_metrics as oracle

BOTH = (
    (kd.metrics.MaskConfidence, oracle.confidence),
    (kd.metrics.MaskDiversity, oracle.diversity),
)


def masked(units, inputs=6, estimator=None):
    layer = kd.layers.MaskedDense(
        units, estimator=estimator or TopK(k=2), granularity="weight"
    )
    layer.build((None, inputs))
    return layer


def scatter_logits(layer, seed=0):
    shape = layer.gate.mask_shape
    logits = np.random.default_rng(seed).normal(size=shape).astype("float32")
    layer.gate.raw_logits.assign(logits)
    return ops.convert_to_numpy(layer.gate.logits()).T


def value(metric, source):
    metric.update_state(source)
    return float(metric.result())


@pytest.mark.parametrize(("metric", "formula"), BOTH, ids=["confidence", "diversity"])
@pytest.mark.parametrize("shape", [(1, 5), (4, 9), (9, 4), (30, 7)], ids=str)
def test_the_formula(metric, formula, shape):
    if shape[0] == 1 and formula is oracle.diversity:
        assert value(metric(), np.ones(shape)) == 0.0
        return
    for scale in (0.1, 3.0, 50.0):
        logits = scale * np.random.default_rng(1).normal(size=shape)
        expected = formula(logits.astype("float32"))
        np.testing.assert_allclose(value(metric(), logits), expected, atol=2e-6)


@pytest.mark.parametrize(
    ("logits", "confidence", "diversity"),
    [
        (np.zeros((3, 8)), 0.0, 0.0),
        (200.0 * np.eye(8), 1.0, 1.0),
        (200.0 * np.eye(8)[[1, 5]], 1.0, 1.0),
        (200.0 * np.eye(8)[[2, 2, 2]], 1.0, 0.0),
        # Four rows on two places, of eight: log 2 / log 4.
        (200.0 * np.eye(8)[[2, 2, 6, 6]], 1.0, 0.5),
        # Settled on two of eight places: 1 - log 2 / log 8.
        (200.0 * np.tile([1, 1, 0, 0, 0, 0, 0, 0], (3, 1)), 2 / 3, 0.0),
        (np.zeros((5, 1)), 1.0, 0.0),
    ],
    ids=["uniform", "own", "two own", "same", "pairs", "two places", "one place"],
)
def test_cases_that_are_known(logits, confidence, diversity):
    got = value(kd.metrics.MaskConfidence(), logits)
    assert got == pytest.approx(confidence, abs=1e-6)
    got = value(kd.metrics.MaskDiversity(), logits)
    assert got == pytest.approx(diversity, abs=1e-6)


@pytest.mark.parametrize(("metric", "formula"), BOTH, ids=["confidence", "diversity"])
def test_gates_layers_and_models_weighted_by_rows(metric, formula):
    first, second = masked(3), masked(9)
    logits = [scatter_logits(first, 1), 4 * scatter_logits(second, 2)]
    second.gate.raw_logits.assign(4 * ops.convert_to_tensor(second.gate.raw_logits))
    one, other = map(formula, logits)
    assert value(metric(), first.gate) == pytest.approx(one, abs=1e-5)
    assert value(metric(), second) == pytest.approx(other, abs=1e-5)
    model = keras.Sequential([keras.Input((6,)), first, keras.layers.Dense(6), second])
    mean = (3 * one + 9 * other) / 12
    average = metric()
    assert value(average, model) == pytest.approx(mean, abs=1e-5)
    # Twice the same is no other mean; reset, and nothing is left of it.
    assert value(average, model) == pytest.approx(mean, abs=1e-5)
    average.reset_state()
    assert float(average.result()) == 0.0
    assert value(average, first) == pytest.approx(one, abs=1e-5)


@pytest.mark.parametrize("metric", [metric for metric, _ in BOTH])
def test_config(metric):
    config = keras.saving.serialize_keras_object(metric(name="sure"))
    restored = keras.saving.deserialize_keras_object(json.loads(json.dumps(config)))
    assert type(restored) is metric and restored.name == "sure"
    assert metric().name in ("mask_confidence", "mask_diversity")


def test_what_has_no_rows_is_refused():
    metric = kd.metrics.MaskConfidence()
    plain = masked(3, estimator="hard_concrete")
    for source in (plain, plain.gate, keras.layers.Dense(2)):
        with pytest.raises(InvalidArgumentError, match="compete.*which has none"):
            metric.update_state(source)
    for shape in ((4,), (2, 3, 4), (0, 3)):
        with pytest.raises(InvalidArgumentError, match="an array of shape"):
            metric.update_state(np.zeros(shape))


@pytest.mark.parametrize("metric", [each for each, _ in BOTH])
def test_labels_are_refused(metric):
    with pytest.raises(InvalidArgumentError, match=r"update_state\(model\).*labels"):
        metric().update_state(np.zeros(3), np.zeros(3), sample_weight=None)


def test_summary_of_gates_on_parts_of_a_kernel():
    inputs = keras.Input((6,))
    model = keras.Model(inputs, keras.layers.Dense(4, name="last")(inputs))
    gated = kd.mask_model(model, granularity="weight")
    (gate,) = kd.gates(gated)
    gate.set_keep(np.arange(24).reshape(6, 4) < 10)
    (row,) = kd.summary(gated, verbose=False).gates
    assert (row.kept, row.total, row.granularity) == (10, 24, "weight")
    assert row.confidence is None
    assert str(row) == "last_gate (weight): keeps 10 / 24, the others become zeros"


def test_summary_of_gates_with_rows():
    layer = masked(3)
    logits = scatter_logits(layer)
    head = kd.layers.MaskedDense(2, estimator="hard_concrete")
    model = keras.Sequential([keras.Input((6,)), layer, head])
    summary = kd.summary(model, verbose=False)
    (row,) = summary.gates
    assert (row.name, row.kept, row.total) == (layer.gate.name, 2 * 3, 18)
    assert math.isclose(row.confidence, oracle.confidence(logits), abs_tol=1e-5)
    assert math.isclose(row.diversity, oracle.diversity(logits), abs_tol=1e-5)
    assert json.loads(json.dumps(summary.to_dict()))["gates"][0]["total"] == 18
    line = str(summary).splitlines()[-1]
    assert line.startswith(
        f"{row.name} (weight): keeps 6 / 18, the others become zeros, confidence 0."
    )
    without = keras.Sequential([keras.Input((3,)), head])
    without = kd.summary(without, verbose=False)
    assert without.gates == () and "confidence" not in str(without)
