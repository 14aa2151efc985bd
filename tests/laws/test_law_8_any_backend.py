"""Law 8: plain `fit` trains the gates, reproducibly, under any backend."""

import functools
import os
import subprocess
import sys
from typing import Any

import keras
import numpy as np
import pytest

from keras_diffmask import estimators, layers
from keras_diffmask.regularizers import L0
from tests.laws.masked_cases import (
    Case,
    array,
    branches,
    gates,
    make_estimator,
    make_penalty,
    own_weights,
    randomize,
    set_logits,
)
from tests.laws.pairs import STRENGTH, by_turns, factors, gallery

JIT = keras.backend.backend() == "jax"
TENSORFLOW = keras.backend.backend() == "tensorflow"


@functools.cache
def _fitted(turn: int, strength: float | None = None, **more: Any) -> tuple[Any, list]:
    """One model with all layers, and what its gates train before and after."""
    keras.utils.set_random_seed(7)
    turns = by_turns(turn)
    made = []
    for case, key in turns:
        penalty = None if strength is None else make_penalty(key, strength)
        layer = case.layer(make_estimator(key), gate_regularizer=penalty, **more)
        made.append((case, layer))
    model = branches(made)
    randomize(model)
    for gate in gates(model):
        if gate.raw_logits is not None and gate.raw_logits.shape == gate.mask_shape:
            # Some open, some not, all where every estimator has a gradient.
            set_logits(gate, np.resize([0.6, -0.3, 0.4], gate.mask_shape))
    trained = [gate for gate in gates(model) if gate.raw_logits is not None]
    before = [array(gate.raw_logits) for gate in trained]
    x = [case.inputs(batch=12) for case, _ in turns]
    y = [np.ones((12, *out.shape[1:]), "float32") for out in model.outputs]
    model.compile(
        keras.optimizers.Adam(0.01),
        loss=["mse"] * len(y),
        # XLA's compiler would take longer than all the rest (JAX has no other), and
        # TensorFlow's tracer does: in law 1 it traces half of these layers.
        jit_compile=JIT,
        run_eagerly=TENSORFLOW,
    )
    model.fit(x, y, batch_size=4, epochs=1, verbose=0)
    pairs = zip(trained, before, strict=True)
    moved = [(gate, old, array(gate.raw_logits)) for gate, old in pairs]
    return model, moved


@pytest.mark.parametrize("turn", [0, 1, 2])
def test_fit_moves_the_logits_of_every_layer_through_the_task_alone(turn: int) -> None:
    """`test_pairs` has the gradient of every pair."""
    _, moved = _fitted(turn)
    assert len(moved) >= len(layers.ALL_OBJECTS)
    for gate, old, new in moved:
        name = type(gate.estimator).__name__
        assert np.all(np.isfinite(new)), (gate.path, name)
        if gate._rows is None or gate._rows.competitors > 1:
            assert np.mean(old != new) > 0.3, (gate.path, name)


def test_same_set_random_seed_gives_the_same_gates() -> None:
    _, first = _fitted(0)
    _, again = _fitted.__wrapped__(0)  # not from the cache
    for (gate, _, ours), (_, _, theirs) in zip(first, again, strict=True):
        assert np.array_equal(ours, theirs), gate.path


def test_fit_in_mixed_precision_keeps_gates_in_float32_and_trains_them() -> None:
    model, moved = _fitted(1, 0.01, dtype="mixed_bfloat16")
    for gate, old, new in moved:
        assert gate.raw_logits.dtype == "float32"
        assert np.all(np.isfinite(new)) and np.any(old != new), gate.path
    assert all(
        keras.backend.standardize_dtype(v.dtype) == "float32" for v in model.losses
    )


# -- penalties ---------------------------------------------------------------------


def _expected_weights(case: Case, layer: Any, kept: list[np.ndarray]) -> float:
    """How many weights stay on average, by the shapes alone and in float64."""
    if case.is_recurrent:
        (inputs, columns), units = own_weights(layer)[0].shape, kept[1].size
        assert columns % units == 0 and kept[0].size == inputs
        biases = sum(len(w.shape) for w in own_weights(layer)[2:])
        return _of_cell(*kept, columns // units, biases)
    (probability,) = kept
    if case.granularity in ("channel", "branch"):
        of_no_unit = ("gate_logits", case.example.ungated or "gate_logits")
        trained = [
            np.prod(v.shape)
            for v in layer.trainable_variables
            if not v.path.endswith(of_no_unit)
        ]
        each = sum(trained) / probability.size if trained else 1.0
        return float(each * probability.sum())
    (factor,) = factors(case, layer, [probability])
    return float(factor.sum())


def _of_cell(z: np.ndarray, s: np.ndarray, gates: int, biases: int) -> float:
    """Every entry by itself: those on the diagonal are under one gate, not two."""
    kernel = sum(a * b for a in z for b in s)
    recurrent = sum(
        a if i == j else a * b for i, a in enumerate(s) for j, b in enumerate(s)
    )
    return float(gates * (kernel + recurrent + biases * s.sum()))


@pytest.mark.parametrize("key", ["hard_concrete", "straight_through-True"])
def test_l0_of_a_layer_is_that_of_numpy_and_counted_once(key: str) -> None:
    shift = 2 / 3 * np.log(0.1 / 1.1) if key == "hard_concrete" else 0.0
    for case, layer in gallery(key):
        kept = []
        for gate in gates(layer):
            gate(training=True), gate(training=True)  # called twice, it pays once
            logits = np.resize([0.5, -2.0, 1.5, 0.0], gate.mask_shape)
            set_logits(gate, logits)
            kept.append(1.0 / (1.0 + np.exp(-(logits.astype("float64") - shift))))
        expected = STRENGTH * _expected_weights(case, layer, kept)
        ours = sum(float(loss) for loss in layer.losses)
        assert len(layer.losses) == len(kept), str(case)
        np.testing.assert_allclose(ours, expected, rtol=1e-5, err_msg=str(case))


#: 4.601 of six units on average. Their outer product is 21.17, the count 22.19.
KEPT = np.array([0.673, 0.861, 0.673, 0.861, 0.673, 0.861]) - 0.0002


@pytest.mark.parametrize("gated_inputs", [False, True])
@pytest.mark.parametrize(
    ("kind", "count", "biases"),
    [
        (layers.MaskedLSTM, 4, 1),
        (layers.MaskedLSTMCell, 4, 1),
        (layers.MaskedGRU, 3, 2),
        (layers.MaskedSimpleRNNCell, 1, 1),
    ],
)
def test_l0_of_a_recurrent_layer_by_simulation(
    kind: Any, count: int, biases: int, gated_inputs: bool
) -> None:
    """Binary masks drawn, and the entries of the masked matrices counted."""
    noisy = estimators.StraightThrough(bernoulli=True)
    layer = kind(
        6,
        hidden_estimator=noisy,
        input_estimator=noisy if gated_inputs else None,
        gate_regularizer=L0(1.0),
    )
    is_layer = issubclass(kind, keras.layers.RNN)
    layer.build((None, 5, 3) if is_layer else (None, 3))
    inputs = np.array([0.3, 0.6, 0.9]) if gated_inputs else np.ones(3)
    for gate in gates(layer):
        p = KEPT if gate.units == 6 else inputs
        set_logits(gate, np.log(p / (1 - p)))
    ours = sum(float(loss) for loss in layer.losses)

    rng = np.random.default_rng(0)
    counts = []
    for _ in range(4000):
        s, z = rng.uniform(size=6) < KEPT, rng.uniform(size=3) < inputs
        S = np.tile(s, count)
        matrices = (np.outer(z, S), np.outer(s, S), np.tile(S, biases))
        counts.append([np.count_nonzero(matrix) for matrix in matrices])
    recurrent = np.array(counts)[:, 1] / count
    error = recurrent.std() / np.sqrt(len(counts))
    exact = KEPT.sum() + KEPT.sum() ** 2 - np.sum(KEPT**2)
    np.testing.assert_allclose([exact, KEPT.sum() ** 2], [22.19, 21.17], atol=0.01)
    assert abs(recurrent.mean() - exact) < 3 * error < exact - KEPT.sum() ** 2
    total = np.array(counts).sum(axis=1)
    error = total.std() / np.sqrt(len(counts))
    assert abs(total.mean() - ours) < 3 * error
    np.testing.assert_allclose(ours, _of_cell(inputs, KEPT, count, biases), rtol=1e-5)


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
