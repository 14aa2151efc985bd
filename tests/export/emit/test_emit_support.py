"""Law 6, as a table: every kind of layer, for every target and quantization.

Either it is refused by name before the conversion, and rightly so, or the file is
written, keeps its promises, and runs: on a microcontroller's interpreter too.
"""

from dataclasses import replace
from functools import partial

import keras
import numpy as np
import pytest

from keras_diffmask import export, targets
from keras_diffmask.errors import DiffmaskError, UnsupportedModelError
from keras_diffmask.export import modes
from keras_diffmask.export.emit.admission import check_model
from keras_diffmask.export.emit.checks import check_content
from keras_diffmask.export.emit.recurrent import FusedCall
from keras_diffmask.export.emit.support import ROWS
from keras_diffmask.export.emit.supported import check_support, kinds
from keras_diffmask.export.flatbuffer import read_subgraphs
from tests.export.emit import layer_kinds, support_table
from tests.laws.alive import MODELS

HOST, CORTEX_M = targets.HOST, targets.CORTEX_M
# A few of everything, for every run of the tests; the whole table takes minutes.
QUICK = [
    *("Dense", "Conv2D", "DepthwiseConv2D", "LayerNormalization", "LSTM", "Conv3D"),
    *("activation_gelu", "activation_softplus", "op_sqrt", "RepeatVector"),
    *("UpSampling2D_bilinear", "MultiHeadAttention", "Embedding", "MaxPooling3D"),
]


def refusal(model, mode, target):
    """What is said before the conversion; None where it may go ahead."""
    try:
        _, recurrent = check_model(model)
        check_support(model, modes.get(mode), target, recurrent)
    except UnsupportedModelError as error:
        return error
    return None


def outcome(artifact, inputs):
    """What a microcontroller's interpreter makes of a file; None where all is well."""
    runtime = pytest.importorskip("tflite_micro.python.tflite_micro.runtime")
    expected = artifact.run(inputs)
    expected = expected if isinstance(expected, tuple) else (expected,)
    try:
        interpreter = runtime.Interpreter.from_bytes(
            artifact.content, arena_size=1_000_000
        )
        for k in range(len(inputs[0])):
            interpreter.reset()
            for place, (spec, x) in enumerate(
                zip(artifact.inputs, inputs, strict=True)
            ):
                interpreter.set_input(spec.quantize(x[k : k + 1]), place)
            interpreter.invoke()
            for place, spec in enumerate(artifact.outputs):
                ours = spec.dequantize(interpreter.get_output(place))
                steps = np.abs(ours - expected[place][k : k + 1]) / (spec.scale or 1e-4)
                # An int16 step is 1/256 of an int8 one; tanh is other code, of which
                # recurrent layers one behind the other make the most: 5, and 10.
                if steps.max() > (16 if spec.dtype == "int16" else 6):
                    return f"{steps.max():.0f} steps off"
    except RuntimeError as error:
        return str(error)
    return None


def artifact_calls(artifact):
    """The fused operators of a file, as what is expected of it."""
    graph = read_subgraphs(artifact.content)[0]
    return [
        FusedCall(
            "layer",
            *graph.tensors[op.inputs[0]].shape[1:],
            graph.tensors[op.outputs[0]].shape[-1],
        )
        for op in graph.ops
        if op.name == "UNIDIRECTIONAL_SEQUENCE_LSTM"
    ]


def hold(build, mode, convert):
    """Holds one row to the law, on a computer and on a microcontroller."""
    keras.utils.set_random_seed(0)
    model, x = build()
    inputs = x if isinstance(x, list) else [x]
    said = {target.name: refusal(model, mode, target) for target in (HOST, CORTEX_M)}
    wrong = dict.fromkeys(said)
    artifact = None
    try:
        # Everything may be written; Dense kernels as microcontrollers want them.
        lenient = replace(HOST, per_channel_dense=False)
        artifact = convert(model, inputs, mode, target=lenient)
    except (DiffmaskError, RuntimeError, ValueError) as error:
        wrong = dict.fromkeys(said, f"{type(error).__name__}: {str(error)[:300]}")
    except Exception as error:  # the converter's own class
        assert type(error).__name__ == "ConverterError", error
        wrong = dict.fromkeys(said, str(error)[:300])
    if artifact is not None:
        # With nothing that takes 4 bits, as a lone depthwise convolution, 8 are left.
        kinds_of_file = {mode, "mixed"} | ({"int8"} if mode == "int4" else set())
        assert artifact.quantization in kinds_of_file, artifact.quantization
        try:
            # Of the LSTMs it was told when it was written.
            check_content(artifact.content, mode, CORTEX_M, artifact_calls(artifact))
            went_wrong = outcome(artifact, [x[:4] for x in inputs])
            assert went_wrong is None, f"{said['cortex-m']}: {went_wrong}"
        except DiffmaskError as error:
            wrong["cortex-m"] = str(error)
    for name, sentence in said.items():
        if sentence is None:
            assert wrong[name] is None, f"{name}: not refused beforehand: {wrong[name]}"
        else:
            assert wrong[name] is not None, f"{name}: refused for nothing: {sentence}"


@pytest.mark.parametrize("name", QUICK)
def test_int8(name, convert_here):
    hold(lambda: layer_kinds.build(name), "int8", convert_here)


def _rows():
    """Every kind of layer, and every model of the zoo that is of stock layers."""
    for name in layer_kinds.KINDS:
        yield name, partial(layer_kinds.build, name)
    for name, entry in MODELS.items():
        if entry.stock:
            yield name, lambda entry=entry: (entry.build(), entry.inputs(batch=40))


@pytest.mark.long
@pytest.mark.parametrize("mode", ["float32", "int8", "int16x8", "int4"])
def test_the_whole_table(mode, convert_here):
    failures = []
    for name, build in _rows():
        try:
            hold(build, mode, convert_here)
        except AssertionError as error:
            failures.append(f"{name}: {str(error).splitlines()[0]}")
    assert not failures, "\n".join(failures)


def test_every_row_is_of_a_kind_that_is_tested():
    """A row whose kind no model has would never be held to anything."""
    seen = set()
    for name in layer_kinds.KINDS:
        model, _ = layer_kinds.build(name)
        try:
            _, recurrent = check_model(model)
        except UnsupportedModelError:
            continue
        seen |= {kind for _, kind in kinds(model, recurrent)}
    untested = set(ROWS) - seen
    assert not untested


def model_of(layer, shape=(6, 6, 4)):
    inputs = keras.Input(shape)
    return keras.Model(inputs, layer(inputs))


@pytest.mark.parametrize(
    ("build", "mode", "target", "sentence"),
    [
        (
            lambda: model_of(keras.layers.Dense(3, activation="gelu", name="wide")),
            "int8", "cortex-m",
            "'cortex-m' runs as int8; received 'wide' .gelu., which leads to GELU, "
            "for which it has no kernel. Use 'relu'",
        ),
        (
            lambda: model_of(keras.layers.LayerNormalization(name="norm")),
            "int8", "host",
            "'norm' .LayerNormalization., which leads to NEG, which the converter "
            "leaves in float. Use BatchNormalization",
        ),
        (
            lambda: model_of(keras.layers.Activation("softplus", name="soft")),
            "int8", "ethos-u55",
            "'soft' .softplus., which leads to EXP, for which it has no int8 kernel",
        ),
        (
            lambda: model_of(keras.layers.LSTM(3, name="memory"), (5, 4)),
            "int16x8", "host",
            "'memory' .fused LSTM., which leads to UNIDIRECTIONAL_SEQUENCE_LSTM, which "
            "has no form with int16 activations. Use quantization='int8'",
        ),
        (
            lambda: model_of(keras.layers.LSTM(3, name="memory"), (5, 4)),
            "int4", "host",
            "'memory' .fused LSTM.*ai-edge-quantizer leaves in float",
        ),
        (
            lambda: model_of(
                keras.layers.TimeDistributed(
                    keras.Sequential([keras.layers.Dense(3, "elu", name="inner")])
                )
            ),
            "int8", "host",
            "'inner' .elu., which leads to ELU",
        ),
        (
            lambda: model_of(keras.layers.Lambda(lambda t: keras.ops.exp(t))),
            "int8", "cortex-m", None,
        ),
    ],
)  # fmt: skip
def test_sentences(build, mode, target, sentence, monkeypatch):
    from keras_diffmask.export.emit import convert

    class Reached(Exception):
        pass

    def reach(*arguments):
        raise Reached

    monkeypatch.setattr(convert, "_convert", reach)
    model = build()
    x = np.ones((40, *model.input_shape[1:]), "float32")
    if sentence is None:  # what a Lambda holds only the converter sees
        with pytest.raises(Reached):
            export.to_tflite(model, mode, calibration=x, target=target)
        return
    with pytest.raises(UnsupportedModelError, match=sentence):
        export.to_tflite(model, mode, calibration=x, target=target)


def test_several_layers_are_named_together():
    inputs = h = keras.Input((4,))
    for k in range(5):
        h = keras.layers.Dense(4, activation="gelu", name=f"d{k}")(h)
    model = keras.Model(inputs, h)
    said = str(refusal(model, "int8", CORTEX_M))
    assert "'d0', 'd1', 'd2' and 2 more (gelu)" in said
    assert refusal(model, "int8", HOST) is None


@pytest.mark.long
def test_the_committed_table_is_current():
    assert support_table.PATH.read_text() == support_table.table()
