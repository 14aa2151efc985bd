"""Seconds from a stock network to its files, beside the converter alone: quickly."""

import pytest

from keras_diffmask.export.demo.reporter import Silent
from keras_diffmask.export.evidence.resnet50.run import resnet50
from keras_diffmask.export.evidence.settings import Settings


@pytest.mark.slow
def test_times_of_every_step_beside_the_converter_alone(tmp_path):
    report = resnet50(Settings(out=str(tmp_path / "out"), quick=True), Silent())
    (one,) = report.figures["rounds"]
    assert set(one["steps"]) == {"mask_model", "plan", "strip"}
    (form,) = one["conversions"]
    conversion = one["conversions"][form]
    ours, alone = conversion["bytes"].values()
    # The same network in both; a file of ours holds a few notes less.
    assert abs(ours - alone) < 0.1 * alone
    assert (
        4 * one["parameters"]["stripped"]
        < ours
        < 1.5 * 4 * one["parameters"]["stripped"]
    )
    assert min(conversion["seconds"].values()) > 0
    assert one["parameters"]["stripped"] < 0.5 * one["parameters"]["dense"]
    assert [row[0] for row in report.tables[1].rows] == [form] == ["stripped, float32"]
    assert (tmp_path / "out" / "resnet50.json").is_file()
