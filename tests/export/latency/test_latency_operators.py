"""Operators cut out of a file, with fewer channels: they run, and compute the same."""

import numpy as np
import pytest

from keras_diffmask.export.interpreter import make_interpreter
from keras_diffmask.export.latency.counts import counts
from keras_diffmask.export.latency.narrow import narrowed
from keras_diffmask.export.latency.operators import find
from keras_diffmask.export.latency.timing import nothing, runner_of
from keras_diffmask.export.random_inputs import random_inputs
from keras_diffmask.graph import trace
from tests.costs.latency_tables import gating_of, program_of


@pytest.mark.parametrize("most", [8, 16, 24])
@pytest.mark.parametrize("dense", [1, 2, 7, 8, 9, 16, 17, 64, 100, 256, 1000, 4096])
def test_counts_reach_from_one_to_all(dense, most):
    found = counts(dense, most)
    assert found[0] == 1 and found[-1] == dense
    assert list(found) == sorted(set(found))
    for multiple in (8, 16):
        if multiple < dense:
            assert {multiple, multiple + 1} <= set(found)
    # Of the widest layers a few more, for both sides of each step are kept.
    assert len(found) <= most or len(found) == len(counts(dense, 1)) <= 24


def _found(dense):
    model, content = dense
    gating = gating_of(trace(model))
    sums = [*map(float, gating.sizes), 1.0]
    return find(content, program_of(gating), sums)


def _outputs(content, values):
    interpreter = make_interpreter(content, reference_kernels=True)
    interpreter.allocate_tensors()
    for detail, value in zip(interpreter.get_input_details(), values, strict=True):
        interpreter.set_tensor(detail["index"], value)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


def test_each_operator_runs_at_all_its_numbers_of_channels(dense):
    found = _found(dense)
    assert all(item.place is not None for item in found)
    fixed = [item.operator.kind for item in found if item.is_fixed]
    # Of convolutions in groups it is not known which channels go.
    assert fixed == ["CONV_2D"] * (dense[0].name == "kinds")
    several = [item for item in found if len(item.points()) > 1]
    assert len(several) >= len(found) - 5
    for item in several:
        for point in item.points():
            content = narrowed(item.operator, *item.channels_at(point))
            assert runner_of(content) is not None, (item.operator.kind, point)


_PASSED_ON = {"RESHAPE", "CONCATENATION", "SOFTMAX", "UNIDIRECTIONAL_SEQUENCE_LSTM"}


def test_fewer_outputs_are_the_first_ones(dense):
    """Bit by bit; other kinds than these mix channels."""
    checked = set()
    for item in _found(dense):
        if len(item.outputs) < 2 or item.operator.kind in _PASSED_ON:
            continue
        dense_in, _ = item.dense
        outputs = item.outputs[-2]
        inputs, outputs = item.channels_at((dense_in, outputs))
        content = narrowed(item.operator, inputs, outputs)
        interpreter = make_interpreter(item.operator.content)
        whole = random_inputs(interpreter.get_input_details())
        shapes = make_interpreter(content).get_input_details()
        part = [v[..., : d["shape"][-1]] for v, d in zip(whole, shapes, strict=True)]
        expected = _outputs(item.operator.content, whole)[..., :outputs]
        np.testing.assert_array_equal(_outputs(content, part), expected)
        checked.add(item.operator.kind)
    if dense[0].name == "kinds":
        assert {
            "CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED",
            "MAX_POOL_2D", "AVERAGE_POOL_2D", "PAD", "MUL", "LOGISTIC",
        } <= checked  # fmt: skip


def test_fewer_inputs_count_for_nothing_else(dense):
    """With zeros in the inputs that are left out, the whole computes the same."""
    for item in _found(dense):
        if item.operator.kind != "FULLY_CONNECTED" or len(item.inputs) < 2:
            continue
        inputs, outputs = item.inputs[-2], item.dense[1]
        content = narrowed(item.operator, inputs, outputs)
        interpreter = make_interpreter(item.operator.content)
        (detail,) = interpreter.get_input_details()
        (whole,) = random_inputs([detail])
        # The zero point: what stands for 0.
        whole[..., inputs:] = detail["quantization"][1]
        expected = _outputs(item.operator.content, [whole])
        np.testing.assert_array_equal(
            _outputs(content, [whole[..., :inputs]]), expected
        )
        break
    else:
        pytest.fail("no operator to check")


def test_a_model_of_nothing():
    runner = runner_of(nothing())
    assert runner is not None
    assert runner_of(nothing().replace(b"TFL3", b"TFL9")) is None
