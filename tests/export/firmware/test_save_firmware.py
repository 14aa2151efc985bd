"""The folder as a whole: golden example, arena, all or nothing, refusals."""

import os
import re

import numpy as np
import pytest

from keras_diffmask.errors import (
    ArtifactError,
    InvalidArgumentError,
    MissingDependencyError,
)
from keras_diffmask.export import tflm
from keras_diffmask.export.artifact import Artifact
from keras_diffmask.export.firmware import golden as goldens
from tests.export.firmware.conftest import draw

needs_tflm = pytest.mark.skipif(
    not tflm.has_tflm(), reason="tflite-micro is not installed"
)
FILES = {
    *("model_data.h", "model_data.cc", "model_settings.h", "op_resolver.h"),
    *("golden.h", "golden.cc", "main.cc", "Makefile", "README.md"),
}


def array(text, name):
    body = re.search(rf"{name}\[[^]]*\] = \{{([^}}]*)\}}", text)[1]
    return [float(word.rstrip("f")) for word in body.replace(",", " ").split()]


def test_golden_is_a_real_example_and_its_answer(artifacts, tmp_path):
    artifact, x = artifacts["conv"], draw(5, 8, 8, 2)
    folder = artifact.save_firmware(tmp_path / "fw", golden=x, arena_bytes=9000)
    assert folder == tmp_path / "fw"
    assert {file.name for file in folder.iterdir()} == FILES
    text = (folder / "golden.cc").read_text()
    fed = array(text, "kGoldenInput0")
    assert fed == artifact.inputs[0].quantize(x[:1]).ravel().tolist()
    wanted = artifact.outputs[0].quantize(artifact.run(x[:1], True)).ravel()
    assert np.abs(np.array(array(text, "kGoldenOutput0")) - wanted).max() <= 1


def test_a_streaming_example_is_a_sequence(artifacts):
    artifact, x = artifacts["streaming"], draw(2, 5, 3)
    made = goldens.make_golden(artifact, x)
    assert made.calls == 5 and made.inputs[0].shape == (1, 5, 3)
    wanted = artifact.outputs[0].quantize(artifact.run(x[:1], True)).astype(int)
    assert np.abs(made.outputs[0].astype(int) - wanted).max() <= 2
    assert made.tolerance == (2.0,)


def test_settings_say_scales_and_shapes(artifacts, tmp_path):
    artifact = artifacts["pair"]
    folder = artifact.save_firmware(tmp_path / "fw", arena_bytes=9001)
    text = (folder / "model_settings.h").read_text()
    for kind, specs in (("Input", artifact.inputs), ("Output", artifact.outputs)):
        for i, spec in enumerate(specs):
            scale = re.search(rf"k{kind}{i}Scale = (.*)f;", text)[1]
            assert np.float32(scale) == np.float32(spec.scale)
            assert f"k{kind}{i}ZeroPoint = {spec.zero_point};" in text
            assert f"k{kind}{i}Shape[] = {{1, {spec.shape[1]}}};" in text
    assert "kArenaBytes = 9008;" in text and "As given by arena_bytes=9001." in text


@pytest.mark.parametrize("kind", ["lstm", "pair", "float", "conv_float_io"])
def test_readme_says_how_far_off_in_which_unit(artifacts, tmp_path, kind):
    artifact = artifacts[kind]
    readme = artifact.save_firmware(tmp_path / "fw", arena_bytes=64000) / "README.md"
    (line,) = [x for x in readme.read_text().splitlines() if x.startswith("Input: ")]
    said = re.findall(r"`kGoldenOutput(\d)` holds ([^`]*)\.", line)
    assert [int(place) for place, _ in said] == list(range(len(artifact.outputs)))
    tolerance = goldens.make_golden(artifact, None).tolerance
    for (_, words), spec, limit in zip(said, artifact.outputs, tolerance, strict=True):
        if spec.dtype == "float32":
            assert words == f"real values: the board's may be off by {limit:.2g}"
        elif limit == 0:
            assert words == "integers: the board's must be the same"
        else:
            real = f"{limit * spec.scale:.2g} as a real value"
            steps = f"{limit:g} integer step{'s' * (limit != 1)}"
            assert words == f"integers: the board's may be off by {steps}, {real}"
    assert (artifact.outputs[0].dtype == "float32") == ("float" in kind)


@needs_tflm
@pytest.mark.parametrize("kind", ["conv", "lstm"])
def test_arena_is_measured_with_a_margin(artifacts, tmp_path, kind):
    artifact = artifacts[kind]
    folder = artifact.save_firmware(tmp_path / "fw")
    text = (folder / "model_settings.h").read_text()
    size = int(re.search(r"kArenaBytes = (\d+);", text)[1])
    host = artifact.arena_bytes()
    assert 0 <= size - (host + 8192) < 16  # 20 % of these would be less
    assert "An estimate" in text and f"{host} bytes" in text
    readme = (folder / "README.md").read_text()
    assert str(size) in readme and "arena_used_bytes" in readme
    assert ("reset it before every sequence" in readme) == (kind == "lstm")


@needs_tflm
def test_a_large_arena_gets_twenty_per_cent(artifacts, monkeypatch):
    from keras_diffmask.export.firmware import arena

    monkeypatch.setattr(arena, "tflm_arena_bytes", lambda content: 100_000)
    assert arena.arena_size(b"", None).size == 120_000


def test_without_tflm(artifacts, tmp_path, monkeypatch):
    """A given arena will do; LiteRT's plain kernels then make the golden output."""
    artifact = artifacts["conv"]

    def missing(content):
        raise MissingDependencyError("tflite-micro", "nothing", "Install it.")

    monkeypatch.setattr(tflm.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(
        "keras_diffmask.export.firmware.arena.tflm_arena_bytes", missing
    )
    with pytest.raises(MissingDependencyError, match="or arena_bytes=; .* neither"):
        artifact.save_firmware(tmp_path / "fw")
    assert not list(tmp_path.iterdir())
    folder = artifact.save_firmware(tmp_path / "fw", arena_bytes=20_000)
    text = (folder / "golden.h").read_text()
    assert "LiteRT's reference kernels" in text and "kTolerance0 = 1.0f;" in text


def test_a_folder_is_replaced_only_when_asked(artifacts, tmp_path):
    artifact, place = artifacts["conv"], tmp_path / "fw"
    artifact.save_firmware(place, arena_bytes=9000)
    before = (place / "model_settings.h").read_text()
    with pytest.raises(ArtifactError, match="does not exist yet; .*force=True"):
        artifact.save_firmware(place, arena_bytes=8000)
    assert (place / "model_settings.h").read_text() == before
    artifact.save_firmware(place, arena_bytes=8000, force=True)
    assert "kArenaBytes = 8000;" in (place / "model_settings.h").read_text()
    assert [file.name for file in tmp_path.iterdir()] == ["fw"]


def test_a_strangers_folder_is_never_replaced(artifacts, tmp_path):
    place = tmp_path / "precious"
    place.mkdir()
    (place / "thesis.txt").write_text("years")
    with pytest.raises(ArtifactError, match="something else. .*nothing was changed"):
        artifacts["conv"].save_firmware(place, arena_bytes=9000, force=True)
    with pytest.raises(ArtifactError, match="something else"):
        artifacts["conv"].save_firmware(
            place / "thesis.txt", arena_bytes=9000, force=True
        )
    assert (place / "thesis.txt").read_text() == "years"
    (place / "thesis.txt").unlink()
    artifacts["conv"].save_firmware(place, arena_bytes=9000, force=True)
    assert {file.name for file in place.iterdir()} == FILES


def test_what_is_not_ours_is_never_deleted(artifacts, tmp_path):
    artifact, place = artifacts["conv"], tmp_path / "fw"
    artifact.save_firmware(place, arena_bytes=9000)
    for name in ("main.o", "golden_test"):
        (place / name).touch()
    artifact.save_firmware(place, arena_bytes=9000, force=True)
    assert {file.name for file in place.iterdir()} == FILES
    (place / "my_board.cc").write_text("mine")
    (place / "sub").mkdir()
    with pytest.raises(ArtifactError, match="'my_board.cc', 'sub' in .*Move that"):
        artifact.save_firmware(place, arena_bytes=9000, force=True)
    assert {file.name for file in place.iterdir()} == {*FILES, "my_board.cc", "sub"}


@pytest.mark.parametrize("existing", [False, True])
def test_all_or_nothing(artifacts, tmp_path, monkeypatch, existing):
    artifact, place = artifacts["conv"], tmp_path / "fw"
    if existing:
        artifact.save_firmware(place, arena_bytes=9000)
    rename = os.rename

    def full(source, target):
        if str(target) == str(place) and "made" in str(source):
            raise OSError(28, "No space left on device")
        rename(source, target)

    monkeypatch.setattr(os, "rename", full)
    with pytest.raises(ArtifactError, match="No space left on device"):
        artifact.save_firmware(place, arena_bytes=8000, force=existing)
    names = [file.name for file in tmp_path.iterdir()]
    assert names == (["fw"] if existing else [])
    if existing:
        assert "kArenaBytes = 9008;" in (place / "model_settings.h").read_text()


def test_no_parent_no_folder(artifacts, tmp_path):
    with pytest.raises(ArtifactError, match="a folder that can be written"):
        artifacts["conv"].save_firmware(tmp_path / "a" / "b", arena_bytes=9000)


@pytest.mark.parametrize("size", [0, -1, 2.5, True, "9000"])
def test_arena_bytes_is_a_size(artifacts, tmp_path, size):
    with pytest.raises(InvalidArgumentError, match="arena_bytes as a whole number"):
        artifacts["conv"].save_firmware(tmp_path / "fw", arena_bytes=size)


def test_golden_that_does_not_fit(artifacts, tmp_path):
    save = artifacts["conv"].save_firmware
    with pytest.raises(InvalidArgumentError, match="shape .n, 8, 8, 2."):
        save(tmp_path / "fw", golden=draw(3, 8, 8), arena_bytes=9000)
    with pytest.raises(InvalidArgumentError, match="an example in golden="):
        save(tmp_path / "fw", golden=draw(0, 8, 8, 2), arena_bytes=9000)
    bad = np.full((1, 8, 8, 2), np.nan, "float32")
    with pytest.raises(InvalidArgumentError, match="finite values in golden="):
        save(tmp_path / "fw", golden=bad, arena_bytes=9000)


@needs_tflm
def test_what_tflm_computes_wrong_is_refused(artifacts, tmp_path, monkeypatch):
    def wrong(artifact, x):
        return (artifact.run(x) + 60 * artifact.outputs[0].scale,)

    monkeypatch.setattr(goldens, "run_tflm", wrong)
    with pytest.raises(ArtifactError, match="TFLM to compute what LiteRT's"):
        artifacts["conv"].save_firmware(tmp_path / "fw")


def test_dynamic_range_is_refused(tmp_path):
    tensorflow = pytest.importorskip("tensorflow")

    @tensorflow.function(autograph=False)
    def serve(x):
        return tensorflow.matmul(x, tensorflow.constant(draw(64, 64)))

    shape = tensorflow.TensorSpec((1, 64), "float32")
    converter = tensorflow.lite.TFLiteConverter.from_concrete_functions(
        [serve.get_concrete_function(shape)]
    )
    converter.optimizations = [tensorflow.lite.Optimize.DEFAULT]
    artifact = Artifact.from_content(converter.convert(), "hybrid")
    with pytest.raises(ArtifactError, match="FULLY_CONNECTED of float .*int8 weights"):
        artifact.save_firmware(tmp_path / "fw", arena_bytes=9000)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not tflm.has_tflm(), reason="tflite-micro is not installed")
def test_an_arena_far_below_what_tflm_takes_is_refused(artifacts, tmp_path):
    with pytest.raises(InvalidArgumentError, match=r"of some \d+ bytes, which TFLM"):
        artifacts["conv"].save_firmware(tmp_path / "fw", arena_bytes=64)
    assert not (tmp_path / "fw").exists()
