"""Ratios of this computer against those of LiteRT's own tool, and ten times over."""

import json
import statistics
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from keras_diffmask import export

#: Name -> (kind of convolution, quantization, size of the image). Both models take
#: 1 to 3 ms, within the time slice that a busy computer gives.
NETWORKS = {
    "convolutions, float32": ("conv", None, 36),
    "convolutions, int8": ("conv", "int8", 60),
    "depthwise, int8": ("depthwise", "int8", 84),
}
PROCESSES, ROUNDS, SECONDS = 5, 150, 2.0


def network(kind: str, width: int, size: int):
    import keras

    keras.utils.set_random_seed(0)
    inputs = x = keras.Input((size, size, 3))
    x = keras.layers.Conv2D(width, 3, padding="same", activation="relu")(x)
    for _ in range(3):
        if kind == "depthwise":
            x = keras.layers.DepthwiseConv2D(3, padding="same", activation="relu")(x)
            x = keras.layers.Conv2D(width, 1, activation="relu")(x)
        else:
            x = keras.layers.Conv2D(width, 3, padding="same", activation="relu")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(10)(x))


@pytest.fixture(params=NETWORKS, ids=lambda name: name.replace(", ", "-"))
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Path]:
    pytest.importorskip("tensorflow")
    pytest.importorskip("ai_edge_litert")
    kind, quantization, size = NETWORKS[request.param]
    images = np.random.default_rng(0).random((32, size, size, 3), np.float32)
    files = {}
    for name, width in (("dense", 64), ("pruned", 48)):
        files[name] = tmp_path / f"{name}.tflite"
        model = network(kind, width, size)
        export.to_tflite(model, quantization, calibration=images).save(files[name])
    return files


def litert_ms(file: Path) -> float:
    """The fastest of LiteRT's own Python tool, in a process of its own."""
    program = Path(sys.executable).with_name("litert-benchmark")
    if not program.exists():
        pytest.skip("no litert-benchmark, of ai-edge-litert 2.3")
    result = file.with_suffix(".json")
    words = ["--model", file, "--num_runs", "30", "--warmup_runs", "5"]
    words += ["--num_threads", "1", "--result_json", result]
    subprocess.run([program, *map(str, words)], check=True, capture_output=True)
    return json.loads(result.read_text())["latency"]["min_ms"]


@pytest.mark.long
def test_ratios_agree_with_litert_and_with_themselves(
    pair: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    theirs = []
    for _ in range(PROCESSES):
        dense, pruned = litert_ms(pair["dense"]), litert_ms(pair["pruned"])
        assert min(dense, pruned) >= 1.0
        theirs.append(pruned / dense)
    ours = [
        export.benchmark(pair, rounds=ROUNDS, seconds=SECONDS)
        .ratio("pruned", "dense")
        .median
        for _ in range(10)
    ]
    reference, middle = statistics.median(theirs), statistics.median(ours)
    spread = (max(ours) - min(ours)) / middle
    with capsys.disabled():
        print(
            f"\nratio {middle:.3f}, ten times within {spread:.1%}; litert-benchmark "
            f"{reference:.3f} ({min(theirs):.3f}..{max(theirs):.3f})"
        )
    assert middle == pytest.approx(reference, rel=0.10)
    assert spread < 0.05
