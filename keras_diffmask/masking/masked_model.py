"""The model that `mask_model` returns: plain `fit` searches, decides, and trains on."""

import inspect
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_diffmask import keras_internals
from keras_diffmask.budget import BudgetController, decide
from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.gate import Gate
from keras_diffmask.masking.weight_decay import protect_gates


@keras.saving.register_keras_serializable("keras_diffmask")
class MaskedModel(keras.Model):
    """A Functional model whose `fit` meets the budget it was masked with.

    Everything is as in `keras.Model`. With a budget, `fit` tells the
    controller how many steps there will be, decides the gates after the
    search (see `Budget`), and at the latest when training ends, however it
    ends. Without a budget it does nothing more than `keras.Model.fit`.
    `compile` keeps the gates out of the optimizer's weight decay.
    """

    def compile(self, *args: Any, **kwargs: Any) -> None:
        super().compile(*args, **kwargs)
        if self.optimizer is not None:
            protect_gates(self.optimizer, self)

    def compile_from_config(self, config: dict[str, Any]) -> None:
        if super().compile.__func__ is not keras.Model.compile:
            # The user's own class knows what its `compile` takes.
            super().compile_from_config(config)
            return
        # As in Keras, which does nothing where a class has a `compile`.
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.optimizer is not None:
            self.optimizer.build(self.trainable_variables)

    def fit(self, *args: Any, **kwargs: Any) -> Any:
        controller = controller_of(self)
        if controller is None:
            return super().fit(*args, **kwargs)
        bound = inspect.signature(keras.Model.fit).bind(self, *args, **kwargs)
        given = bound.arguments.get("callbacks")
        schedule = _BudgetSchedule()
        if isinstance(given, keras.callbacks.CallbackList):
            given.append(schedule)
        else:
            # Last, so that it decides on the weights that an EarlyStopping
            # before it has restored.
            bound.arguments["callbacks"] = [*_as_list(given), schedule]
        return super().fit(*bound.args[1:], **bound.kwargs)


class _BudgetSchedule(keras.callbacks.Callback):
    """Sets the controller's clock, and decides when the search is over."""

    def on_train_begin(self, logs: Any = None) -> None:
        self._epoch = 0
        self._steps = self.params.get("steps")
        self._done = not is_searching(self.model)
        self._set_clock()

    def _set_clock(self) -> None:
        controller = controller_of(self.model)
        if controller and self._steps and not self._done:
            total = self._steps * self.params["epochs"]
            controller.search_steps.assign(max(1.0, controller.search * total))

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch = epoch
        self._seen = 0

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self._seen = batch
        controller = controller_of(self.model)
        if controller is None or self._done or not self._steps:
            return
        share = (self._epoch + batch / self._steps) / self.params["epochs"]
        if share >= controller.search:
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


def finalize(model: keras.Model) -> None:
    """Decide the gates so that the stripped model's cost meets the budget.

    `fit` does this by itself. A custom training loop calls it when the search
    is over; what is trained after it is the decided network. The units with
    the largest logits stay; gates that `set_keep` fixed are left as they are.

    Args:
        model: a model made by `mask_model(..., budget=...)`.

    Raises:
        InvalidArgumentError: the model has no budget.
        BudgetError: units fixed by `set_keep` leave no room for it.
    """
    controller = controller_of(model)
    if controller is None:
        raise InvalidArgumentError(
            "a model with a budget",
            f"model {model.name!r} without one",
            "Pass budget=kd.Budget(macs=0.3) to kd.mask_model.",
        )
    gates = ordered_gates(model, controller)
    decision = decide(
        controller.as_limits(),
        [ops.convert_to_numpy(gate.score()) for gate in gates],
        [gate.min_keep for gate in gates],
        [gate.keep if gate.is_fixed else None for gate in gates],
        [gate.multiple for gate in gates],
    )
    for gate, keep in zip(gates, decision, strict=True):
        gate.set_keep(np.asarray(keep))
    controller.searching.assign(0.0)


def controller_of(model: keras.Model) -> BudgetController | None:
    """The model's controller, or None."""
    layers = keras_internals.flatten_layers(model)
    return next((x for x in layers if isinstance(x, BudgetController)), None)


def is_searching(model: keras.Model) -> bool:
    """Whether the gates are still to be decided."""
    controller = controller_of(model)
    return bool(controller and ops.convert_to_numpy(controller.searching) > 0.5)


def ordered_gates(model: keras.Model, controller: BudgetController) -> list[Gate]:
    """The gates in the order in which the controller's costs count them."""
    by_name = {x.name: x for x in keras_internals.flatten_layers(model)}
    return [by_name[name] for name in controller.gate_names]


def _as_list(callbacks: Any) -> list[Any]:
    if callbacks is None:
        return []
    return list(callbacks) if isinstance(callbacks, list | tuple) else [callbacks]
