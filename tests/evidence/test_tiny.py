"""The table of MLPerf Tiny's shapes, quickly; and that the shapes are right."""

import json

import pytest

from keras_diffmask.export.cli import main
from keras_diffmask.export.evidence.tiny.networks import NETWORKS
from keras_diffmask.export.evidence.tiny.trial import weight_bytes
from keras_diffmask.export.surgery import plan
from keras_diffmask.export.tflm import has_tflm

# Parameters: the benchmark's own less the biases of convolutions (576 and 2,736), for
# which a BatchNormalization follows. Multiply-accumulates: of the benchmark.
SIZES = {
    "DS-CNN": (24_332, 2_656_768),
    "MobileNetV1-0.25": (219_058, 7_489_664),
    "ResNet-8": (78_666, 12_501_632),
    "auto-encoder": (269_992, 264_192),
    "2 LSTM": (53_004, 49 * (4 * 64 * (10 + 64) + 4 * 64 * 128) + 64 * 12),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_sizes_are_the_benchmarks(name):
    model = NETWORKS[name]()
    assert (model.count_params(), plan(model).macs[0]) == SIZES[name]


@pytest.mark.slow
@pytest.mark.skipif(not has_tflm(), reason="tflite-micro is not installed")
def test_quick_table(tmp_path, capsys):
    words = ["evidence", "tiny", "--quick", "--out", str(tmp_path / "out"), "--json"]
    assert main(words) == 0
    report = json.loads(capsys.readouterr().out)
    assert json.loads((tmp_path / "out" / "tiny.json").read_text()) == report
    assert set(report["figures"]) == {"DS-CNN", "2 LSTM"}
    for name, forms in report["figures"].items():
        dense, slim = forms["dense"], forms["stripped"]
        assert dense["macs"] == SIZES[name][1]
        assert 0.2 * dense["macs"] < slim["macs"] <= 0.3 * dense["macs"]
        for size in ("file_bytes", "weight_bytes", "arena"):
            assert slim[size] < dense[size]
        assert dense["weight_bytes"] < dense["file_bytes"]
        for figures in forms.values():
            # An LSTM's sigmoid and tanh are computed in other ways.
            recurrent = figures["recurrent"]
            assert figures["max_lsb"] <= (2 if recurrent else 1)
            assert figures["exact"] > (0.4 if recurrent else 0.95)
        if dense["vela"] is not None:
            assert slim["vela"]["total_cycles"] < dense["vela"]["total_cycles"]
            assert dense["vela"]["configuration"].startswith("Ethos_U55_128 at 500")


def test_nothing_is_trained(capsys):
    assert main(["evidence", "tiny", "--epochs", "3"]) == 2
    assert "no training for tiny; received --epochs" in capsys.readouterr().err


def test_weight_bytes_are_the_constants():
    tensorflow = pytest.importorskip("tensorflow")

    kernel = tensorflow.constant([[0.1 * i + j for j in range(4)] for i in range(16)])
    product = tensorflow.function(
        lambda x: tensorflow.matmul(x, kernel), autograph=False
    )
    traced = product.get_concrete_function(tensorflow.TensorSpec((1, 16), "float32"))
    converter = tensorflow.lite.TFLiteConverter.from_concrete_functions([traced])
    # 16 x 4 floats, and what the converter notes.
    assert 256 <= weight_bytes(converter.convert()) <= 256 + 128
