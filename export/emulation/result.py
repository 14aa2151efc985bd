"""What emulated cores said, as frozen data: instructions, never milliseconds."""

import dataclasses
import json
import os
from pathlib import Path

from keras_diffmask.atomic import write_atomically
from keras_diffmask.errors import ArtifactError, InvalidArgumentError
from keras_diffmask.export import coding
from keras_diffmask.export.columns import columns
from keras_diffmask.export.device_names import EMULATED
from keras_diffmask.export.machine import Machine

FORMAT = "keras_diffmask.instructions/1"
REMARK = (
    "Instructions of one inference on one thread, counted under QEMU: no caches, no "
    "pipeline, no dual issue. Their ratio guides; it is not a ratio of times."
)


@dataclasses.dataclass(frozen=True)
class CoreCount:
    """One model on one core with one set of kernels.

    Args:
        core: QEMU's name of the core.
        kernels: `"xnnpack"`, LiteRT's default, or `"reference"`.
        instructions: of one inference.
        differing: values that differ from those of this computer's LiteRT with
            the same kernels, of `values`.
        values: how many were compared.
        largest: the largest difference; of integers, in steps.
        relative: the largest difference over the output's largest value.
    """

    core: str
    kernels: str
    instructions: int
    differing: int
    values: int
    largest: float
    relative: float


@dataclasses.dataclass(frozen=True)
class ModelCounts:
    """All of one model's counts.

    Args:
        name: the name given to `benchmark`.
        bytes: size of the `.tflite` file.
        counts: one per core and kernels.
    """

    name: str
    bytes: int
    counts: tuple[CoreCount, ...]


@dataclasses.dataclass(frozen=True, repr=False)
class InstructionCounts:
    """Everything one call of `benchmark(device="arm64-emulated")` found.

    Args:
        models: one entry per model, in the order given.
        examples: random inputs whose answers were compared.
        qemu: version of QEMU.
        machine: the computer that it ran on; of no influence on the counts.
        created: ISO 8601 in UTC.
        device: `"arm64-emulated"`.

    Example:
        >>> found = export.benchmark(files, device="arm64-emulated")
        >>> print(found)
        >>> found.ratio("pruned", "dense", "cortex-a76")
    """

    models: tuple[ModelCounts, ...]
    examples: int
    qemu: str
    machine: Machine
    created: str
    device: str = EMULATED

    def __str__(self) -> str:
        return self.table()

    def __repr__(self) -> str:
        names = ", ".join(model.name for model in self.models)
        return f"<InstructionCounts of {names} on {self.device}>"

    def count(self, name: str, core: str, kernels: str = "xnnpack") -> CoreCount:
        """One model's count on a core.

        Raises:
            InvalidArgumentError: it was not counted.
        """
        known = []
        for model in self.models:
            for found in model.counts:
                if (model.name, found.core, found.kernels) == (name, core, kernels):
                    return found
                known.append(f"{model.name!r} on {found.core} ({found.kernels})")
        raise InvalidArgumentError(
            f"what was counted ({', '.join(known)})",
            f"{name!r} on {core} ({kernels})",
            "Use one of these.",
        )

    def ratio(
        self, name: str, baseline: str, core: str, kernels: str = "xnnpack"
    ) -> float:
        """Instructions of one model over another's.

        Raises:
            InvalidArgumentError: one of them was not counted.
        """
        above = self.count(name, core, kernels).instructions
        return above / self.count(baseline, core, kernels).instructions

    @property
    def equal(self) -> bool:
        """Whether every answer equals this computer's, bit for bit."""
        return not any(one.differing for m in self.models for one in m.counts)

    def table(self) -> str:
        """The counts as lines of text, ratios against the first model."""
        first = self.models[0].name
        rows: list[tuple[str, ...]] = [
            ("core", "kernels", "model", "bytes", "instructions")
            + (f"/ {first}", "values that differ from this computer's")
        ]
        for place, base in enumerate(self.models[0].counts):
            for model in self.models:
                own = model.counts[place]
                rows.append(
                    (own.core, own.kernels, model.name, f"{model.bytes:,}")
                    + (f"{own.instructions:,}",)
                    + (f"{own.instructions / base.instructions:.3f}", _answers(own))
                )
        versions = self.machine.libraries
        return "\n".join(
            [
                f"QEMU {self.qemu}, LiteRT {versions.get('ai-edge-litert', '?')} for "
                f"aarch64; answers to {self.examples} random inputs compared",
                REMARK,
                "",
                *columns(rows, left=(0, 1, 2, 6)),
            ]
        )

    def to_json(self) -> str:
        """The result as a JSON document that `from_json` reads back."""
        document = {"format": FORMAT, **dataclasses.asdict(self)}
        return json.dumps(document, indent=1, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> "InstructionCounts":
        """Reads what `to_json` wrote.

        Raises:
            ArtifactError: the text is not such a document.
        """
        try:
            document = json.loads(text)
            if document.pop("format") != FORMAT:
                raise ValueError("another format")
            made: InstructionCounts = coding.decode(cls, document)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ArtifactError(
                f"the JSON document of instruction counts (format {FORMAT!r})",
                f"text={text[:40]!r}",
                "Pass the text that InstructionCounts.to_json() or .save() wrote.",
            ) from error
        return made

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Writes the JSON document, whole or not at all.

        Raises:
            ArtifactError: the path cannot be written.
        """
        text = self.to_json() + "\n"
        return write_atomically(path, lambda file: file.write_text(text, "utf-8"))


def _answers(own: CoreCount) -> str:
    if not own.differing:
        return f"none of {own.values:,}"
    return f"{own.differing:,} of {own.values:,}, by at most {own.relative:.0e} of all"
