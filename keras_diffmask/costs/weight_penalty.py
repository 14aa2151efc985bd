"""A penalty on the weights that all gates of a model leave together."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras

from keras_diffmask import keras_internals, regularizers
from keras_diffmask.costs.cost import Cost
from keras_diffmask.state import add_state, step_of


@keras.saving.register_keras_serializable("keras_diffmask")
class WeightPenalty(keras.layers.Layer):
    """Passes its input through and adds a penalty on the expected weights.

    A weight between two gated layers lies under two gates, and a gate by
    itself cannot say how many weights it leaves. This layer knows all of them:
    with p the keep probabilities of independent gates,

        loss += strength * E[number of weights that are left]

    where a kernel counts kept inputs x kept outputs, and the diagonal of a
    recurrent kernel, whose row and column are under one gate, p and not p^2
    (see `Cost`). Like `BudgetController` it is a layer of the graph, and so
    survives save, load and clone.

    Args:
        cost: configuration of the `Cost` that counts weights.
        regularizer: a `GateRegularizer` that is a function of that number, such
            as `L0`. Added once, in evaluation as well, as Keras adds the
            penalty on a variable.

    Call arguments:
        inputs: any tensor; returned as it is.
        keep_probabilities: list of tensors, one per gate, in the cost's order.
        training: bool; a schedule counts the steps in training mode.
    """

    def __init__(self, cost: dict[str, Any], regularizer: Any, **kwargs: Any) -> None:
        # Counts are in float32 under every precision policy.
        kwargs["dtype"] = "float32"
        super().__init__(autocast=False, **kwargs)
        self.cost = Cost.from_config(cost)
        self.regularizer: Any = regularizers.get(regularizer)

    def build(self, *shapes: Any) -> None:
        scheduled = self.regularizer.is_scheduled
        self.step = add_state(self, "step", (), 0.0) if scheduled else None

    def call(
        self,
        inputs: Any,
        keep_probabilities: Sequence[Any] = (),
        training: bool | None = None,
    ) -> Any:
        if (
            training
            and self.step is not None
            and keras_internals.is_first_in_step(self)
        ):
            self.step.assign_add(1.0)
        if not self.losses:  # once, however often the model is called in another
            counted = _Counted(self.cost.expected(list(keep_probabilities)), self.step)
            self.add_loss(self.regularizer(counted))
        return inputs

    def compute_output_spec(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        return keras.KerasTensor(inputs.shape, dtype=inputs.dtype)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "cost": self.cost.get_config(),
            "regularizer": keras.saving.serialize_keras_object(self.regularizer),
        }


@dataclass(frozen=True)
class _Counted:
    """What a regularizer asks of a gate, for all gates of the model at once."""

    weights: Any
    step: Any

    def expected_weights(self) -> Any:
        return self.weights

    def at_step(self) -> Any:
        return 0.0 if self.step is None else step_of(self.step)
