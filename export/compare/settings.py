"""What the comparison was asked to do."""

import dataclasses

from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.export.compare.methods import Method, methods
from keras_diffmask.export.demo.recipes import Recipe

QUICK_EXAMPLES = 200
QUICK_EPOCHS = 2
#: Chosen on the validation part, for the dense network.
EPOCHS, BATCH_SIZE, LEARNING_RATE, WEIGHT_DECAY = 6, 128, 3e-3, 1e-3


@dataclasses.dataclass(frozen=True)
class Settings:
    """What the comparison was asked to do; every default is the shell's.

    Args:
        estimators: names of estimators; all, by default.
        budgets: fractions of the dense network's MACs.
        dataset: name of an image data set; by default what `data_dir` holds,
            or the digits.
        data_dir: folder with the files of a data set.
        epochs: epochs of each network.
        seeds: how many times everything is trained, with seeds from 0.
        limit: train on at most so many examples.
        out: folder for the results; made if its parent exists. Trainings that
            lie in it already are not repeated.
        quick: one seed, two epochs and 200 examples, to see that it works; the
            accuracies mean nothing then.

    Raises:
        InvalidArgumentError: an unknown estimator, or a number out of range.
    """

    estimators: tuple[str, ...] | None = None
    budgets: tuple[float, ...] = (0.3,)
    dataset: str | None = None
    data_dir: str | None = None
    epochs: int = EPOCHS
    seeds: int = 3
    limit: int | None = None
    out: str = "compare-results"
    quick: bool = False

    def __post_init__(self) -> None:
        for is_right, expected, received in (
            (self.seeds >= 1, "at least 1 seed", f"seeds={self.seeds!r}"),
            (self.epochs >= 1, "at least 1 epoch", f"epochs={self.epochs!r}"),
            (
                bool(self.budgets) and all(0 < b <= 1 for b in self.budgets),
                "budgets in (0, 1], fractions of the dense network's MACs",
                f"budgets={self.budgets!r}",
            ),
            (
                self.limit is None or self.limit >= 1,
                "a limit of at least 1 example",
                f"limit={self.limit!r}",
            ),
        ):
            if not is_right:
                raise InvalidArgumentError(expected, received, "Pass another value.")
        self.methods()

    def resolved(self) -> "Settings":
        """These settings with what `quick` stands for written out."""
        if not self.quick:
            return self
        return dataclasses.replace(
            self, seeds=1, epochs=QUICK_EPOCHS, limit=self.limit or QUICK_EXAMPLES
        )

    def methods(self) -> tuple[Method, ...]:
        """The methods that are compared."""
        return methods(self.estimators)

    def recipe(self) -> Recipe:
        """How every network is trained."""
        return Recipe(self.epochs, BATCH_SIZE, LEARNING_RATE, weight_decay=WEIGHT_DECAY)
