"""The language model's table, beside the published rows."""

import dataclasses

from keras_diffmask.export.evidence.report import Table
from keras_diffmask.export.runs import Figures

HEADER = (
    "model", "valid", "test perplexity", "input and hidden neurons", "parameters",
    "mult-adds / word", "fewer", "faster, batch 1", "batch 20",
)  # fmt: skip
#: The batch sizes that are timed, as JSON writes them.
BATCHES = ("1", "20")
NONE = "-"
#: Wen et al., arXiv:1709.05027, on two layers of 1500; perplexities as its text
#: gives them, parameters and mult-adds by arithmetic from its sizes. Biases are
#: left out in these counts; the speed-ups are the authors' own.
PUBLISHED = (
    ("published: dense, keep 0.35", "82.57", "78.57", "1500 1500 1500",
     "66.0 M", "51.0 M", "1.00x", "1.00x", NONE),
    ("published: ISS", "82.59", "78.65", "1500 373 315",
     "21.8 M", "6.8 M", "7.49x", "10.59x", NONE),
    ("published: ISS, smaller lambda", "80.24", "76.03", "1500 381 535",
     "25.2 M", "10.2 M", "5.01x", "7.10x", NONE),
    ("published: neuron selection", "as dense", "as dense", "not found",
     "not found", "not found", "not found", "nearly 20x", NONE),
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Pair:
    """The two trainings of one seed.

    Args:
        seed: the seed.
        dense, gated: figures of the trainings (`language_trial.run_trial`).
        latency: what `language_latency.measure` found for the two.
    """

    seed: int
    dense: Figures
    gated: Figures
    latency: Figures

    def faster(self, batch: str) -> float:
        """Time of the dense model over the stripped one's."""
        return float(self.latency[batch]["speed_up"])


def table(pairs: list[Pair], units: int) -> Table:
    """Our dense and stripped models, seed by seed, and the published rows.

    Args:
        pairs: one per seed.
        units: width of the dense model's layers.
    """
    rows = []
    for pair in pairs:
        seed = f", seed {pair.seed}" if len(pairs) > 1 else ""
        fewer = pair.dense["mult_adds"] / pair.gated["mult_adds"]
        ratios = (fewer, *(pair.faster(batch) for batch in BATCHES))
        rows.append(_row(f"dense, 2 x {units}{seed}", pair.dense, (1.0, 1.0, 1.0)))
        rows.append(_row(f"gated, stripped{seed}", pair.gated, ratios))
    return Table(HEADER, (*rows, *PUBLISHED))


def _row(label: str, figures: Figures, ratios: tuple[float, ...]) -> tuple[str, ...]:
    widths = (figures["embedding"], *figures["hidden"])
    return (
        label,
        f"{figures['valid']:.2f}",
        f"{figures['test']:.2f}",
        " ".join(map(str, widths)),
        f"{figures['parameters'] / 1e6:.2f} M",
        f"{figures['mult_adds'] / 1e6:.2f} M",
        *(f"{ratio:.2f}x" for ratio in ratios),
    )


def notes(pairs: list[Pair]) -> list[str]:
    """What the table comes to."""
    lines = []
    for pair in pairs:
        change = pair.gated["test"] / pair.dense["test"] - 1.0
        kept = ", ".join(
            f"{name} {count} of {total}"
            for name, (count, total) in pair.gated["kept"].items()
        )
        lines.append(
            f"Seed {pair.seed}: test perplexity of the stripped model {change:+.1%} "
            f"to dense; kept neurons: {kept}."
        )
        lines += [_timed(pair.latency, batch) for batch in BATCHES]
    lines.append("The published rows are of 2 x 1500, on other computers.")
    return lines


def _timed(latency: Figures, batch: str) -> str:
    found = latency[batch]
    times = ", ".join(
        f"{n} {value:.2f} ms" for n, value in found["milliseconds"].items()
    )
    return (
        f"Batch {batch} of {latency['steps']} words: {times}; "
        f"{found['speed_up']:.2f}x ({found['low']:.2f}..{found['high']:.2f}), "
        f"{latency['engine']}."
    )
