"""The converter's silent LSTM bugs: each repair is shown to matter.

When one of these fails because the file is right *without* the repair, the
converter has been mended and the repair can go.
"""

import keras
import numpy as np
import pytest

from keras_diffmask.errors import ConversionError
from keras_diffmask.export.emit import calibrator
from keras_diffmask.export.emit.cell_state import cell_clips
from keras_diffmask.export.emit.checks import check_content
from keras_diffmask.export.emit.recurrent import FusedCall
from keras_diffmask.export.emit.repair import CELL_INPUT, LSTM, repair, repair_scales
from keras_diffmask.export.flatbuffer import read_subgraphs
from keras_diffmask.targets import HOST

layers = keras.layers
ONE_EACH = [FusedCall(name, 8, 5, 6) for name in ("there", "back")]


def one_lstm():
    keras.utils.set_random_seed(5)
    inputs = keras.Input((10, 4))
    return keras.Model(inputs, layers.LSTM(6)(inputs))


def two_directions():
    keras.utils.set_random_seed(5)
    inputs = keras.Input((8, 5))
    there = layers.LSTM(6, return_sequences=True)(inputs)
    back = layers.LSTM(6, return_sequences=True, go_backwards=True)(inputs)
    h = layers.Concatenate()([there, keras.ops.flip(back * 0.5, axis=1)])
    return keras.Model(inputs, layers.Flatten()(h))


def weak_lstm():
    """Its cell state stays below 0.5."""
    model = one_lstm()
    model.set_weights([0.2 * weight for weight in model.get_weights()])
    return model


def counting_lstm(steps):
    """Its cell state goes up by 1 with a positive input, down with a negative one."""
    inputs = keras.Input((steps, 1))
    model = keras.Model(inputs, layers.LSTM(2)(inputs))
    # Not quite 0, which has no scale.
    kernel, recurrent = 0.01 * examples(1, 8), 0.01 * examples(2, 8, seed=1)
    kernel[:, 4:6] = 3
    bias = np.array([6, 6, 9, 9, 0, 0, 6, 6], "float32")
    model.set_weights([kernel, recurrent, bias])
    return model


def ups_and_downs(up, down):
    """Up, then down again, which ends above 0."""
    signs = np.repeat([1.0, -1.0], [up, down])[None, :, None]
    return (signs * (1 + 0.1 * examples(64, up + down, 1))).astype("float32")


def examples(*shape, seed=0):
    generator = np.random.default_rng(seed)
    return generator.standard_normal(shape).astype("float32")


def scales_of_lstm(artifact):
    graph = read_subgraphs(artifact.content)[0]
    op = next(op for op in graph.ops if op.name == LSTM)
    hidden, cell = op.outputs[0], op.inputs[CELL_INPUT]
    return [float(graph.tensors[i].scale[0]) for i in (hidden, cell)]


@pytest.fixture
def without_reset(monkeypatch):
    """TensorFlow's calibrator as it comes, but for the limit of the cell state."""
    monkeypatch.setattr(calibrator, "reset_state_between_sequences", lambda n: None)


def test_reset_makes_repeated_examples_count_once(convert_here):
    x = examples(1, 10, 4)
    once = convert_here(one_lstm(), x)
    often = convert_here(one_lstm(), np.repeat(x, 50, axis=0))
    assert scales_of_lstm(often) == scales_of_lstm(once)


def test_without_reset_ranges_grow(convert_here, without_reset):
    x = examples(1, 10, 4)
    once = convert_here(one_lstm(), x)
    often = convert_here(one_lstm(), np.repeat(x, 50, axis=0))
    assert scales_of_lstm(often)[0] > 1.2 * scales_of_lstm(once)[0]


def test_several_inputs_are_calibrated_with_reset_too(convert_here):
    def build():
        keras.utils.set_random_seed(5)
        sequence, side = keras.Input((10, 4)), keras.Input((3,))
        h = layers.Concatenate()([side, layers.LSTM(6)(sequence)])
        return keras.Model([side, sequence], h)

    x = [examples(1, 3), examples(1, 10, 4)]
    once = convert_here(build(), x)
    often = convert_here(build(), [np.repeat(a, 50, axis=0) for a in x])
    assert scales_of_lstm(often) == scales_of_lstm(once)


def test_scale_repair_is_needed_and_enough(convert_here):
    x = examples(64, 8, 5)
    broken = convert_here(two_directions(), x, repair=False)
    with pytest.raises(ConversionError, match="one scale for tensors"):
        check_content(broken.content, "int8", HOST, ONE_EACH)
    whole = convert_here(two_directions(), x)
    assert broken.agreement.relative_error > 2 * whole.agreement.relative_error
    assert whole.agreement.relative_error < 0.03


def test_cell_scale_repair_is_needed_and_enough(convert_here):
    x = examples(64, 10, 4)
    broken = convert_here(weak_lstm(), x, repair=False)
    assert broken.agreement.relative_error > 0.5
    with pytest.raises(ConversionError, match="has no tanh"):
        check_content(broken.content, "int8", HOST, [FusedCall("l", 10, 4, 6)])
    whole = convert_here(weak_lstm(), x)
    assert whole.agreement.relative_error < 0.05


@pytest.mark.parametrize(("quantization", "limit"), [("float32", 1e-6), ("int8", 0.03)])
def test_cell_state_goes_as_far_as_in_keras(convert_here, quantization, limit):
    whole = convert_here(counting_lstm(35), ups_and_downs(20, 15), quantization)
    assert whole.agreement.relative_error < limit
    assert all(clip == 0 for clip in cell_clips(whole.content))


def test_removal_of_the_cell_clip_is_needed(convert_here, monkeypatch):
    monkeypatch.setattr(calibrator, "measure_without_cell_clip", lambda: None)
    broken = convert_here(counting_lstm(35), ups_and_downs(20, 15), repair=False)
    assert [float(clip[0]) for clip in cell_clips(broken.content)] == [10.0]
    assert broken.agreement.relative_error > 1
    with pytest.raises(ConversionError, match="without a limit, as in Keras; .* 10"):
        check_content(broken.content, "int8", HOST, [FusedCall("l", 35, 1, 2)])


def test_a_float_file_with_the_cell_clip_is_wrong(convert_here):
    with pytest.raises(ConversionError, match="to compute what the Keras model does"):
        convert_here(counting_lstm(35), ups_and_downs(20, 15), "float32", repair=False)


def test_int8_has_the_range_that_the_cell_state_needs(convert_here):
    # The calibrator looks at the last step only, where the state is back at 5.
    narrow = convert_here(counting_lstm(35), ups_and_downs(20, 15), repair=False)
    assert scales_of_lstm(narrow)[1] == 2.0**-12
    assert narrow.agreement.relative_error > 0.5
    wide = convert_here(counting_lstm(35), ups_and_downs(20, 15))
    assert scales_of_lstm(wide)[1] == 2.0**-10
    # Up to 64: the kernels refuse a scale beyond.
    wider = convert_here(counting_lstm(90), ups_and_downs(80, 10))
    assert scales_of_lstm(wider)[1] == 2.0**-9
    assert wider.agreement.relative_error < 0.03


def test_repair_keeps_length_and_leaves_right_files_alone(convert_here):
    inputs = keras.Input((6, 6, 2))
    model = keras.Model(inputs, layers.Conv2D(3, 3)(inputs))
    content = convert_here(model, examples(32, 6, 6, 2), repair=False).content
    assert repair(content) == content
    broken = convert_here(two_directions(), examples(64, 8, 5), repair=False).content
    assert len(repair_scales(broken)) == len(broken)
    assert repair_scales(repair_scales(broken)) == repair_scales(broken)
