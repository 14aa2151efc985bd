"""A latency table: what each operator of one model takes on one device."""

import dataclasses
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keras_diffmask.atomic import write_atomically
from keras_diffmask.costs.interpolation import Grid
from keras_diffmask.costs.latency_text import render
from keras_diffmask.errors import ArtifactError, BudgetError
from keras_diffmask.lowering import Op, Program

_FORMAT = "keras_diffmask.latency/1"


@dataclass(frozen=True)
class LatencyRow:
    """Times of one operator at several numbers of channels.

    Args:
        place: of the operator in the dense model's compiled program.
        layer: name of the Keras layer that it comes from.
        kind: TFLite's name of it.
        inputs: numbers of input channels, rising; one number, the dense
            model's, where the time was not measured against them.
        outputs: the same for the output channels.
        ns: `ns[i][j]` nanoseconds at `inputs[i]` and `outputs[j]`, with what
            any call of a model takes off.
        spread: half the distance between the quartiles of the dense operator's
            time, as a fraction of it.
    """

    place: int
    layer: str
    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    ns: tuple[tuple[float, ...], ...]
    spread: float = 0.0

    @property
    def grid(self) -> Grid:
        """As a table to interpolate in."""
        return Grid(
            tuple(map(float, self.inputs)), tuple(map(float, self.outputs)), self.ns
        )


@dataclass(frozen=True, repr=False)
class LatencyTable:
    """What `export.measure_latency` found, as plain data; `print` shows it.

    It belongs to one dense model, whatever its layers are called, and to the
    device that it was measured on. With t the interpolated rows,

        latency = call_ns + scale x sum of t

    Args:
        model: name of the dense model.
        fingerprint: of its operators and their sizes, see `fingerprint`.
        rows: one per operator that was measured.
        call_ns: what a call of the model takes that no pruning changes.
        scale: the dense model as a whole over the sum of its parts.
        dense_ns: the dense model as a whole, measured.
        fixed: places of operators that could only be timed as they are.
        quantization: of the files that were timed, `"int8"` or `"float32"`.
        device: `"host"`, the computer that measured, or a device's address.
        machine: its processor and system.
        engine: what ran the files, with its version.
        created: time of the measurement, ISO 8601 in UTC.

    Example:

    >>> table = export.measure_latency(model)
    >>> table.save("latency.json")
    >>> budget = kd.Budget(latency="10 ms", latency_table=table)
    """

    model: str
    fingerprint: str
    rows: tuple[LatencyRow, ...]
    call_ns: float = 0.0
    scale: float = 1.0
    dense_ns: float = 0.0
    fixed: tuple[int, ...] = ()
    quantization: str = "int8"
    device: str = "host"
    machine: str = ""
    engine: str = ""
    created: str = ""

    def __str__(self) -> str:
        return render(self)

    def __repr__(self) -> str:
        return f"<LatencyTable of {self.model} on {self.device}>"

    def check(self, program: Program, sums: list[float]) -> None:
        """Refuse a model that the table was not measured on.

        Args:
            program: the dense model's compiled program.
            sums: units of each gate, and 1 last.

        Raises:
            BudgetError: its operators, or their sizes, are not the table's.
        """
        if fingerprint(program, sums) == self.fingerprint:
            return
        last = max((row.place for row in self.rows), default=-1) + 1
        raise BudgetError(
            f"the latency table of the model that is masked, of {len(program.ops)} "
            "operators",
            f"one measured on {self.model!r}, of {last} or more, or of other sizes",
            "Measure this model: latency_table=export.measure_latency(model).",
        )

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write a JSON document, whole or not at all.

        Args:
            path: file to write; an existing one is replaced.

        Returns:
            The path written.

        Raises:
            ArtifactError: the path cannot be written.
        """
        document = {"format": _FORMAT, **dataclasses.asdict(self)}
        text = json.dumps(document, allow_nan=False) + "\n"
        return write_atomically(path, lambda file: file.write_text(text, "utf-8"))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "LatencyTable":
        """Read what `save` wrote.

        Raises:
            ArtifactError: the file is missing or is no such document.
        """
        try:
            document = json.loads(Path(path).read_text("utf-8"))
            if document.pop("format") != _FORMAT:
                raise ValueError("another format")
            rows = tuple(map(_row, document.pop("rows")))
            fixed = tuple(document.pop("fixed"))
            return cls(rows=rows, fixed=fixed, **document)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ArtifactError(
                f"the JSON document of a latency table (format {_FORMAT!r})",
                f"path={str(path)!r} ({type(error).__name__}: {error})",
                "Pass the path that LatencyTable.save() wrote.",
            ) from error


def _row(entry: dict[str, Any]) -> LatencyRow:
    for name in ("inputs", "outputs"):
        entry[name] = tuple(entry[name])
    entry["ns"] = tuple(map(tuple, entry["ns"]))
    return LatencyRow(**entry)


def fingerprint(program: Program, sums: list[float]) -> str:
    """What is the same for two models of equal operators and sizes.

    Args:
        program: compiled, of the dense model.
        sums: units of each gate, and 1 last.
    """
    found = [
        [op.kind, *(round(size, 6) for size in entries(program, op, sums))]
        + [round(float(w.size.of(sums)), 6) for w in op.weights]
        for op in program.ops
    ]
    return hashlib.sha256(json.dumps(found).encode()).hexdigest()[:16]


def entries(program: Program, op: Op, sums: list[float]) -> tuple[float, float]:
    """Of the first activation that an operator takes, and of its first output."""
    source = program.tensors[op.inputs[0]].size
    result = program.tensors[op.outputs[0]].size
    return float(source.of(sums)), float(result.of(sums))
