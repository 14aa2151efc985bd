"""The model that `mask_model` returns: plain `fit` searches, decides, and trains on."""

import inspect
from typing import Any

import keras

from keras_diffmask.masking.budgeted import controller_of
from keras_diffmask.masking.search import BudgetLog, BudgetSchedule
from keras_diffmask.masking.weight_decay import protect_gates
from keras_diffmask.quantization import QuantizedModel


@keras.saving.register_keras_serializable("keras_diffmask")
class MaskedModel(QuantizedModel):
    """A Functional model whose `fit` meets the budget it was masked with.

    Everything is as in `keras.Model`. With a budget, `fit` tells the
    controller how many steps there will be, decides the gates after the
    search (see `Budget`), and at the latest when it returns; a `fit` that an
    exception ends leaves the search where it was, and the next one goes on.
    Without a budget it does nothing more than `keras.Model.fit`.
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
        first, last = BudgetLog(), BudgetSchedule()
        if not isinstance(given, keras.callbacks.CallbackList):
            bound.arguments["callbacks"] = [first, *_as_list(given), last]
            return super().fit(*bound.args[1:], **bound.kwargs)
        # Keras leaves it as it is: nobody else tells what is added to it the
        # model, and how long training will be.
        told = {"epochs": bound.arguments.get("epochs", 1), **(given.params or {})}
        for one in (first, last):
            one.set_model(self)
            one.set_params(told)
        users = given.callbacks
        given.callbacks = [first, *users, last]
        try:
            return super().fit(*bound.args[1:], **bound.kwargs)
        finally:
            given.callbacks = users


def _as_list(callbacks: Any) -> list[Any]:
    if callbacks is None:
        return []
    return list(callbacks) if isinstance(callbacks, list | tuple) else [callbacks]
