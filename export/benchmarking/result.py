"""What a benchmark found, as frozen data that can be saved, read and printed."""

import dataclasses
import json
import os
from pathlib import Path

from keras_diffmask.atomic import write_atomically
from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.export.benchmarking.records import (
    ModelTimes,
    Ratio,
    Tool,
)
from keras_diffmask.export.benchmarking.saved import FORMAT, decode
from keras_diffmask.export.benchmarking.text import render
from keras_diffmask.export.devices import Conditions, DeviceFacts
from keras_diffmask.export.machine import Machine


@dataclasses.dataclass(frozen=True, repr=False)
class BenchmarkResult:
    """Everything one call of `benchmark` found.

    Args:
        models: one entry per model, in the order given.
        machine: this computer, which has measured or has driven the device.
        device: `"host"`, `"android:SERIAL"` or `"ssh:user@host"`.
        threads: threads each model could use.
        created: time of the measurement, ISO 8601 in UTC.
        facts: what the device is; None on this computer.
        tool: the program that measured there; None on this computer.
        conditions: temperatures and frequencies of the device, before the first
            round and after each.
        commands: lines that repeat it by hand.
        remarks: what speaks against the figures, such as throttling.
        unfinished: why it ended before all rounds were done; empty where all
            were.

    Example:
        >>> result = export.benchmark({"dense": "dense.tflite", "small": "s.tflite"})
        >>> print(result)
        >>> result.ratio("small", "dense").median
        >>> result.save("benchmark.json")
    """

    models: tuple[ModelTimes, ...]
    machine: Machine
    device: str
    threads: int
    created: str
    facts: DeviceFacts | None = None
    tool: Tool | None = None
    conditions: tuple[Conditions, ...] = ()
    commands: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    unfinished: str = ""

    def __str__(self) -> str:
        return self.table()

    def __repr__(self) -> str:
        names = ", ".join(model.name for model in self.models)
        return f"<BenchmarkResult of {names} on {self.device}>"

    def __getitem__(self, name: str) -> ModelTimes:
        for model in self.models:
            if model.name == name:
                return model
        names = ", ".join(repr(model.name) for model in self.models)
        raise InvalidArgumentError(
            f"the name of a measured model ({names})",
            f"name={name!r}",
            "Use one of these names.",
        )

    def ratio(self, name: str, baseline: str) -> Ratio:
        """Time of one model over another's.

        Args:
            name: the model above the line.
            baseline: the model below it.

        Returns:
            Median over rounds of the per-round ratio, with its p5 and p95;
            below 1 the first model is the faster. Within a round the fastest
            inferences are compared, on a device the medians.

        Raises:
            InvalidArgumentError: a name was not measured.
        """
        above, below = self[name].compared_us, self[baseline].compared_us
        # An unfinished measurement may have one round more of one of them.
        shared = min(len(above), len(below))
        return Ratio.of(name, baseline, above[:shared], below[:shared])

    def table(self) -> str:
        """The result as lines of text, times in microseconds.

        Returns:
            One line per model and, where measured, one per operation.
        """
        return render(self)

    def to_json(self) -> str:
        """The result as a JSON document that `from_json` reads back."""
        return json.dumps(
            {"format": FORMAT, **dataclasses.asdict(self)}, indent=1, allow_nan=False
        )

    @classmethod
    def from_json(cls, text: str) -> "BenchmarkResult":
        """Reads what `to_json` wrote.

        Args:
            text: the JSON document.

        Returns:
            A result equal to the one written.

        Raises:
            ArtifactError: the text is not such a document.
        """
        return decode(text)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Writes the JSON document, whole or not at all.

        Args:
            path: file to write; an existing one is replaced.

        Returns:
            The path written.

        Raises:
            ArtifactError: the path cannot be written.
        """
        text = self.to_json() + "\n"
        return write_atomically(path, lambda file: file.write_text(text, "utf-8"))
