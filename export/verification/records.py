"""The records that a verification is made of."""

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

from keras_diffmask.atomic import write_atomically
from keras_diffmask.errors import InvalidArgumentError

FORMAT = "keras_diffmask.verification/1"


@dataclasses.dataclass(frozen=True)
class Pair:
    """How far two of the sides were from each other.

    LSB is one integer step of the file's output. Both sides are put on that grid
    first, the float ones by rounding. The four figures of it are None for a file
    with float outputs, the two of argmax where no output has classes to choose
    among.

    Args:
        first: one side, such as "keras".
        second: the other side.
        max_error: largest absolute difference of the real values.
        rms_error: root mean square of the differences.
        argmax: share of examples for which both choose the same class.
        argmax_or_tie: share for which they do, or the two classes they choose are
            within 1 LSB of each other on either side.
        max_lsb: largest difference in LSB.
        exact: share of the outputs that are equal.
        within_1: share of the outputs that are within 1 LSB.
        within_2: share of the outputs that are within 2 LSB.
    """

    first: str
    second: str
    max_error: float
    rms_error: float
    argmax: float | None
    argmax_or_tie: float | None
    max_lsb: int | None
    exact: float | None
    within_1: float | None
    within_2: float | None


@dataclasses.dataclass(frozen=True)
class LayerError:
    """How far one tensor of the file was from a Keras layer's output.

    Args:
        layer: the Keras layer, the last of those that the operator stands for.
        op: the operator that wrote the tensor.
        tensor: the tensor's name in the file.
        relative_error: rms error over the rms of the Keras layer's output.
        resolution: rms error that rounding to the tensor's own steps makes, over
            the same; None for a float tensor. An error near it is the grid's, a
            larger one comes from the operators before.
    """

    layer: str
    op: str
    tensor: str
    relative_error: float
    resolution: float | None


@dataclasses.dataclass(frozen=True, repr=False)
class Verification:
    """What `verify` found.

    Args:
        name: the artifact's name.
        quantization: the artifact's quantization.
        samples: number of examples.
        lsb: size of one integer step of each output; None for a float output.
        sides: what was compared, in the order of the table.
        pairs: one entry per two of them.
        notes: sides that are missing and why, and what was paired by its place.
        layers: with `per_layer=True`, the tensors that belong to a Keras layer for
            certain, in the order of execution; None otherwise.
        unmatched: how many operators' outputs belong to no layer for certain.
    """

    name: str
    quantization: str
    samples: int
    lsb: tuple[float | None, ...]
    sides: tuple[str, ...]
    pairs: tuple[Pair, ...]
    notes: tuple[str, ...] = ()
    layers: tuple[LayerError, ...] | None = None
    unmatched: int = 0

    def __str__(self) -> str:
        return self.table()

    def __repr__(self) -> str:
        return f"<Verification of {self.name!r} with {self.samples:,} examples>"

    def pair(self, first: str, second: str) -> Pair:
        """The comparison of two sides, named in either order.

        Args:
            first: a side, such as "tflm".
            second: another one.

        Raises:
            InvalidArgumentError: these two were not compared.
        """
        for pair in self.pairs:
            if {pair.first, pair.second} == {first, second}:
                return pair
        raise InvalidArgumentError(
            f"two of {', '.join(map(repr, self.sides))}",
            f"{first!r} and {second!r}",
            "Name two sides of this verification.",
        )

    def table(self) -> str:
        """The comparisons, and the layers where they were asked for, as text."""
        from keras_diffmask.export.verification.text import render

        return render(self)

    def to_dict(self) -> dict[str, Any]:
        """All figures as plain data, for JSON."""
        return {"format": FORMAT, **dataclasses.asdict(self)}

    def save(self, path: str | os.PathLike) -> Path:
        """Writes the figures as a JSON file.

        Args:
            path: where to; an existing file is replaced.

        Raises:
            ArtifactError: the path cannot be written.
        """
        text = json.dumps(self.to_dict(), indent=1, allow_nan=False) + "\n"
        return write_atomically(path, lambda file: file.write_text(text, "utf-8"))

    def plot(self, path: str | os.PathLike) -> Path:
        """Draws the agreement of every pair, and the error of every layer.

        Args:
            path: the .png file to write; an existing one is replaced.

        Raises:
            ArtifactError: the path cannot be written.
            MissingDependencyError: matplotlib is not installed.
        """
        from keras_diffmask.export.verification.picture import draw

        return draw(self, path)
