"""The surgery benchmark, and the families of networks it is run on."""

import keras
import pytest

from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.export.benchmarking import networks, surgery
from keras_diffmask.export.benchmarking.records import Ratio
from keras_diffmask.export.benchmarking.surgery_result import (
    Growth,
    SurgeryResult,
    SurgeryTimes,
)
from keras_diffmask.masking import gates


@pytest.fixture
def cheap(stage, monkeypatch):
    """A fake clock that each surgery moves on by 10 ms per layer, strip by 20."""
    clock, log, _ = stage

    def surgeon(name, cost):
        def operate(model):
            closed = {int(gate.keep.sum()) * 2 == gate.units for gate in gates(model)}
            assert closed == {True}
            log.append(name)
            clock.now += cost * surgery._kernels(model)

        return operate

    monkeypatch.setattr(surgery, "plan", surgeon("p", 10_000_000))
    monkeypatch.setattr(surgery, "strip", surgeon("s", 20_000_000))
    # Python's collector walks what all tests before left, many times over.
    monkeypatch.setattr(surgery._Operation, "prepare", lambda operation: None)
    monkeypatch.setattr(surgery, "resnet50", lambda: networks.dense_chain(5))
    # What is long is to mask convolutions, which nobody times here.
    chains = dict.fromkeys(surgery.FAMILIES, networks.dense_chain)
    monkeypatch.setattr(surgery, "FAMILIES", chains)
    return clock, log


def test_times_and_growth_on_a_fake_clock(cheap):
    clock, log = cheap
    told = []
    result = surgery.surgery_times(
        (4, 32), rounds=2, clock=clock, progress=lambda *parts: told.append(parts)
    )
    assert [(t.model, t.layers) for t in result.times] == [
        ("conv", 4), ("conv", 32), ("dense", 4), ("dense", 32), ("ResNet50", 5),
    ]  # fmt: skip
    assert result.times[1].plan_s == pytest.approx((0.32, 0.32))
    assert result.times[1].strip_s == pytest.approx((0.64, 0.64))
    assert result.times[1].both_s == pytest.approx((0.96, 0.96))
    for growth in result.growth:
        assert (growth.ratio.name, growth.ratio.baseline) == ("32", "4")
        assert growth.ratio.median == pytest.approx(8.0)
        assert growth.limit == 10.0
    assert told == [(done, 6) for done in range(1, 7)]
    # In turns, and the other way round in the next round; one strip to warm up.
    assert "".join(log[:9]) == "s" + "psps" + "spsp"


def _result(ratio: float, seconds: float) -> SurgeryResult:
    growth = Growth("conv", Ratio("512", "64", ratio, ratio, ratio, 3), 10.0)
    half = (seconds / 2,) * 3
    times = (SurgeryTimes("ResNet50", 54, half, half),)
    return SurgeryResult(times, (growth,), 3, surgery.machine(), "2026-01-01")


def test_the_table_says_what_is_over_its_limit():
    good, bad = _result(8.0, 2.0).table(), _result(11.0, 4.0).table()
    assert "t(512) / t(64) = 8.000 (8.000..8.000), within the limit of 10" in good
    assert "together 2.00 (2.00..2.00) s, within the limit of 3 s" in good
    assert "t(512) / t(64) = 11.000 (11.000..11.000), OVER the limit of 10" in bad
    assert "together 4.00 (4.00..4.00) s, OVER the limit of 3 s" in bad


@pytest.mark.parametrize("layers", [(), (3,), (2, 4), (8, 4), (4, 4)])
def test_sizes_that_make_no_series_are_refused(layers):
    with pytest.raises(InvalidArgumentError, match="even numbers of at least 4"):
        surgery.surgery_times(layers, rounds=1)


def test_no_rounds_are_refused():
    with pytest.raises(InvalidArgumentError, match="rounds=0"):
        surgery.surgery_times((4,), rounds=0)


@pytest.mark.parametrize("make", [networks.conv_chain, networks.dense_chain])
@pytest.mark.parametrize("layers", [4, 10])
def test_the_families_have_as_many_layers_as_asked(make, layers):
    model = make(layers)
    kernels = [layer for layer in model.layers if hasattr(layer, "kernel")]
    assert len(kernels) == layers
    assert all(layer.kernel.shape[-1] == 8 for layer in kernels[:-1])
    assert isinstance(model, keras.Model) and model.output_shape == (None, 10)
