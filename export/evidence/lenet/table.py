"""The tables of LeNets and papers."""

from typing import Any

from keras_diffmask.export.evidence.lenet.networks import (
    DENSE,
    L0,
    LENET_5,
    LENET_300_100,
    TOP_K,
)
from keras_diffmask.export.evidence.report import Sample, Table, sample
from keras_diffmask.export.runs import Figures

#: (network, rule) -> the figures of each seed.
Trials = dict[tuple[str, str], list[Figures]]
#: (network, rule) -> error of frozen features on other images, per seed.
Errors = dict[tuple[str, str], list[float]]
#: What is published of a row, on MNIST; where it was read stands in docs/papers/.
PUBLISHED = {
    (LENET_300_100, L0): "219-214-100, error 1.4 %",
    (LENET_5, L0): "20-25-45-462, error 0.9 %",
    (LENET_5, TOP_K): "error 0.76 % (validation)",
}
HEADER = (
    "network", "method", "test error %", "weights left %", "units", "MACs %",
    "published",
)  # fmt: skip


def table(trials: Trials) -> Table:
    """One row per network and method; mean ± deviation (lowest..highest)."""
    rows = []
    for (network, rule), figures in trials.items():
        left = [one["kept_weights"] / one["weights"] for one in figures]
        units = zip(*(one["kept_units"] for one in figures), strict=True)
        rows.append(
            (
                network,
                rule,
                sample(figures, "test_error").written(".2f", 100),
                Sample(tuple(left)).written(".2f", 100),
                "-".join(f"{sum(each) / len(figures):.0f}" for each in units),
                sample(figures, "macs_share").written(".1f", 100),
                PUBLISHED.get((network, rule), ""),
            )
        )
    return Table(HEADER, tuple(rows), left=(0, 1, 6))


def features_table(errors: Errors, other: str) -> Table:
    """A linear classifier on frozen features, one row per network and method."""
    rows = []
    for (network, rule), found in errors.items():
        points = zip(found, errors[network, DENSE], strict=True)
        worse = Sample(tuple(100 * (one - dense) for one, dense in points))
        rows.append(
            (
                network,
                rule,
                Sample(tuple(found)).written(".2f", 100),
                "" if rule == DENSE else worse.written("+.2f"),
            )
        )
    header = "features of", "method", f"test error % on {other}", "points to dense"
    return Table(header, tuple(rows), left=(0, 1))


def notes(trials: Trials, other: str | None) -> list[str]:
    """What the table comes to.

    Args:
        trials: the figures.
        other: name of the images that the features were tried on, or None.
    """
    lines = [
        "units: inputs that weights read in Dense layers, maps that have weights in "
        "convolutions; mean over the seeds. published: MNIST, trained longer."
    ]
    for (network, rule), figures in trials.items():
        if rule == DENSE:
            continue
        pairs = zip(figures, trials[network, DENSE], strict=True)
        points = Sample(
            tuple(100 * (one["test_error"] - two["test_error"]) for one, two in pairs)
        )
        lines.append(
            f"{network}, {rule}: {points.written('+.2f')} points of error to dense, "
            "paired by seed."
        )
    if other is None:
        lines.append(
            "Features on other images: not run, which takes a --data-dir with the "
            "folders mnist and fashion_mnist."
        )
    return lines


def plain(trials: Trials, errors: Errors) -> list[dict[str, Any]]:
    """All trials as plain data."""
    return [
        {
            "network": network,
            "method": rule,
            "figures": figures,
            "features_error": errors.get((network, rule)),
        }
        for (network, rule), figures in trials.items()
    ]
