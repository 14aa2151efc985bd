"""Law 1: with all gates open a masked layer is the Keras layer, bit for bit."""

from typing import Any

import keras
import numpy as np
import pytest

from keras_diffmask import layers
from tests.laws.masked_cases import (
    CASES,
    Case,
    array,
    branches,
    copy_weights,
    gates,
    one_per_layer,
    own_weights,
    randomize,
    run,
)
from tests.laws.masked_examples import EXAMPLES

#: What trains: one granularity serves for all examples, and one example for all.
TRAINED = [
    case
    for case in CASES
    if case.granularity == "channel" or case.example is EXAMPLES[case.layer_class][0]
]
ONCE = one_per_layer()


def test_registries_are_covered() -> None:
    for layer_class in layers.ALL_OBJECTS:
        assert EXAMPLES.get(layer_class), (
            f"Expected an example of {layer_class.__name__} in "
            "tests/laws/masked_examples.py; received none. Add one line to EXAMPLES."
        )


def _twins(
    case: Case, estimator: Any = "hard_concrete", **more: Any
) -> tuple[Any, Any, np.ndarray]:
    plain, masked, x = case.plain(**more), case.layer(estimator, **more), case.inputs()
    plain(x), masked(x)
    randomize(plain)
    copy_weights(plain, masked)
    assert gates(masked), "a masked layer without a gate makes the law empty"
    return plain, masked, x


def _open(masked: Any) -> None:
    for gate in gates(masked):
        gate.set_keep(np.ones(gate.mask_shape, bool))


@pytest.mark.parametrize(
    ("case", "dtype"),
    [(case, "float32") for case in CASES] + [(case, "mixed_bfloat16") for case in ONCE],
    ids=str,
)
def test_open_by_hand_is_bit_exact(case: Case, dtype: str) -> None:
    plain, masked, x = _twins(case, dtype=dtype)
    _open(masked)
    expected, ours = plain(x), masked(x)
    assert expected.dtype == ours.dtype and expected.shape == ours.shape
    assert np.array_equal(array(expected), array(ours))
    assert np.std(array(ours)) > 1e-3


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.granularity == "channel"], ids=str
)
def test_no_estimator_and_no_mask_is_bit_exact(case: Case) -> None:
    plain, masked, x = case.plain(), case.layer(None), case.inputs()
    plain(x), masked(x)
    randomize(plain)
    copy_weights(plain, masked)
    assert not gates(masked)
    assert np.array_equal(array(plain(x)), array(masked(x)))


@pytest.mark.parametrize("case", TRAINED, ids=str)
def test_open_in_training_mode_is_bit_exact(case: Case) -> None:
    """Batch statistics, updates of moving ones and dropout noise included."""
    plain, masked, x = _twins(case)
    _open(masked)
    _same_noise(plain, masked)
    for _ in range(2):
        assert np.array_equal(run(plain, x, True), run(masked, x, True))
    for old, new in zip(own_weights(plain), own_weights(masked), strict=True):
        assert np.array_equal(array(old), array(new)), new.path


def _same_noise(plain: Any, masked: Any) -> None:
    for source, target in zip(
        _dropout_seeds(plain), _dropout_seeds(masked), strict=True
    ):
        target.assign(keras.ops.convert_to_numpy(source.value))


def _dropout_seeds(layer: Any) -> list[Any]:
    of_gates = {id(v) for gate in gates(layer) for v in gate.variables}
    return [
        v
        for v in layer.non_trainable_variables
        if "seed_generator" in v.path and id(v) not in of_gates
    ]


@pytest.mark.parametrize(
    "jit_compile",
    # Without compilation JAX runs op by op, as the tests above do; torch.compile
    # takes many minutes for these on a CPU.
    {"jax": [True], "torch": [False]}.get(keras.backend.backend(), [False, True]),
)
def test_open_model_predicts_and_trains_like_the_plain_one(jit_compile: bool) -> None:
    """Compiled too, and two optimizer steps later still the same weights.

    Run op by op the two are equal bit for bit. XLA fuses the product with the
    mask into the kernels around it, and may round a last bit differently; so does
    torch where nothing asks for a gradient: its matmul takes another path for a
    masked kernel than for a Parameter. Where gradients are asked for, as in the
    tests above, it is bit for bit there too.
    """
    exact = not jit_compile and keras.backend.backend() != "torch"
    cases_ = one_per_layer(int(jit_compile))
    # Slow to compile: some of the layers, law 8 trains them all.
    cases_ = cases_[int(jit_compile) :: 4 if jit_compile else 2]
    twins = [_twins(case) for case in cases_]
    results = []
    for layers_ in ([t[0] for t in twins], [t[1] for t in twins]):
        model = branches(list(zip(cases_, layers_, strict=True)))
        _open(model)
        inputs = [t[2] for t in twins]
        model.compile("sgd", loss=["mse"] * len(twins), jit_compile=jit_compile)
        before = model.predict_on_batch(inputs)
        targets = [np.zeros_like(value) for value in before]
        for _ in range(2):
            model.train_on_batch(inputs, targets)
        results.append((before, model.predict_on_batch(inputs)))
    (before, after), (our_before, our_after) = results
    for i, case in enumerate(cases_):
        scale = np.abs(before[i]).max()
        error = np.abs(before[i] - our_before[i]).max()
        assert error <= (0.0 if exact else 1e-6 * scale), str(case)
        error = np.abs(after[i] - our_after[i]).max()
        assert error <= 1e-5 * scale, str(case)
        if own_weights(twins[i][0]):
            assert not np.allclose(before[i], after[i]), str(case)


def test_registered_layers_are_their_keras_parents() -> None:
    for case in ONCE:
        assert isinstance(case.bare(), case.layer_class.stock_class)
        assert isinstance(case.bare(), keras.layers.Layer)
