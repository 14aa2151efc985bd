"""Bad input: a line on stderr, status 1 or 2, nothing written, nothing changed."""

import subprocess
from pathlib import Path

import pytest

from keras_diffmask.export.cli.console import Console
from keras_diffmask.export.cli.files import read_model

# Words of the command with {files} and {out}, and a part of the sentence.
BAD = {
    "missing model": (
        "summary {files}/nowhere.keras",
        "Expected an existing .keras file; received",
    ),
    "not a keras file": (
        "plan {files}/text.keras",
        "Expected a .keras file (a zip archive with config.json)",
    ),
    "a tflite file where a model is wanted": (
        "strip {files}/text.tflite -o {out}/slim.keras",
        "Expected a .keras file",
    ),
    "lambda in safe mode": (
        "plan {files}/lambda.keras",
        "run this again with --unsafe",
    ),
    "subclassed": (
        "strip {files}/subclassed.keras -o {out}/slim.keras",
        "received the subclassed model",
    ),
    "NaN weights": (
        "strip {files}/nan.keras -o {out}/slim.keras",
        "NaN",
    ),
    "NaN weights packed": ("pack {files}/nan.keras -o {out}/nan.packed", "NaN"),
    "packed under a wrong suffix": (
        "pack {files}/masked.keras -o {out}/slim.bin",
        "Call it 'slim.packed'.",
    ),
    "no directory to write to": (
        "strip {files}/masked.keras -o {out}/nowhere/slim.keras",
        "Expected an output file in an existing directory",
    ),
    "output is a directory": (
        "strip {files}/masked.keras -o {out}/folder.keras",
        "Expected an output file in an existing directory",
    ),
    "wrong suffix": (
        "strip {files}/masked.keras -o {out}/slim.h5",
        "Call it 'slim.keras'.",
    ),
    "output is the input": (
        "strip {files}/masked.keras -o {files}/../{name}/masked.keras",
        "Expected an output other than the input",
    ),
    "steps of a model without any": (
        "convert {files}/plain.keras -o {out}/m.tflite --steps 3",
        "steps=None for a model whose Input has a fixed length",
    ),
    "streaming without an LSTM": (
        "convert {files}/plain.keras -o {out}/m.tflite --streaming",
        "at least one LSTM with streaming=True",
    ),
    "masked model converted": (
        "convert {files}/masked.keras -o {out}/m.tflite",
        "strip",
    ),
    "calibration of the wrong shape": (
        "convert {files}/plain.keras -o {out}/m.tflite --quantization int8 "
        "--calibration {files}/wrong.npy",
        "Expected calibration of shape (n, 8, 8, 1)",
    ),
    "empty calibration": (
        "convert {files}/plain.keras -o {out}/m.tflite --quantization int8 "
        "--calibration {files}/empty.npy",
        "Expected at least one calibration example",
    ),
    "calibration that is a program": (
        "convert {files}/plain.keras -o {out}/m.tflite --quantization int8 "
        "--calibration {files}/pickle.npy",
        "Expected calibration data in a .npy or .npz file",
    ),
    "calibration that is no array": (
        "convert {files}/plain.keras -o {out}/m.tflite --quantization int8 "
        "--calibration {files}/text.npy",
        "Expected calibration data in a .npy or .npz file",
    ),
    "calibration that is damaged": (
        "convert {files}/plain.keras -o {out}/m.tflite --quantization int8 "
        "--calibration {files}/damaged.npz",
        "Expected calibration data in a .npy or .npz file",
    ),
    "a mode that the target lacks": (
        "convert {files}/plain.keras -o {out}/m.tflite --quantization dynamic "
        "--target cortex-m",
        "no kernels for int8 weights with float activations). Use 'float32' or 'int8'",
    ),
    "labels that are not there": (
        "convert {files}/plain.keras -o {out}/m.tflite --labels {files}/none.txt",
        "Expected a text file with one line per class",
    ),
    "labels that are no text": (
        "convert {files}/plain.keras -o {out}/m.tflite --labels {files}/x.npy",
        "Expected a text file with one line per class",
    ),
    "too many labels": (
        "convert {files}/plain.keras -o {out}/m.tflite --labels {files}/text.npy",
        "Expected as many labels as an output has units",
    ),
    "surgery of odd layers": (
        "benchmark --surgery --layers 16 7",
        "Expected layers as even numbers of at least 4, rising",
    ),
    "benchmark of a text": ("benchmark {files}/text.tflite", "of a .tflite model"),
    "benchmark of a missing file": ("benchmark {files}/no.tflite", "Expected a"),
    "benchmark twice": (
        "benchmark {files}/text.tflite {files}/text.tflite",
        "Expected different .tflite files",
    ),
    "demo with a budget out of reach": (
        "demo --budget 0.0001 --quick --out {out}",
        "Raise macs=",
    ),
    "demo of an empty folder": (
        "demo --data-dir {out} --out {out}",
        "Expected a folder with the files of a data set",
    ),
    "demo of a data set that does not fit": (
        "demo --dataset uci_har --out {out}",
        "Pass --data-dir",
    ),
    "demo into a file": (
        "demo --out {files}/x.npy",
        "Expected a folder for the results",
    ),
}

#: What the words alone show to be wrong: told before Keras starts, with status 2.
MEANINGLESS = {
    "int4 without calibration": (
        "convert {files}/plain.keras -o {out}/m.tflite --quantization int4",
        "Expected --calibration with --quantization int4",
    ),
    "int8 without calibration": (
        "convert {files}/plain.keras -o {out}/m.tflite --quantization int8",
        "Expected --calibration with --quantization int8",
    ),
    "unknown target": (
        "convert {files}/plain.keras -o {out}/m.tflite --target toaster",
        "Expected target to be one of 'android-cpu', 'cortex-m', 'ethos-u55'",
    ),
    "benchmark of nothing": ("benchmark", "Expected either .tflite files or"),
    "benchmark of both": (
        "benchmark {files}/text.tflite --training-step lstm",
        "received both",
    ),
    "benchmark of files and surgery": (
        "benchmark {files}/text.tflite --surgery",
        "Expected either .tflite files or --training-step or --surgery or --latency or "
        "--table; received both",
    ),
    "benchmark of everything": (
        "benchmark {files}/text.tflite --surgery --latency resnet8",
        "received 3 of them",
    ),
    "table with threads": (
        "benchmark --table m.keras --threads 4 --delegate none --per-op --rounds 1",
        "Expected no --threads with --table, where nothing reads it; received "
        "--threads 4. Leave it out.",
    ),
    "table per operation": (
        "benchmark --table m.keras --device android --per-op",
        "Expected no --per-op with --table, where nothing reads it; received --per-op.",
    ),
    "table for some seconds": (
        "benchmark --table m.keras --seconds 9",
        "Expected no --seconds with --table",
    ),
    "surgery with a delegate": (
        "benchmark --surgery --delegate none",
        "Expected no --delegate with --surgery",
    ),
    "latency of layers": (
        "benchmark --latency resnet8 --layers 16 32",
        "received --layers 16 32.",
    ),
    "a training step of estimators that has none": (
        "benchmark --training-step lstm --estimators top_k",
        "Expected no --estimators with --training-step lstm",
    ),
    "files in batches": (
        "benchmark {files}/text.tflite --batch 8",
        "Expected no --batch with .tflite files",
    ),
    "a timeout of this computer": (
        "benchmark {files}/text.tflite --timeout 8",
        "Expected no --timeout with .tflite files on host",
    ),
    "an output of what is prepared": (
        "benchmark --device arm64-emulated --prepare -o {out}/a.json",
        "Expected no --output with --prepare",
    ),
    "demo of an unknown data set": (
        "demo --dataset cats --out {out}",
        "Expected name as one of digits",
    ),
    "compare on an unknown data set": (
        "compare --dataset cats --out {out}",
        "Expected name as one of digits",
    ),
    "evidence of a size that it has not": (
        "evidence har --size small --out {out}",
        "Expected --size for ptb only",
    ),
}

#: Numbers out of range, which the parser itself refuses.
NUMBERS = {
    "convert m.keras -o m.tflite --steps 0": "a whole number of at least 1",
    "benchmark --latency resnet8 --models 1": "a whole number of at least 3",
    "benchmark --surgery --layers 4 --rounds 0": "a whole number of at least 1",
    "benchmark --surgery --layers 2": "a whole number of at least 4",
    "benchmark a.tflite --rounds 0": "a whole number of at least 1",
    "benchmark a.tflite --threads 0": "a whole number of at least 1",
    "benchmark a.tflite --seconds 0": "a number above 0",
    "benchmark --training-step lstm --rounds 0": "a whole number of at least 1",
    "benchmark --training-step recurrent --rounds 0": "a whole number of at least 1",
    "benchmark --training-step lstm --batch 0.5": "a whole number of at least 1",
    "demo --seeds 0": "a whole number of at least 1",
    "demo --epochs 0": "a whole number of at least 1",
    "demo --budget 20": "a fraction in (0, 1]",
    "demo --budget nan": "a fraction in (0, 1]",
    "compare --macs 0.3 0": "a fraction in (0, 1]",
    "compare --limit 0": "a whole number of at least 1",
    "evidence har --seeds -1": "a whole number of at least 1",
}


def filled(words: str, files: Path, out: Path) -> list[str]:
    (out / "folder.keras").mkdir()
    places = {"files": files, "out": out, "name": files.name}
    return [word.format(**places) for word in words.split()]


def contents(folder: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


@pytest.mark.parametrize(
    ("words", "sentence", "expected"),
    [
        *((*row, 1) for row in BAD.values()),
        *((*row, 2) for row in MEANINGLESS.values()),
    ],
    ids=[*BAD, *MEANINGLESS],
)
def test_one_sentence_and_nothing_written(
    run, files, tmp_path, words, sentence, expected
):
    arguments = filled(words, files, tmp_path)
    before = contents(files)
    status, out, err = run(*arguments)
    assert status == expected
    assert out == ""
    assert err.startswith("keras-diffmask: Expected ")
    assert err.count("\n") == 1 and err.endswith("\n")
    assert sentence in err
    assert contents(tmp_path) == {"folder.keras": None}
    assert contents(files) == before


@pytest.mark.parametrize(
    "words",
    ["", "bake m.keras", "strip m.keras", "convert m.keras -o x --quantization 4"],
)
def test_words_that_make_no_command(run, words):
    status, out, err = run(*words.split())
    assert status == 2
    assert out == ""
    assert err.startswith("usage: keras-diffmask")


@pytest.mark.parametrize(("words", "range_"), NUMBERS.items(), ids=NUMBERS)
def test_numbers_out_of_range(run, words, range_):
    status, out, err = run(*words.split())
    assert status == 2
    assert out == ""
    assert f": Expected {range_}; received '" in err


def test_unsafe_lets_a_lambda_in(files):
    path = str(files / "lambda.keras")
    assert read_model(path, unsafe=True, console=Console()).built


def test_what_nobody_foresaw_is_one_line_too(run, files, monkeypatch):
    def broken(model):
        raise KeyError("first\nsecond")

    monkeypatch.setattr("keras_diffmask.export.surgery.plan", broken)
    status, _, err = run("plan", files / "plain.keras")
    assert status == 1
    assert err.startswith("keras-diffmask: Unforeseen KeyError: ")
    assert err.count("\n") == 1
    status, _, err = run("plan", files / "plain.keras", "--traceback")
    assert status == 1
    assert "Traceback (most recent call last)" in err


def test_interrupted(run, files, monkeypatch):
    def stopped(model):
        raise KeyboardInterrupt

    monkeypatch.setattr("keras_diffmask.export.surgery.plan", stopped)
    assert run("plan", files / "plain.keras") == (
        1,
        "",
        "keras-diffmask: Interrupted.\n",
    )


def test_from_a_shell(shell, files: Path):
    done: subprocess.CompletedProcess[str] = shell("plan", files / "lambda.keras")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("keras-diffmask: Expected a .keras file without Python code")


def test_json_from_a_shell_is_all_of_stdout(shell, files: Path):
    import json

    done = shell("plan", files / "masked.keras", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["model"] == "tiny"
