"""What to say of a model whose budget has not been decided."""

import warnings

import keras

from keras_diffmask.masking.masked_model import is_searching


def warn_if_undecided(model: keras.Model, stacklevel: int) -> None:
    """Warn where gates are still searched for, and the budget not yet met.

    Args:
        model: any model; one without a budget has nothing to decide.
        stacklevel: as in `warnings.warn`, counted from the caller of this.
    """
    if is_searching(model):
        warnings.warn(
            f"The budget of {model.name!r} is not decided, since no fit has reached "
            "the end of its search: what is counted and stripped are the gates as "
            "they stand now. Train it with fit, or call "
            "keras_diffmask.finalize(model) to meet the budget first.",
            stacklevel=stacklevel + 1,
        )
