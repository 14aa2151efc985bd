"""`benchmark` on real, tiny models: what it accepts, measures and refuses."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest

from keras_diffmask import export
from keras_diffmask.errors import (
    ArtifactError,
    InvalidArgumentError,
    MissingDependencyError,
)
from keras_diffmask.export.benchmarking.host import InterpreterRunner
from keras_diffmask.export.random_inputs import random_inputs
from tests.export.files_of_others import with_variable

QUICK = dict(rounds=3, seconds=0.003, warmup=2)


@dataclasses.dataclass(frozen=True)
class StandIn:
    """As much of an artifact as the benchmark looks at."""

    content: bytes
    name: str


def test_dict_of_artifact_path_and_bytes(cnn, cnn_int8, tmp_path):
    path = tmp_path / "m.tflite"
    path.write_bytes(cnn)
    given = {"a": StandIn(cnn_int8, "ignored"), "b": path, "c": str(path), "d": cnn}
    result = export.benchmark(given, **QUICK)
    assert [model.name for model in result.models] == ["a", "b", "c", "d"]
    assert result["a"].bytes == len(cnn_int8)
    for model in result.models:
        assert len(model.round_us) == 3
        assert model.runs % 3 == 0
        assert 0 < model.min_us <= model.p5_us <= model.median_us <= model.p95_us
        assert model.init_us > 0
        assert model.ops is None
    assert (result.device, result.threads) == ("host", 1)
    assert type(result).from_json(result.to_json()) == result


def test_list_of_artifacts_brings_its_names(cnn, cnn_int8):
    given = [StandIn(cnn, "float"), StandIn(cnn_int8, "int8")]
    result = export.benchmark(given, threads=2, **QUICK)
    assert [model.name for model in result.models] == ["float", "int8"]
    assert result.threads == 2


def test_verbose_and_progress(cnn, capsys):
    export.benchmark({"a": cnn}, verbose=True, **QUICK)
    assert "round 3 of 3" in capsys.readouterr().err
    seen = []
    export.benchmark({"a": cnn}, progress=lambda *at: seen.append(at), **QUICK)
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert "round" not in capsys.readouterr().err


def test_lstm_starts_every_sequence_from_zero(lstm):
    runner = InterpreterRunner(lstm)
    output = runner.interpreter.get_output_details()[0]["index"]

    def outcome(prepared):
        if prepared:
            runner.prepare()
        runner.run()
        return runner.interpreter.get_tensor(output)

    first = outcome(prepared=True)
    assert not np.allclose(outcome(prepared=False), first), "the model has no state"
    np.testing.assert_array_equal(outcome(prepared=True), first)
    assert export.benchmark({"lstm": lstm}, **QUICK)["lstm"].runs >= 3


def test_operators_without_outputs():
    result = export.benchmark({"var": with_variable()}, per_op=True, **QUICK)
    assert result["var"].runs >= 3 and result["var"].note == ""
    names = [op.op for op in result["var"].ops.ops]
    assert {"CALL_ONCE", "ASSIGN_VARIABLE"} <= set(names)


@pytest.mark.parametrize(
    "dtype, low, high",
    [("float32", -1, 1), ("int8", -128, 127), ("uint8", 0, 255), ("int32", 0, 1)],
)
def test_random_inputs_have_the_dtype_and_its_range(dtype, low, high):
    details = [{"shape": np.array([1, 5000]), "dtype": np.dtype(dtype).type}]
    (value,) = random_inputs(details)
    assert value.dtype == dtype and value.shape == (1, 5000)
    assert value.min() >= low and value.max() <= high
    assert float(value.max()) - float(value.min()) >= 0.99 * (high - low)
    np.testing.assert_array_equal(random_inputs(details)[0], value)


@pytest.mark.parametrize("given", [{}, [], None, "model.tflite", [b"TFL3"]])
def test_nothing_to_measure(given):
    with pytest.raises(InvalidArgumentError, match="dict of name -> Artifact"):
        export.benchmark(given)


def test_a_name_twice(cnn):
    with pytest.raises(InvalidArgumentError, match="different names"):
        export.benchmark([StandIn(cnn, "a"), StandIn(cnn, "a")])
    with pytest.raises(InvalidArgumentError, match="list of str, which bring no name"):
        export.benchmark(["dense.tflite", "pruned.tflite"])


@pytest.mark.parametrize(
    "argument, sentence",
    [
        ({"device": "phone"}, "device='phone'"),
        ({"threads": 0}, "threads=0"),
        ({"rounds": 1.5}, "rounds=1.5"),
        ({"warmup": 0}, "warmup=0"),
        ({"seconds": 0}, "seconds=0"),
        ({"seconds": float("nan")}, "seconds=nan"),
    ],
)
def test_arguments_out_of_range(argument, sentence):
    with pytest.raises(InvalidArgumentError, match=sentence):
        export.benchmark({"a": b"\0\0\0\0TFL3"}, **argument)


def test_bad_files(cnn, tmp_path):
    with pytest.raises(ArtifactError, match=r"nothing\.tflite.*Check the path"):
        export.benchmark({"a": tmp_path / "nothing.tflite"})
    with pytest.raises(ArtifactError, match="identifier 'TFL3'"):
        export.benchmark({"a": b"PK\3\4 something else"})
    with pytest.raises(ArtifactError, match="LiteRT accepts"):
        export.benchmark({"a": cnn[: len(cnn) // 2]})
    with pytest.raises(InvalidArgumentError, match="a=int"):
        export.benchmark({"a": 3})


def test_without_litert(cnn, monkeypatch):
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    with pytest.raises(MissingDependencyError, match="pip install ai-edge-litert"):
        export.benchmark({"a": cnn}, **QUICK)


def test_importing_is_light():
    pytest.importorskip("ai_edge_litert")
    code = (
        "import os, sys; os.environ['KERAS_BACKEND'] = 'numpy'\n"
        "import keras; before = set(sys.modules)\n"  # Keras brings some itself
        "from keras_diffmask import export\n"
        "import keras_diffmask.export.benchmarking.training_step\n"
        "import keras_diffmask.export.demo.datasets, keras_diffmask.plots\n"
        "heavy = {'tensorflow', 'matplotlib', 'sklearn', 'ai_edge_litert', 'PIL'}\n"
        "sys.exit(' '.join(heavy & (set(sys.modules) - before)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
