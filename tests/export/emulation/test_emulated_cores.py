"""Real models on emulated cores: the same answers, the same counts each time."""

import keras
import numpy as np
import pytest

from keras_diffmask import export
from keras_diffmask.errors import ConversionError, DiffmaskError
from keras_diffmask.export import emulation
from keras_diffmask.export.cli import main
from keras_diffmask.export.emulation.environment import PREPARE, find_emulator


def _missing() -> str:
    try:
        find_emulator()
    except DiffmaskError:
        return f"no emulated Arm64 here: {PREPARE}"
    return ""


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(_missing()), reason=_missing()),
    pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="converts"),
]


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).standard_normal((16, 8, 8, 3), "float32")
    made = {}
    for name, width in (("dense", 32), ("odd", 17), ("pruned", 16)):
        inputs = keras.Input((8, 8, 3))
        y = keras.layers.Conv2D(width, 3, activation="relu")(inputs)
        y = keras.layers.Conv2D(width, 1, activation="relu")(y)
        y = keras.layers.GlobalAveragePooling2D()(y)
        model = keras.Model(inputs, keras.layers.Dense(4)(y))
        made[name] = export.to_tflite(model, "int8", calibration=x).content
    return made


def test_answers_equal_and_counts_repeat(files):
    asked = {"cores": ("a76",), "kernels": ("xnnpack",), "examples": 4}
    found = emulation.count_instructions(files, **asked)
    assert found.equal
    assert {len(model.counts) for model in found.models} == {1}
    assert emulation.count_instructions(files, **asked).models == found.models
    assert found.ratio("pruned", "dense", "cortex-a76") < 0.9
    # A channel beyond 16 costs many more: the step of its kernels.
    assert found.ratio("odd", "pruned", "cortex-a76") > 1.1


def test_a_model_it_cannot_run_ends_in_a_sentence(files):
    emulator = find_emulator()
    broken = files["dense"][:200] + files["dense"][400:]
    with pytest.raises(ConversionError, match="'model' on an emulated cortex-a53"):
        emulation.run.run_emulated(
            emulator, emulation.cores.CORES["cortex-a53"], broken,
            [np.zeros((1, 8, 8, 3), np.int8)], "xnnpack", 60.0, "'model'",
        )  # fmt: skip


def test_a_hang_ends_in_a_sentence(files):
    with pytest.raises(ConversionError, match="within 0.05 seconds"):
        emulation.count_instructions(
            {"dense": files["dense"]}, ("a53",), ("reference",), 1, timeout=0.05
        )


def test_from_the_command_line(files, tmp_path, capsys):
    for name in ("dense", "pruned"):
        (tmp_path / f"{name}.tflite").write_bytes(files[name])
    words = [
        "benchmark",
        str(tmp_path / "dense.tflite"),
        str(tmp_path / "pruned.tflite"),
    ]
    words += ["--device", "arm64-emulated", "--cores", "a53"]
    assert main([*words, "-o", str(tmp_path / "counts.json")]) == 0
    printed = capsys.readouterr().out
    found = emulation.InstructionCounts.from_json(
        (tmp_path / "counts.json").read_text()
    )
    assert found.equal and found.table().splitlines()[-1] in printed
    assert [model.name for model in found.models] == ["dense", "pruned"]
