"""How long and how fast the demo trains on each data set.

Chosen on validation parts; every network of a run (dense, pruned, from scratch)
gets the same number of epochs and the same schedule.
"""

import dataclasses

from keras_diffmask.errors import InvalidArgumentError


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Training of one network.

    Args:
        epochs: passes over the training part.
        batch_size: examples per step.
        learning_rate: Adam's at the first step; it falls to 0 along a cosine.
        shifts: train also on every example moved one pixel to the left and to
            the right, so that an epoch is three times as long.
        weight_decay: share of each weight that a step takes away, per unit of
            the learning rate.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    shifts: bool = False
    weight_decay: float = 0.0


# The digits are few, and their sides are empty: a shift loses hardly a stroke.
RECIPES = {
    ("image", "digits"): Recipe(12, 32, 3e-3, shifts=True),
    ("image", "mnist"): Recipe(10, 64, 2e-3),
    ("image", "fashion_mnist"): Recipe(10, 64, 2e-3),
    ("image", "cifar10"): Recipe(20, 64, 2e-3),
    ("image", "speech_commands"): Recipe(30, 32, 2e-3),
    ("sequence", "digits"): Recipe(12, 32, 5e-3, shifts=True),
    ("sequence", "speech_commands"): Recipe(30, 32, 3e-3),
    ("sequence", "uci_har"): Recipe(15, 64, 3e-3),
}
OTHERWISE = Recipe(10, 64, 2e-3)


def recipe_for(task: str, dataset: str, epochs: int | None = None) -> Recipe:
    """The recipe of a task and a data set.

    Args:
        task: `"image"` or `"sequence"`.
        dataset: name of the data set.
        epochs: number of epochs instead of the recipe's.

    Returns:
        The `Recipe`.

    Raises:
        InvalidArgumentError: fewer than 1 epoch.

    Example:
        >>> recipe_for("image", "digits", epochs=5).epochs
        5
    """
    recipe = RECIPES.get((task, dataset), OTHERWISE)
    if epochs is None:
        return recipe
    if epochs < 1:
        raise InvalidArgumentError(
            "at least 1 epoch", f"epochs={epochs!r}", "Leave it out for the default."
        )
    return dataclasses.replace(recipe, epochs=epochs)
