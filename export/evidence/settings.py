"""What a piece of evidence was asked to do."""

import dataclasses

from keras_diffmask.errors import InvalidArgumentError


@dataclasses.dataclass(frozen=True)
class Settings:
    """What a piece of evidence was asked to do; every default is the shell's.

    Args:
        data_dir: folder with the files of the data set, or the one above it.
        seeds: how many times everything is trained, with seeds from 0; by
            default as often as the evidence needs.
        epochs: epochs of each network; by default the recipe's own.
        out: folder for the results; made if its parent exists. Trainings that
            are finished or begun in it are not repeated.
        quick: little data and few epochs, to see that it works; the figures
            mean nothing then.
        size: size of the network, where there are several.

    Raises:
        InvalidArgumentError: a number out of range.
    """

    data_dir: str | None = None
    seeds: int | None = None
    epochs: int | None = None
    out: str = "evidence-results"
    quick: bool = False
    size: str | None = None

    def __post_init__(self) -> None:
        for name in ("seeds", "epochs"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InvalidArgumentError(
                    f"{name} to be at least 1",
                    f"{name}={value!r}",
                    "Leave it out for the default.",
                )

    def facts(self) -> dict[str, object]:
        """The settings without the names of this computer's folders."""
        facts = dataclasses.asdict(self)
        return {
            name: value
            for name, value in facts.items()
            if name not in ("data_dir", "out") and value is not None
        }
