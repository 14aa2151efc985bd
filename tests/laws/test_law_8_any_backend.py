"""Law 8: plain `fit` trains the gates, reproducibly, under any backend."""

import functools
import os
import subprocess
import sys
from typing import Any

import keras
import numpy as np
import pytest

from keras_diffmask.regularizers import L0
from tests.laws.masked_cases import (
    FIRST_CASES,
    TRAINED_ESTIMATORS,
    Case,
    array,
    branches,
    gates,
    make_estimator,
    own_weights,
    randomize,
    set_logits,
)


@functools.cache
def _fitted(key: str, regularizer: Any = None, **more: Any) -> tuple[Any, list, list]:
    keras.utils.set_random_seed(7)
    made = [
        (
            case,
            case.layer(make_estimator(key), gate_regularizer=regularizer, **more),
        )
        for case in FIRST_CASES
    ]
    model = branches(made)
    randomize(model)
    for gate in gates(model):
        # Some open, some not, all where every estimator has a gradient.
        set_logits(gate, np.resize([0.6, -0.3, 0.4], gate.mask_shape))
    before = [array(g.logits()) for g in gates(model)]
    x = [case.inputs(batch=12) for case in FIRST_CASES]
    y = [np.ones((12, *out.shape[1:]), "float32") for out in model.outputs]
    model.compile(keras.optimizers.Adam(0.01), loss=["mse"] * len(y))
    model.fit(x, y, batch_size=4, epochs=1, verbose=0)
    return model, before, [array(g.logits()) for g in gates(model)]


@pytest.mark.parametrize("key", TRAINED_ESTIMATORS)
def test_fit_moves_the_logits_of_every_layer_through_the_task_alone(key: str) -> None:
    model, before, after = _fitted(key)
    for gate, old, new in zip(gates(model), before, after, strict=True):
        assert np.all(np.isfinite(new)), gate.path
        assert np.mean(old != new) > 0.3, gate.path


def test_same_set_random_seed_gives_the_same_gates() -> None:
    _, _, first = _fitted("hard_concrete")
    _, _, again = _fitted.__wrapped__("hard_concrete")  # not from the cache
    for ours, theirs in zip(first, again, strict=True):
        assert np.array_equal(ours, theirs)


def test_fit_in_mixed_precision_keeps_gates_in_float32_and_trains_them() -> None:
    model, before, after = _fitted("hard_concrete", L0(0.01), dtype="mixed_bfloat16")
    for gate, old, new in zip(gates(model), before, after, strict=True):
        assert gate.raw_logits.dtype == "float32"
        assert np.all(np.isfinite(new)) and np.any(old != new), gate.path
    assert all(
        keras.backend.standardize_dtype(v.dtype) == "float32" for v in model.losses
    )


# -- penalties ---------------------------------------------------------------------


def _weights_of_gates(case: Case, layer: Any) -> list[tuple[Any, float]]:
    """Each gate, and how many weights one of its units covers, by shape alone."""
    shapes = [np.array(w.shape) for w in own_weights(layer)]
    if case.is_recurrent:
        (inputs, four_units), units = shapes[0], shapes[0][1] // 4
        # Column and row in the recurrent kernel, counted once where they cross.
        recurrent = 4 * units + four_units - 4
        bias = 4 if len(shapes) == 3 else 0
        return [
            (gates(layer)[0], float(four_units)),
            (gates(layer)[1], float(4 * inputs + recurrent + bias)),
        ]
    (gate,) = gates(layer)
    if case.granularity == "weight":
        return [(gate, 1.0)]
    of_no_unit = ("gate_logits", case.example.ungated or "gate_logits")
    trained = [
        np.prod(v.shape)
        for v in layer.trainable_variables
        if not v.path.endswith(of_no_unit)
    ]
    return [(gate, float(sum(trained)) / gate.units if trained else 1.0)]


@pytest.mark.parametrize("key", ["hard_concrete", "straight_through-True"])
@pytest.mark.parametrize("case", FIRST_CASES, ids=str)
def test_l0_of_a_layer_is_that_of_numpy_and_counted_once(case: Case, key: str) -> None:
    layer = case.layer(make_estimator(key), gate_regularizer=L0(0.3))
    x = case.inputs()
    layer(x), layer(x, training=True)  # a layer called twice pays once
    expected = []
    for gate, weights in _weights_of_gates(case, layer):
        logits = np.resize([0.5, -2.0, 1.5, 0.0], gate.mask_shape)
        set_logits(gate, logits)
        shift = 2 / 3 * np.log(0.1 / 1.1) if key == "hard_concrete" else 0.0
        probability = 1.0 / (1.0 + np.exp(-(logits.astype("float64") - shift)))
        expected.append(0.3 * weights * probability.sum())
    ours = sorted(float(loss) for loss in layer.losses)
    np.testing.assert_allclose(ours, sorted(expected), rtol=1e-5)


# -- import ------------------------------------------------------------------------

_IMPORT = """
import sys, keras, numpy
def tensorflow(): return {m for m in sys.modules if m.split(".")[0] == "tensorflow"}
def state():
    return (keras.config.floatx(), keras.config.epsilon(),
            keras.config.dtype_policy().name, keras.config.image_data_format(),
            keras.config.is_traceback_filtering_enabled(),
            str(numpy.random.get_state()[1][:4]))
before, settings = tensorflow(), state()
import keras_diffmask
print(sorted(tensorflow() - before))
print(state() == settings)
"""


def test_import_brings_no_tensorflow_and_changes_no_global_state() -> None:
    backend = keras.backend.backend()
    result = subprocess.run(
        [sys.executable, "-c", _IMPORT],
        env={
            **os.environ,
            "KERAS_BACKEND": "jax" if backend == "jax" else backend,
            "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    new, unchanged = result.stdout.strip().splitlines()[-2:]
    assert unchanged == "True"
    assert new == "[]"
