"""What the demo was asked to do."""

import dataclasses
from pathlib import Path

from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.export.demo.folder import results_folder

QUICK_EXAMPLES = 200
QUICK_EPOCHS = 3


@dataclasses.dataclass(frozen=True)
class Settings:
    """What the demo was asked to do; every default is the shell's.

    Args:
        task: `"image"` or `"sequence"`.
        dataset: name of a data set; by default the digits, or what `data_dir`
            holds.
        data_dir: folder with the files of a data set.
        budget: MACs of the pruned network, as a fraction of the dense one's.
        epochs: epochs of each network; by default the data set's own number.
        seeds: how many times everything is trained, with seeds from 0.
        out: folder for the results; made if its parent exists.
        quick: one seed, three epochs and 200 examples, to see that it works;
            the accuracies mean nothing then.

    Raises:
        InvalidArgumentError: `seeds` or `budget` is out of range.
    """

    task: str = "image"
    dataset: str | None = None
    data_dir: str | None = None
    budget: float = 0.2
    epochs: int | None = None
    seeds: int = 3
    out: str = "demo-results"
    quick: bool = False

    def __post_init__(self) -> None:
        if self.seeds < 1:
            raise InvalidArgumentError(
                "at least 1 seed", f"seeds={self.seeds!r}", "Pass 1 or more."
            )
        if not 0 < self.budget <= 1:
            raise InvalidArgumentError(
                "a budget in (0, 1], a fraction of the dense network's MACs",
                f"budget={self.budget!r}",
                "Pass for example 0.2.",
            )

    def resolved(self) -> "Settings":
        """These settings with what `quick` stands for written out."""
        if not self.quick:
            return self
        return dataclasses.replace(self, seeds=1, epochs=self.epochs or QUICK_EPOCHS)

    @property
    def limit(self) -> int | None:
        """Examples to train on, or `None` for all."""
        return QUICK_EXAMPLES if self.quick else None

    def folder(self) -> Path:
        """The folder of the results, made if it is missing.

        Raises:
            ArtifactError: it cannot be made, or is a file.
        """
        return results_folder(self.out)
