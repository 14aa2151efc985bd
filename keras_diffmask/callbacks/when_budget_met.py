"""A checkpoint counts as best only where the budget is met."""

from typing import Any

import keras

from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.masking import standing

# Where a callback may save or stop in the middle of an epoch.
_BATCH_ENDS = ("on_batch_end", "on_train_batch_end")
_OTHERS = (
    "on_train_end",
    "on_epoch_begin",
    "on_batch_begin",
    "on_train_batch_begin",
    "on_test_begin",
    "on_test_end",
    "on_test_batch_begin",
    "on_test_batch_end",
)


class WhenBudgetMet(keras.callbacks.Callback):
    """Hands on to another callback the epochs at whose end the budget is met.

    Before the gates are decided the network is larger than it will be, and
    often better: `ModelCheckpoint(save_best_only=True)` would keep such an
    epoch, and `EarlyStopping` would stop in the search or restore weights of
    it. In this wrapper they see the epochs alone whose `budget_met` in the
    logs is 1, and are otherwise as they are. Where no epoch meets the budget,
    nothing is saved and nothing stops.

    Args:
        callback: a `keras.callbacks.Callback`. Saving or stopping in the middle
            of an epoch it may do once an epoch has met the budget.

    Raises:
        InvalidArgumentError: it is no callback, or, when training begins, the
            model has no budget.

    Example:

    >>> import keras, numpy as np, keras_diffmask as kd
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, "relu"),
    ...                           keras.layers.Dense(2)])
    >>> masked = kd.mask_model(model, budget=kd.Budget(parameters=0.5))
    >>> masked.compile("adam", "mse")
    >>> best = kd.callbacks.WhenBudgetMet(keras.callbacks.EarlyStopping(
    ...     "loss", patience=3, restore_best_weights=True))
    >>> x = np.ones((8, 4), "float32")
    >>> fitted = masked.fit(x, x[:, :2], epochs=4, verbose=0, callbacks=[best])
    >>> fitted.history["budget_met"]
    [0.0, 0.0, 1.0, 1.0]
    """

    def __init__(self, callback: keras.callbacks.Callback) -> None:
        super().__init__()
        if not isinstance(callback, keras.callbacks.Callback):
            raise InvalidArgumentError(
                "a keras.callbacks.Callback",
                f"callback={callback!r}",
                "Write for example WhenBudgetMet(keras.callbacks.ModelCheckpoint("
                '"best.keras", save_best_only=True)).',
            )
        self.callback = callback
        self._is_met = False
        # Only those that the callback has: a hook at the end of each batch is
        # paid for, under JAX and torch, with their asynchronous callbacks.
        for name in _OTHERS:
            if _has(callback, name):
                setattr(self, name, getattr(callback, name))
        for name in _BATCH_ENDS:
            if _has(callback, name):
                setattr(self, name, self._once_met(getattr(callback, name)))

    def _once_met(self, hook: Any) -> Any:
        def at_the_end_of_a_batch(batch: int, logs: Any = None) -> None:
            if self._is_met:
                hook(batch, logs)

        return at_the_end_of_a_batch

    def set_model(self, model: keras.Model) -> None:
        super().set_model(model)
        self.callback.set_model(model)

    def set_params(self, params: Any) -> None:
        super().set_params(params)
        self.callback.set_params(params)

    def on_train_begin(self, logs: Any = None) -> None:
        now = standing(self.model)
        if now is None:
            raise InvalidArgumentError(
                "a model with a budget",
                f"model {self.model.name!r} without one",
                "Pass budget=kd.Budget(macs=0.3) to kd.mask_model, or the callback "
                "itself to fit.",
            )
        self._is_met = now.is_met and not now.is_searching
        self.callback.on_train_begin(logs)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._is_met = bool((logs or {}).get("budget_met"))
        if self._is_met:
            self.callback.on_epoch_end(epoch, logs)


def _has(callback: keras.callbacks.Callback, hook: str) -> bool:
    """Whether it does something there; a LambdaCallback has it on the instance."""
    own = getattr(callback, hook)
    return getattr(own, "__func__", own) is not getattr(keras.callbacks.Callback, hook)
