"""The table of VGG-16 and ResNet-56, and what it comes to."""

from keras_diffmask.export.evidence.report import Sample, Table, sample
from keras_diffmask.export.evidence.scp.networks import RESNET_56, VGG_16
from keras_diffmask.export.evidence.scp.trial import DENSE
from keras_diffmask.export.runs import Figures

#: (network, method) -> the figures of each seed.
Trials = dict[tuple[str, str], list[Figures]]
#: On CIFAR-10; where they were read stands in docs/papers/operation_aware.md.
PUBLISHED = {
    VGG_16: "93.79 (-0.06), 66.23 % fewer FLOPs",
    RESNET_56: "93.23 (-0.46), 51.50 % fewer FLOPs",
}
HEADER = (
    "network", "method", "test accuracy %", "points to dense", "MACs %",
    "parameters %", "channels", "s / epoch, least", "published",
)  # fmt: skip


def table(trials: Trials) -> Table:
    """One row per network and method; mean ± deviation (lowest..highest)."""
    rows = []
    for (network, method), figures in trials.items():
        is_dense = method == DENSE
        rows.append(
            (
                network,
                method,
                sample(figures, "test").written(".2f", 100),
                "" if is_dense else points(trials, network, method).written("+.2f"),
                sample(figures, "macs_share").written(".1f", 100),
                sample(figures, "parameters_share").written(".1f", 100),
                "" if is_dense else _channels(figures),
                f"{min(sample(figures, 'epoch_seconds').values):.1f}",
                "" if is_dense else PUBLISHED[network],
            )
        )
    return Table(HEADER, tuple(rows), left=(0, 1, 8))


def points(trials: Trials, network: str, method: str) -> Sample:
    """Per seed, points of test accuracy above the dense network."""
    pairs = zip(trials[network, method], trials[network, DENSE], strict=True)
    return Sample(tuple(100 * (one["test"] - dense["test"]) for one, dense in pairs))


def _channels(figures: list[Figures]) -> str:
    kept = sum(sum(one["channels"]) for one in figures) / len(figures)
    return f"{kept:.0f} of {sum(figures[0]['channels_of'])}"


def notes(trials: Trials) -> list[str]:
    """What is to be known of the table."""
    lines = [
        "published: on CIFAR-10 as it was made, 160 epochs; the points to their own "
        "dense network are what compares.",
        f"{RESNET_56}: gates on the channels inside of its blocks. The authors also "
        "mask what a block reads off the sum of those before it, of which no channel "
        "can leave.",
    ]
    for (network, method), figures in trials.items():
        off = max(abs(one["masked_test"] - one["test"]) for one in figures)
        if method != DENSE:
            lines.append(
                f"{network}: stripped to masked network {100 * off:.2f} points of "
                "accuracy at most; nothing was trained in between."
            )
    return lines
