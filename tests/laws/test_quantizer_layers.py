"""`quantizer=` on every masked layer that has a kernel, against NumPy."""

from operator import attrgetter
from typing import Any

import keras
import numpy as np
import pytest

from keras_diffmask import layers, quantizers, rebuild
from tests.laws.alive import array
from tests.laws.masked_cases import FIRST_CASES, Case, run
from tests.reference import fake_quantization as oracle

_RECURRENT = ("kernel", "recurrent_kernel")


def _has_kernel(case: Case) -> bool:
    return case.is_recurrent or bool(getattr(case.layer_class, "quantized", {}))


#: One example of each layer.
CASES = list({c.layer_class: c for c in FIRST_CASES if _has_kernel(c)}.values())
every_case = pytest.mark.parametrize("case", CASES, ids=str)


def test_all_layers_with_a_kernel_are_there() -> None:
    """The others refuse a quantizer, in `test_fake_quantize`."""
    without = {c for c in layers.ALL_OBJECTS if getattr(c, "quantized", None) == {}}
    assert {case.layer_class for case in CASES} == set(layers.ALL_OBJECTS) - without
    assert len(without) == 5


def _pair(case: Case) -> tuple[Any, Any]:
    """A layer with a quantizer and no gate, and Keras' own with rounded weights."""
    bare = case.bare(None, quantizer="int8")
    rounding, plain = case._wrap(bare, {}), case.plain()
    x = case.inputs()
    run(rounding, x)
    run(plain, x)
    weights = rebuild.weights_without_gates(rounding)
    values = {id(weight): array(weight) for weight in weights}
    cell = getattr(bare, "cell", bare)
    if case.is_recurrent:
        for name in _RECURRENT:
            weight = getattr(cell, name)
            parts = array(cell.recurrent_kernel).shape[1] // cell.units
            pieces = np.split(array(weight), parts, axis=1)
            rounded = [oracle.symmetric(piece, (), 8) for piece in pieces]
            values[id(weight)] = np.concatenate(rounded, axis=1)
    else:
        for path, axes in bare.quantized.items():
            weight = attrgetter(path)(bare)
            values[id(weight)] = oracle.symmetric(array(weight), axes, 8)
    rebuild.assign(plain, [values[id(weight)] for weight in weights])
    return rounding, plain


@every_case
def test_it_is_the_keras_layer_with_rounded_weights(case: Case) -> None:
    rounding, plain = _pair(case)
    x = case.inputs(seed=3)
    np.testing.assert_allclose(run(rounding, x), run(plain, x), atol=2e-5, rtol=1e-4)


@every_case
def test_it_is_saved_and_loaded(case: Case, tmp_path: Any) -> None:
    model = case.model(case.layer(None, quantizer="int4"))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    (quantizer,) = quantizers.quantizers_of(again)
    assert isinstance(quantizer, quantizers.WeightQuantizer) and quantizer.bits == 4
    x = case.inputs()
    np.testing.assert_array_equal(array(model(x)), array(again(x)))
    with quantizers.switched_off(again):
        assert np.any(array(again(x)) != array(model(x)))


@every_case
def test_training_counts_its_delay_and_moves_its_weights(case: Case) -> None:
    quantizer = quantizers.WeightQuantizer(4, delay=2)
    model = case.model(case.layer(None, quantizer=quantizer))
    (inner,) = quantizers.quantizers_of(model)
    x = case.inputs()
    before = [array(weight) for weight in model.trainable_weights]
    model.compile("sgd", "mse", jit_compile=False)
    model.fit(x, np.ones(model(x).shape, "f"), epochs=3, batch_size=len(x), verbose=0)
    assert float(array(inner.countdown)) == 0.0
    moved = zip(before, model.trainable_weights, strict=True)
    assert any(np.any(old != array(new)) for old, new in moved)
