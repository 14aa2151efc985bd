"""What every masked layer has in common."""

import math
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from keras_diffmask import (
    estimators,
    granularity,
    keras_internals,
    quantizers,
    regularizers,
)
from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.gate import Gate
from keras_diffmask.layers.broadcast import (
    along,
    as_axes,
    is_zero_at_zero,
    multiply,
)
from keras_diffmask.layers.fit import (
    refuse_lora,
    require_carrier,
    require_fit,
    require_weights,
)
from keras_diffmask.layers.quantized import QuantizedWeights, require_kernel
from keras_diffmask.layers.substitution import call_with


class MaskedLayer(QuantizedWeights):
    """Mix-in that goes in front of a Keras layer and masks its weights.

    A subclass states which weights the mask multiplies, and along which axes;
    everything else stays the Keras layer's.

    The mask comes from the call argument `gate_mask`, or else from the
    layer's own gate, made from `estimator`; with neither the layer is its
    Keras parent.
    """

    #: The Keras layer that the strip puts in this one's place.
    stock_class: ClassVar[type[keras.layers.Layer]]
    #: Weight attribute -> axis of its output units, or the axes they lie along
    #: together, the last the fastest. "weight" gates the first of these weights.
    unit_axes: dict[str, int | tuple[int, ...]] = {"kernel": -1, "bias": -1}
    #: Arguments of a layer that takes its mask from outside.
    without_gates: ClassVar[dict[str, Any]] = {"estimator": None}
    #: Axis of the first weight along which inputs lie, for the granularities
    #: between a weight and a unit.
    input_axis: ClassVar[int | None] = None
    #: The granularities that make sense for this layer.
    granularities: ClassVar[tuple[str, ...]] = (
        granularity.WEIGHT,
        granularity.CHANNEL,
    )

    def __init__(
        self,
        *args: Any,
        estimator: Any = "hard_concrete",
        granularity: str = "channel",
        gate_regularizer: Any = None,
        logit_scale: float = 1.0,
        quantizer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.quantizer = quantizers.get(quantizer)
        require_kernel(self)
        self.granularity = _granularity(granularity, self.granularities)
        self.estimator: estimators.Estimator | None = None
        if estimator is not None:
            self.estimator = estimators.get(estimator)
            require_fit(self, self.estimator, self.granularity)
        self.gate_regularizer = regularizers.get(gate_regularizer)
        self.logit_scale = float(logit_scale)
        self.gate: Gate | None = None
        # Asked once, here, where values are concrete: not so inside a trace.
        activation = getattr(self, "activation", None)
        self._zero_at_zero = is_zero_at_zero(activation)

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        self.build_gate()

    def build_gate(self) -> None:
        """Create the layer's own gate, if it has an estimator."""
        self._refuse_inputs_of_groups()
        if self.estimator is None:
            return
        require_weights(self, self.estimator)
        by_unit = self.granularity == granularity.CHANNEL
        shape = (self.gated_units(),) if by_unit else self._mask_shape()
        size = (
            self.gated_size() if by_unit else float(np.prod(self._first_weight().shape))
        )
        self.gate = Gate(
            shape,
            self.estimator,
            regularizer=self.gate_regularizer,
            # At least 1: a normalization may have no weights at all.
            weights_per_gate=max(size / math.prod(shape), 1.0),
            min_keep=1 if len(shape) == 1 else 0,
            logit_scale=self.logit_scale,
            unit_axes=self._mask_unit_axes(),
            name=f"{self.name}_gate",
        )
        if granularity.kind(self.granularity) == granularity.BLOCK:
            # The last blocks of a row or column may be smaller than the others.
            self.gate.count_weights = self._expected_weights
        self.gate.read_from(self)
        self.gate.build()

    def _refuse_inputs_of_groups(self) -> None:
        groups = getattr(self, "groups", 1)
        if self.granularity == granularity.INPUT and groups > 1:
            raise InvalidArgumentError(
                f"groups=1 in {self.name!r} for a gate per input channel: with more, "
                "one row of the kernel reads another channel in every group",
                f"groups={groups}",
                'Pass granularity="kernel", or mask the channels of the layer before.',
            )

    def _expected_weights(self) -> Any:
        """How many entries of the kernel the gate leaves on average."""
        gate: Any = self.gate
        shape, axes = tuple(self._first_weight().shape), self._kernel_axes()
        kept = granularity.expand(
            self.granularity, gate.keep_probability(), shape, *axes
        )
        return ops.sum(kept) * (math.prod(shape) / math.prod(kept.shape))

    def _mask_shape(self) -> tuple[int, ...]:
        kernel = tuple(self._first_weight().shape)
        return granularity.mask_shape(self.granularity, kernel, *self._kernel_axes())

    def _kernel_axes(self) -> tuple[int | None, int]:
        """The first weight's axis of inputs, and its (last) axis of units."""
        return self.input_axis, self._first_axes()[-1]

    def _mask_unit_axes(self) -> tuple[int, ...]:
        of_kernel = (granularity.WEIGHT, granularity.KERNEL)
        is_shaped = self.granularity in of_kernel
        return self._first_axes() if is_shaped else (-1,)

    def importance(self) -> np.ndarray | None:
        """Mean magnitude of the weights under each element of the own gate's mask."""
        if not self.unit_axes or self._first_weight() is None:
            return None
        values = np.abs(ops.convert_to_numpy(self._first_weight()))
        inputs, units = self.input_axis, self._first_axes()
        return granularity.reduce(self.granularity, values, inputs, units)

    def read_by_gate(self, name: str) -> Any:
        """A weight that an estimator reads; `"kernel"` is the first gated one."""
        weight = self._first_weight() if name == "kernel" else getattr(self, name, None)
        if weight is None:
            raise InvalidArgumentError(
                f"a layer with {name} for the estimator of {self.name!r}",
                f"a {type(self).__name__} without",
                "Give it one (normalization has gamma with scale=True and beta with "
                "center=True), or pass another estimator, such as 'hard_concrete'.",
            )
        return weight

    def gated_units(self) -> int:
        """How many units a mask of one gate per unit covers."""
        shape = self._first_weight().shape
        return math.prod(shape[a] for a in self._first_axes())

    def gated_size(self) -> float:
        """How many weights go when all units go."""
        weights = (getattr(self, name) for name in self.unit_axes)
        return sum(float(np.prod(w.shape)) for w in weights if w is not None)

    def _first_axes(self) -> tuple[int, ...]:
        """The first weight's axes of units."""
        return as_axes(next(iter(self.unit_axes.values())))

    def _first_weight(self) -> Any:
        return getattr(self, next(iter(self.unit_axes)))

    @property
    def masks_output(self) -> bool:
        """Whether the mask multiplies the output rather than the weights.

        Where the activation turns 0 into something else, a mask on the
        weights would leave a constant behind.
        """
        return self.masks_units and not self._zero_at_zero

    @property
    def masks_units(self) -> bool:
        """Whether a mask covers whole output units, and not parts of the kernel."""
        return self.granularity == granularity.CHANNEL

    def masked_weights(self, mask: Any) -> list[tuple[Any, Any]]:
        """Pairs of a weight and its value under `mask`."""
        if self.masks_output:
            return []
        if not self.masks_units:
            weight, axes = self._first_weight(), self._kernel_axes()
            shape = tuple(weight.shape)
            factor = granularity.expand(self.granularity, mask, shape, *axes)
            return [(weight, multiply(weight, factor))]
        return [
            (weight, multiply(weight, along(mask, axes, weight.shape)))
            for name, axes in self.unit_axes.items()
            if (weight := getattr(self, name)) is not None
        ]

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        self.let_gate_read(kwargs.get("gate_mask"))
        return super().compute_output_spec(*args, **kwargs)

    def let_gate_read(self, mask: Any) -> None:
        """Tell the shared gate that a mask is from whose weights it reads.

        The graph says it anew whenever the model is built, loaded or cloned.
        """
        gate = None if mask is None else keras_internals.maker_of(mask)
        if isinstance(gate, Gate) and gate.estimator.reads:
            require_carrier(self, gate.estimator)
            require_weights(self, gate.estimator)
            gate.read_from(self)

    def call(
        self,
        inputs: Any,
        gate_mask: Any = None,
        training: bool | None = None,
        input_gate_mask: Any = None,
        output_gate_mask: Any = None,
    ) -> Any:
        return self.call_masked(
            inputs,
            gate_mask,
            training,
            input_gate_mask=input_gate_mask,
            output_gate_mask=output_gate_mask,
        )

    def call_masked(
        self,
        inputs: Any,
        gate_mask: Any,
        sampling: Any,
        /,
        input_gate_mask: Any = None,
        output_gate_mask: Any = None,
        **parent: Any,
    ) -> Any:
        """The Keras parent's `call` under the mask that applies."""
        if gate_mask is None and self.gate is not None:
            gate_mask, _ = self.gate(inputs, training=sampling)
        replacements = self.weights_under(
            gate_mask, input_gate_mask, sampling, output_gate_mask
        )
        if replacements:
            outputs = call_with(self, replacements, super().call, inputs, **parent)
        else:
            outputs = super().call(inputs, **parent)
        if gate_mask is not None and self.masks_output:
            axis = self.output_unit_axis()
            outputs = multiply(outputs, along(gate_mask, axis, outputs.shape))
        return outputs

    def enable_lora(self, *args: Any, **kwargs: Any) -> None:
        refuse_lora(self)

    def output_unit_axis(self) -> int:
        """The axis of the output along which its units lie."""
        return 1 if getattr(self, "data_format", None) == "channels_first" else -1

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self.gate_config()}

    def gate_config(self) -> dict[str, Any]:
        """The part of the configuration that the Keras parent does not have."""
        return {
            "estimator": _serialize(self.estimator),
            "granularity": self.granularity,
            "gate_regularizer": _serialize(self.gate_regularizer),
            "logit_scale": self.logit_scale,
            "quantizer": _serialize(self.quantizer),
        }


# `granularity` is the name of the argument; inside __init__ it hides the module.
_granularity = granularity.get


def _serialize(thing: Any) -> Any:
    return None if thing is None else keras.saving.serialize_keras_object(thing)
