"""Every command on good input: what it prints, writes and leaves alone."""

import contextlib
import io
import json
import re
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_diffmask.export.artifact import Artifact
from keras_diffmask.export.cli import main
from keras_diffmask.export.cli.entry import COMMANDS
from keras_diffmask.export.packing import Packed


@pytest.fixture(scope="module")
def converted(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """plain.tflite, float32, and plain8.tflite, int8, with what was printed."""
    folder = tmp_path_factory.mktemp("converted")
    to_int8 = ["--quantization", "int8", "--calibration", files / "x.npy"]
    for name, more in (
        ("plain", ["--json"]),
        ("plain8", [*to_int8, "--target", "cortex-m"]),
    ):
        words = ["convert", files / "plain.keras", "-o", folder / f"{name}.tflite"]
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            assert main([str(word) for word in (*words, *more)]) == 0
        (folder / f"{name}.txt").write_text(printed.getvalue())
    return folder


@pytest.mark.parametrize("name", [command.NAME for command in COMMANDS])
def test_help_shows_an_example(run, name):
    status, out, _ = run(name, "--help")
    assert status == 0
    assert f"example:\n  keras-diffmask {name}" in out
    for option in ("--json", "--traceback"):
        assert option in out


def test_help_names_every_command(run):
    status, out, _ = run("--help")
    assert status == 0
    assert all(re.search(rf"^    {command.NAME}\s", out, re.M) for command in COMMANDS)


def test_summary_table(run, files):
    status, out, _ = run("summary", files / "masked.keras")
    assert status == 0
    assert "2 / 6" in out and out.splitlines()[0].startswith("layer")


def test_summary_json(run_json, files):
    report = run_json("summary", files / "masked.keras")
    rows = {row["name"]: row for row in report["layers"]}
    assert rows["conv"]["units"] == [2, 6]
    assert rows["conv"]["macs"] == [2 * 9 * 64, 6 * 9 * 64]


def test_plan(run, run_json, files):
    status, out, _ = run("plan", files / "masked.keras")
    assert status == 0 and "2 of 6" in out
    report = run_json("plan", files / "masked.keras")
    assert report["macs"] == [6 * 9 * 64 + 18, 2 * 9 * 64 + 6]
    assert report["rows"][0]["kept"] == 2 and report["gates"] == 1
    assert "No gates" not in out and "Each row by itself" not in out


def test_plan_of_a_model_without_gates(run, files):
    status, out, _ = run("plan", files / "plain.keras")
    assert status == 0 and "No gates in this model: keras_diffmask.mask_model" in out


def test_strip_writes_the_same_function(run_json, files, tmp_path):
    import keras_diffmask.layers  # noqa: F401 - registers what masked.keras holds

    before = (files / "masked.keras").read_bytes()
    output = tmp_path / "slim.keras"
    report = run_json("strip", files / "masked.keras", "-o", output)
    assert report["output"] == str(output)
    slim = keras.models.load_model(output)
    assert slim.get_layer("conv").filters == 2
    masked = keras.models.load_model(files / "masked.keras")
    x = np.load(files / "x.npy")
    np.testing.assert_allclose(
        slim.predict(x, verbose=0), masked.predict(x, verbose=0), atol=1e-6
    )
    assert (files / "masked.keras").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["slim.keras"]


def test_pack_writes_what_can_be_read_back(run, run_json, files, tmp_path):
    output = tmp_path / "tiny.packed"
    status, out, _ = run("pack", files / "masked.keras", "-o", output)
    assert status == 0 and "Stock TFLite" in out
    report = run_json("pack", files / "masked.keras", "-o", output, "--force")
    assert report["output"] == str(output)
    packed = Packed.load(output)
    assert {row["name"]: row["bytes"] for row in report["weights"]} == {
        one.name: one.nbytes for one in packed.tensors
    }
    assert packed.arrays()["head/kernel"].shape == (6, 3)


@pytest.mark.parametrize(
    "words",
    [
        "strip masked.keras -o slim.keras",
        "pack masked.keras -o old.packed",
        "convert plain.keras -o old.tflite",
        "import-tfmot masked.keras -o old.keras",
        "verify old.tflite plain.keras --data x.npy -o old.json",
        "benchmark old.tflite -o old.json",
        "report old.tflite -o old.html",
    ],
)
def test_no_command_replaces_a_file_without_being_told(run, files, tmp_path, words):
    command, *rest = words.split()
    written = tmp_path / rest[rest.index("-o") + 1]
    written.write_text("took time to make")
    paths = [files / x if "." in x else x for x in rest]
    paths[rest.index("-o") + 1] = written
    status, _, error = run(command, *paths)
    assert status == 1 and "--force" in error and "exist" in error
    assert written.read_text() == "took time to make"


def test_convert_float32_is_the_default(converted):
    report = json.loads((converted / "plain.txt").read_text())
    assert report["quantization"] == "float32"
    assert report["bytes"] == (converted / "plain.tflite").stat().st_size
    assert report["relative_error"] < 1e-5


def test_convert_int8_for_a_microcontroller(converted):
    text = (converted / "plain8.txt").read_text()
    assert "int8, for cortex-m" in text and "CONV_2D" in text
    assert Artifact.load(converted / "plain8.tflite").quantization == "int8"


def test_convert_help_says_what_each_mode_writes(run):
    _, out, _ = run("convert", "--help")
    rows = {line.split()[0]: line for line in out.splitlines() if line.strip()}
    assert rows["dynamic"].endswith("host, android-cpu")
    assert "needed" in rows["int4"] and "cortex-m" in rows["int4"]


def test_convert_for_a_phone(run_json, files, tmp_path):
    (tmp_path / "labels.txt").write_text("cat\ndog\ncafé\n", encoding="utf-8")
    report = run_json(
        "convert", files / "plain.keras", "-o", tmp_path / "phone.tflite",
        "--quantization", "int8", "--calibration", files / "x.npy",
        "--target", "android-cpu", "--io", "uint8",
        "--labels", tmp_path / "labels.txt", "--description", "Pets.",
    )  # fmt: skip
    assert report["labels"] == ["cat", "dog", "café"]
    assert [spec["dtype"] for spec in report["inputs"]] == ["uint8"]
    assert report["calibration"]["count"] == 40
    loaded = Artifact.load(tmp_path / "phone.tflite")
    assert loaded.labels == ("cat", "dog", "café")
    assert loaded.calibration.sha256 == report["calibration"]["sha256"]


def test_verify(run, run_json, converted, files, tmp_path):
    words = ("verify", converted / "plain8.tflite", files / "plain.keras")
    words += ("--data", files / "x.npy", "--per-layer")
    status, out, _ = run(*words, "--plot", tmp_path / "v.png")
    assert status == 0 and "keras, litert-reference" in out and "head" in out
    assert (tmp_path / "v.png").stat().st_size > 1000
    report = run_json(*words, "-o", tmp_path / "v.json")
    assert json.loads((tmp_path / "v.json").read_text()) == report
    assert report["samples"] == 40 and len(report["layers"]) == 3
    assert report["pairs"][0]["rms_error"] < 0.05
    for output in (("--plot", tmp_path / "v.png"), ("-o", tmp_path / "v.json")):
        before = output[1].read_bytes()
        status, _, err = run(*words, *output)
        assert status == 1 and f"{output[1].name}', which exists" in err
        assert output[1].read_bytes() == before
    (tmp_path / "v.json").write_text("mine")
    assert run_json(*words, "-o", tmp_path / "v.json", "--force") == report
    assert json.loads((tmp_path / "v.json").read_text()) == report


def test_verify_refuses_what_does_not_fit(run, converted, files):
    words = ("verify", converted / "plain8.tflite", files / "plain.keras", "--data")
    status, _, err = run(*words, files / "wrong.npy")
    assert status == 1 and "shape (n, 8, 8, 1)" in err
    status, _, err = run(*words, files / "text.npy")
    assert status == 1 and "examples in a .npy or .npz file" in err


def test_firmware(run, run_json, converted, files, tmp_path):
    words = ("firmware", converted / "plain8.tflite", "-o", tmp_path / "fw")
    words += ("--golden", files / "x.npy", "--arena-bytes", "20000")
    report = run_json(*words)
    assert {"main.cc", "model_data.cc", "Makefile"} <= set(report["files"])
    assert {path.name for path in (tmp_path / "fw").iterdir()} == set(report["files"])
    assert "kArenaBytes = 20000;" in (tmp_path / "fw/model_settings.h").read_text()
    status, _, err = run(*words)
    assert status == 1 and "does not exist yet" in err
    status, out, _ = run(*words, "--force")
    assert status == 0 and "model_data.cc" in out


def test_vela(run, run_json, converted):
    pytest.importorskip("ethosu.vela")
    status, out, _ = run("vela", converted / "plain8.tflite")
    assert status == 0 and "estimate by Vela" in out and "Ethos_U55_128" in out
    report = run_json("vela", converted / "plain8.tflite", "--config", "ethos-u55-64")
    assert report["accelerator"] == "Ethos_U55_64" and report["npu_share"] == 1.0
    status, _, err = run("vela", converted / "plain.tflite")
    assert status == 1 and "an int8 file, as an Ethos-U needs" in err


def test_benchmark_table(run, converted, tmp_path):
    output = tmp_path / "times.json"
    status, out, _ = run(
        "benchmark", converted / "plain.tflite", converted / "plain8.tflite",
        "--rounds", 3, "--seconds", 0.05, "--per-op", "-o", output,
    )  # fmt: skip
    assert status == 0
    assert "time / plain" in out and "CONV_2D" in out
    assert output.is_file()


def test_benchmark_json(run_json, converted):
    words = ("--rounds", 3, "--seconds", 0.05, "--threads", 2)
    report = run_json(
        "benchmark", converted / "plain.tflite", converted / "plain8.tflite", *words
    )
    assert [model["name"] for model in report["models"]] == ["plain", "plain8"]
    assert report["ratios"]["plain8"]["baseline"] == "plain"
    assert report["threads"] == 2


@pytest.mark.parametrize("network", ["resnet8", "lstm", "budget", "quantization"])
def test_benchmark_of_a_training_step(run_json, monkeypatch, network):
    from keras_diffmask.export.benchmarking import networks

    small = {
        "resnet8": lambda: networks_resnet8((8, 8, 3)),
        "lstm": lambda: networks_two_lstm(units=4, steps=5),
        "budget": lambda: networks.conv_chain(4, width=32),
        "quantization": lambda: networks.conv_chain(2, width=8),
    }
    networks_resnet8, networks_two_lstm = networks.resnet8, networks.two_lstm
    monkeypatch.setattr(networks, "resnet8", small[network])
    monkeypatch.setattr(networks, "two_lstm", small["lstm"])
    report = run_json(
        "benchmark", "--training-step", network, "--rounds", 2, "--batch", 4
    )
    assert report["network"] == network and report["batch"] == 4
    assert report["ratio"]["median"] > 0
    limits = {"resnet8": 1.05, "lstm": 1.10, "budget": 1.02, "quantization": 1.5}
    assert report["limit"] == limits[network]


def test_benchmark_of_the_surgery(run, run_json, monkeypatch, tmp_path):
    from keras_diffmask.export.benchmarking import networks, surgery

    monkeypatch.setattr(surgery, "resnet50", lambda: networks.resnet8((8, 8, 3)))
    # Python's collector walks what all tests before left, many times over.
    monkeypatch.setattr(surgery._Operation, "prepare", lambda operation: None)
    words = ("benchmark", "--surgery", "--layers", 4, 6, "--rounds", 1)
    report = run_json(*words, "-o", tmp_path / "surgery.json")
    assert json.loads((tmp_path / "surgery.json").read_text()) == report
    sizes = [(times["model"], times["layers"]) for times in report["times"]]
    assert sizes == [
        ("conv", 4), ("conv", 6), ("dense", 4), ("dense", 6), ("ResNet50", 10),
    ]  # fmt: skip
    assert [growth["family"] for growth in report["growth"]] == ["conv", "dense"]
    # Real surgery; no network is an eighth as long, and the shortest is the base.
    assert all(min(t["plan_s"] + t["strip_s"]) > 0 for t in report["times"])
    assert report["growth"][0]["ratio"]["baseline"] == "4"
    status, out, _ = run(*words)
    assert status == 0 and "t(6) / t(4) = " in out and "limit of 3 s" in out


def test_benchmark_of_latencies(run, run_json, monkeypatch, tmp_path):
    from keras_diffmask.export.latency import accuracy
    from keras_diffmask.export.latency.accuracy_result import AccuracyResult, Foretold
    from keras_diffmask.export.machine import machine

    def fake(model, models, rounds, progress):
        for _ in range(models + 2):
            progress("done")
        each = [Foretold(1e6 + k, 10.0 + k / 2, 10.0, 0.0) for k in range(models)]
        return AccuracyResult(
            model.name, "int8", 9.0, 9.0, 2e6, tuple(each), rounds, machine(), "2026"
        )

    monkeypatch.setattr(accuracy, "latency_accuracy", fake)
    words = ("benchmark", "--latency", "depthwise", "--models", 4)
    report = run_json(*words, "-o", tmp_path / "latency.json")
    assert json.loads((tmp_path / "latency.json").read_text()) == report
    assert report["network"] == "depthwise" and report["rounds"] == 20
    assert len(report["models"]) == 4 and report["median_error"] == pytest.approx(0.075)
    status, out, _ = run(*words, "--rounds", 3)
    assert status == 0 and "of 3 rounds" in out and "limit of 15%" in out
