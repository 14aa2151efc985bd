"""The sum at the end of a residual branch, with one gate on the branch."""

from typing import Any

import keras

from keras_diffmask import granularity as granularity_module
from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.gate import Gate
from keras_diffmask.layers.broadcast import along, multiply
from keras_diffmask.layers.masked import MaskedLayer


@keras.saving.register_keras_serializable("keras_diffmask")
class MaskedResidual(MaskedLayer, keras.layers.Add):
    """`keras.layers.Add` of a skip and a branch that carries one trainable gate.

        y = x + mask * F(x)

    and backward, where g is the gradient at y, the mask's is the sum of
    g * F(x). The gate is one number for the branch as a whole. While it is
    closed, y is x; `export.strip` then takes out all layers of the branch and
    this one. An inference mask between 0 and 1 becomes a `Rescaling` there.

    `mask_model(model, granularity="branch")` finds the branches of a model by
    itself, and puts the mask on weights where it can, which is cheaper.

    Args:
        estimator: name or `Estimator` of the layer's own gate; None for a
            layer that takes its mask as the call argument `gate_mask`.
        granularity: `"branch"`.
        gate_regularizer: penalty on the gate, or None. The gate counts as one
            weight: `L0(0.01)` adds 0.01 times P(branch open).
        logit_scale: float > 0, how many times faster than weights the gate's
            logit learns.
        **kwargs: keyword arguments of `keras.layers.Add`.

    Call arguments:
        inputs: list of at least two tensors: the skip, which is never masked,
            and the branch. All but the first are multiplied by the mask.
        gate_mask: mask of shape `(1,)` from a shared `Gate`, or None.
        training: bool; True samples the own gate.

    Input shape:
        A list of tensors of one shape `(batch, ...)`.

    Output shape:
        Same as each input's.

    Raises:
        InvalidArgumentError: unknown estimator or granularity, or an estimator
            that means nothing for a branch.

    Example:

    >>> import keras, keras_diffmask as kd
    >>> from keras_diffmask import export
    >>> x = keras.Input((4,))
    >>> branch = keras.layers.Dense(4)(keras.layers.Dense(16, "relu")(x))
    >>> layer = kd.layers.MaskedResidual(estimator="straight_through")
    >>> model = keras.Model(x, keras.layers.Dense(2)(layer([x, branch])))
    >>> layer.gate.set_keep([False])
    >>> [type(left).__name__ for left in export.strip(model).layers]
    ['InputLayer', 'Dense']

    Reference:
        Ramakrishnan, Sari and Partovi Nia, arXiv:1909.04567 (masks on
        sub-networks; where the mask multiplies is our reading).
    """

    stock_class = keras.layers.Add
    quantized = {}
    unit_axes = {}
    granularities = (granularity_module.BRANCH,)
    masks_output = False

    def __init__(
        self, *args: Any, granularity: str = granularity_module.BRANCH, **kwargs: Any
    ) -> None:
        super().__init__(*args, granularity=granularity, **kwargs)

    def build_gate(self) -> None:
        if self.estimator is None:
            return
        self.gate = Gate(
            1,
            self.estimator,
            regularizer=self.gate_regularizer,
            min_keep=0,
            name=f"{self.name}_gate",
        )
        self.gate.read_from(self)
        self.gate.build()

    def masked_weights(self, mask: Any) -> list[tuple[Any, Any]]:
        return []

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        if len(input_shape) < 2:
            raise InvalidArgumentError(
                f"a list of a skip and at least one branch for {self.name!r}",
                f"{len(input_shape)} tensor",
                "Call it as layer([x, branch(x)]).",
            )

    def call(  # type: ignore[override]
        self, inputs: Any, gate_mask: Any = None, training: bool | None = None
    ) -> Any:
        if gate_mask is None and self.gate is not None:
            gate_mask, _ = self.gate(inputs[0], training=training)
        if gate_mask is not None:
            skip, *branches = inputs
            masked = [multiply(x, along(gate_mask, (), x.shape)) for x in branches]
            inputs = [skip, *masked]
        return keras.layers.Add.call(self, inputs)

    def compute_output_spec(self, inputs: Any, **kwargs: Any) -> Any:
        return keras.layers.Add.compute_output_spec(self, inputs)
