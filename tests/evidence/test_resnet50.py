"""Seconds from a stock network to its files, beside the converter alone: quickly."""

import pytest

from keras_diffmask.export.demo.reporter import Silent
from keras_diffmask.export.evidence.resnet50_run import resnet50
from keras_diffmask.export.evidence.settings import Settings

FORMS = ("dense, float32", "stripped, float32")


@pytest.mark.slow
def test_times_of_every_step_beside_the_converter_alone(tmp_path):
    report = resnet50(Settings(out=str(tmp_path / "out"), quick=True), Silent())
    (one,) = report.figures["rounds"]
    assert set(one["steps"]) == {"mask_model", "plan", "strip"}
    assert set(one["conversions"]) == set(FORMS)
    for conversion in one["conversions"].values():
        ours, alone = conversion["bytes"].values()
        # The same network in both; a file of ours holds a few notes less.
        assert abs(ours - alone) < 0.1 * alone
        assert min(conversion["seconds"].values()) > 0
    dense, slim = (one["conversions"][form]["bytes"]["to_tflite"] for form in FORMS)
    assert slim < 0.6 * dense
    assert one["parameters"]["stripped"] < 0.5 * one["parameters"]["dense"]
    assert tuple(row[0] for row in report.tables[1].rows) == FORMS
    assert (tmp_path / "out" / "resnet50.json").is_file()
