"""How far rounding alone moves outputs, and what a float file is allowed for it."""

from typing import Any

import keras
import numpy as np
import pytest

from keras_diffmask.errors import ConversionError
from keras_diffmask.export.emit.agreement import measure_agreement
from keras_diffmask.export.emit.conditioning import moves_by_rounding

EPS = np.finfo(np.float32).eps


class FileOf:
    """What `measure_agreement` asks of an artifact: one that answers this."""

    streaming = False

    def __init__(self, outputs: Any, quantization: str = "float32") -> None:
        self.outputs, self.quantization = outputs, quantization

    def run(self, samples: list[np.ndarray]) -> Any:
        return self.outputs


def _line(slope: float, offset: float) -> keras.Model:
    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.layers.Dense(1)(inputs))
    model.set_weights([np.full((4, 1), slope, "f4"), np.array([offset], "f4")])
    return model


def _moves(model: keras.Model, x: np.ndarray) -> tuple[float, np.ndarray]:
    def answers(samples):
        return [keras.ops.convert_to_numpy(model(samples[0], training=False))]

    (reference,) = answers([x])
    (moves,) = moves_by_rounding(model, answers, [x], [reference])
    return moves, reference


def test_a_sum_that_cancels_moves_by_the_size_of_its_terms():
    x = np.ones((8, 4), "f4")
    sound, _ = _moves(_line(1.0, 1.0), x)
    # 4 * 1000 - 4000: what is left is 0, its roundings are those of the terms.
    cancelled, reference = _moves(_line(1000.0, -4000.0), x)
    assert np.all(reference == 0.0)
    assert 0 < sound <= 16 * EPS
    assert 100 * EPS < cancelled <= 16_000 * EPS


def test_weights_are_left_as_they_were_also_after_an_error():
    model = _line(3.0, 0.5)
    before = model.get_weights()
    _moves(model, np.ones((2, 4), "f4"))

    def refuses(samples):
        raise ValueError("no answer")

    with pytest.raises(ValueError, match="no answer"):
        moves_by_rounding(model, refuses, [np.ones((2, 4), "f4")], [np.ones((2, 1))])
    for array, was in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(array, was)


def test_numbers_of_tokens_are_not_nudged():
    inputs = keras.Input((3,), dtype="int32")
    model = keras.Model(inputs, keras.layers.Embedding(5, 2)(inputs))
    seen = []

    def answers(samples):
        seen.append(samples[0])
        return [keras.ops.convert_to_numpy(model(samples[0]))]

    tokens = np.array([[0, 4, 2]], "i4")
    (reference,) = answers([tokens])
    (moves,) = moves_by_rounding(model, answers, [tokens], [reference])
    assert 0 < moves < 1e-6
    for given in seen:
        np.testing.assert_array_equal(given, tokens)


def test_a_file_may_differ_by_what_rounding_does_and_no_further():
    reference = np.ones((2, 3), "f4")
    off = FileOf(reference + 5e-4)
    with pytest.raises(ConversionError, match=r"differ by 0.0005"):
        measure_agreement(off, [reference], (reference,))
    with pytest.raises(ConversionError, match=r"differ by 0.0005"):
        measure_agreement(off, [reference], (reference,), moves=[5e-5])
    found = measure_agreement(off, [reference], (reference,), moves=[1e-4])
    assert found.max_error == pytest.approx(5e-4, rel=1e-3)


def test_a_wrong_output_does_not_hide_behind_a_larger_one():
    large, small = np.full((2, 3), 1e4, "f4"), np.ones((2, 3), "f4")
    reference = large, small
    for moves in ((), (1.0, 1e-7)):
        with pytest.raises(ConversionError, match="by 0.5 where they reach 1[.]"):
            measure_agreement(FileOf((large, small + 0.5)), [small], reference, moves)
    off = FileOf((large + 1.0, small + 0.5), "int8")
    found = measure_agreement(off, [small], reference)
    assert found.max_error == 1.0
    assert found.relative_error == pytest.approx(0.5)


def test_outputs_of_other_shapes_are_refused_though_their_entries_agree():
    outputs = np.ones((2, 4), "f4"), np.ones((2, 2), "f4")
    for kind in ("float32", "int8"):
        with pytest.raises(ConversionError, match=r"\[\(2,\), \(4,\)\]; received"):
            measure_agreement(FileOf(outputs, kind), [outputs[0]], outputs[::-1])
