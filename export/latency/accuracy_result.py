"""How well latencies were foretold, as frozen data that prints as a table."""

import dataclasses

import numpy as np

from keras_diffmask.export.machine import Machine

ERROR_LIMIT = 0.15


@dataclasses.dataclass(frozen=True)
class Foretold:
    """One stripped model.

    Args:
        macs: multiply-accumulates per inference.
        predicted_us: microseconds, by the latency table of the dense model.
        measured_us: median microseconds of its file.
        spread: half the distance between the quartiles over the rounds, as a
            fraction of the median.
    """

    macs: float
    predicted_us: float
    measured_us: float
    spread: float

    @property
    def error(self) -> float:
        """Of the prediction, as a fraction of what was measured."""
        return abs(self.predicted_us - self.measured_us) / self.measured_us


@dataclasses.dataclass(frozen=True, repr=False)
class AccuracyResult:
    """Everything one call of `latency_accuracy` found.

    Args:
        network: name of the dense model.
        quantization: of the files.
        dense_table_us: the dense model, when the table was measured.
        dense_us: the dense model, next to the stripped ones.
        dense_macs: its multiply-accumulates.
        models: the stripped models.
        rounds: turns through them.
        machine: where it was measured.
        created: time of the measurement, ISO 8601 in UTC.
        error_limit: what the median error may be.
    """

    network: str
    quantization: str
    dense_table_us: float
    dense_us: float
    dense_macs: float
    models: tuple[Foretold, ...]
    rounds: int
    machine: Machine
    created: str
    error_limit: float = ERROR_LIMIT

    def __str__(self) -> str:
        return self.table()

    def __repr__(self) -> str:
        return f"<AccuracyResult of {len(self.models)} models of {self.network}>"

    @property
    def median_error(self) -> float:
        return float(np.median([model.error for model in self.models]))

    @property
    def rank_correlation(self) -> float:
        """Spearman's, of predicted and measured."""
        return _spearman(self._of("predicted_us"), self._of("measured_us"))

    @property
    def rank_correlation_of_macs(self) -> float:
        """Spearman's, of MACs and measured."""
        return _spearman(self._of("macs"), self._of("measured_us"))

    def facts(self) -> dict[str, object]:
        """Plain data, with what follows from it."""
        return {
            **dataclasses.asdict(self),
            "median_error": self.median_error,
            "rank_correlation": self.rank_correlation,
            "rank_correlation_of_macs": self.rank_correlation_of_macs,
        }

    def table(self) -> str:
        """Lines of text; times in microseconds, from the fastest to the slowest."""
        lines = [
            f"{self.machine.cpu}, {self.machine.cores} cores, 1 thread; "
            f"{self.network}, {self.quantization}; times in microseconds, medians of "
            f"{self.rounds} rounds",
            f"{'MACs':>12}  {'of dense':>8}  {'predicted':>9}  {'measured':>9}  "
            f"{'error':>7}  {'spread':>7}",
        ]
        lines += [
            f"{m.macs:>12,.0f}  {m.macs / self.dense_macs:>8.1%}  "
            f"{m.predicted_us:>9.2f}  {m.measured_us:>9.2f}  {m.error:>7.1%}  "
            f"{m.spread:>7.1%}"
            for m in sorted(self.models, key=lambda m: m.measured_us)
        ]
        verdict = "within" if self.median_error <= self.error_limit else "OVER"
        rank, of_macs = self.rank_correlation, self.rank_correlation_of_macs
        lines += [
            f"dense model: {self.dense_us:.2f}; when the table was measured "
            f"{self.dense_table_us:.2f}",
            f"median error {self.median_error:.1%}, {verdict} the limit of "
            f"{self.error_limit:.0%}",
            f"rank correlation with the measured times: predicted {rank:.3f}, "
            f"{'above' if rank > of_macs else 'NOT ABOVE'} that of MACs, {of_macs:.3f}",
        ]
        return "\n".join(lines)

    def _of(self, name: str) -> list[float]:
        return [getattr(model, name) for model in self.models]


def _spearman(a: list[float], b: list[float]) -> float:
    """Pearson's correlation of the ranks; equal values share theirs."""
    ranks = [_ranks(np.asarray(values)) for values in (a, b)]
    x, y = (rank - rank.mean() for rank in ranks)
    size = float(np.sqrt(np.sum(x * x) * np.sum(y * y)))
    return float(np.sum(x * y)) / size if size else 0.0


def _ranks(values: np.ndarray) -> np.ndarray:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    middle = last - (counts - 1) / 2
    return middle[inverse]
