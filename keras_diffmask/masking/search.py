"""What runs inside of `fit` for a budget: the logs, the clock and the decision."""

import math
from typing import Any

import keras

from keras_diffmask import keras_internals
from keras_diffmask.masking.budgeted import (
    controller_of,
    finalize,
    is_searching,
    standing,
)
from keras_diffmask.masking.undecided import require_decided_for_own_budget


class BudgetLog(keras.callbacks.Callback):
    """Writes cost, target and `budget_met` into the logs of every epoch.

    The first of the callbacks, so that all others find them. Not a metric:
    those would be in what `evaluate` returns as well. And not per batch: a
    hook at the end of each batch costs JAX and torch their asynchronous
    callbacks, and one more name in a step's logs makes Keras take those of
    the last batch for the epoch's.
    """

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if logs is None:
            return
        keras_internals.pull_state(self.model)
        now = standing(self.model)
        if now is not None:
            logs.update(now.logs())


class BudgetSchedule(keras.callbacks.Callback):
    """Sets the controller's clock, and decides when the search is over.

    The last of the callbacks, so that it decides on the weights that an
    `EarlyStopping` before it has restored.
    """

    def on_train_begin(self, logs: Any = None) -> None:
        # After the callbacks that restore an interrupted run, its clock included.
        self._steps = self.params.get("steps")
        require_decided_for_own_budget(self.model)
        self._done = not is_searching(self.model)
        controller = controller_of(self.model)
        self._before = _value(controller.step) if controller else 0.0
        self._first: int | None = None
        self._length = math.inf

    def _set_clock(self) -> None:
        """How long the search is: once, when it starts.

        A share of the steps that are ahead: a model that was trained before it was
        masked goes on with `fit(initial_epoch=...)`. A run that is resumed keeps
        the length it had.
        """
        controller = controller_of(self.model)
        if not controller or not self._steps or self._done:
            return
        if not self._before:
            total = self._steps * (self.params["epochs"] - (self._first or 0))
            controller.search_steps.assign(max(1.0, controller.search * total))
        self._length = _value(controller.search_steps)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if self._first is None:
            self._first = epoch
            self._set_clock()
        self._epoch = epoch
        self._seen = 0

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self._seen = batch
        if self._done or not self._steps:
            return
        # Counted here: asking the variable would wait for the steps under way.
        here = (self._epoch - (self._first or 0)) * self._steps + batch
        if self._before + here >= self._length:
            self._decide()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if self._steps is None:
            # A generator of unknown length: now its length is known.
            self._steps = self._seen + 1
            keras_internals.pull_state(self.model)
            self._set_clock()

    def on_train_end(self, logs: Any = None) -> None:
        # Asked of the model: a callback may have restored undecided gates.
        keras_internals.pull_state(self.model)
        if is_searching(self.model):
            self._decide()

    def _decide(self) -> None:
        keras_internals.pull_state(self.model)
        finalize(self.model)
        self._done = True


def _value(variable: Any) -> float:
    return float(keras.ops.convert_to_numpy(variable))
