"""Gate: the layer that owns gate logits."""

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_diffmask import estimators, regularizers
from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.state import add_state


@keras.saving.register_keras_serializable("keras_diffmask")
class Gate(keras.layers.Layer):
    """Owns the logits of one mask and turns them into it.

    A masked layer makes its own gate from `estimator=`. Where several layers
    must agree on a mask, one gate is a layer of the graph, called once, and
    its mask is handed to each of them as a call argument:

        mask, keep_probability = gate(inputs)
        y = MaskedDense(8, estimator=None)(x, gate_mask=mask)

    Shared like that it stays one gate through save, load and clone.

    The trained variable is `logits / logit_scale`, which multiplies the
    learning rate of the logits by `logit_scale` under Adam and its kin.

    Args:
        shape: int or tuple of ints, the mask's shape.
        estimator: name or `Estimator`.
        regularizer: penalty on the keep probabilities, or None. It is added
            once, however often the gate is called.
        weights_per_gate: float > 0, what one open gate stands for in the
            penalty.
        min_keep: 0 or 1, how many units stay open at least. With 1, the unit
            with the largest logit opens when all others are closed.
        logit_scale: float > 0, the learning-rate multiplier.
        multiple: int >= 1. The inference mask has a multiple of so many units
            open, or all: those of the next largest logits open as well.

    Call arguments:
        inputs: any tensor of the graph; its values are not used.
        training: bool. True samples, False takes the inference mask.

    Output shape:
        Two float32 tensors of shape `shape`: the mask, and the probability
        that it is not 0 (the inference decision, when fixed by `set_keep`).

    Raises:
        InvalidArgumentError: an argument is outside its range.
    """

    def __init__(
        self,
        shape: int | tuple[int, ...],
        estimator: Any = "hard_concrete",
        regularizer: Any = None,
        weights_per_gate: float = 1.0,
        min_keep: int = 1,
        logit_scale: float = 1.0,
        multiple: int = 1,
        **kwargs: Any,
    ) -> None:
        # Gates stay in float32 under every precision policy: bfloat16 has 8
        # bits of mantissa, too few for logits moved by small steps.
        kwargs["dtype"] = "float32"
        super().__init__(**kwargs)
        self.mask_shape = (shape,) if isinstance(shape, int) else tuple(shape)
        self.estimator = estimators.get(estimator)
        self.regularizer = regularizers.get(regularizer)
        self.weights_per_gate = float(weights_per_gate)
        self.min_keep = int(min_keep)
        self.logit_scale = float(logit_scale)
        self.multiple = int(multiple)
        self._require_arguments_in_range()
        self.seed_generator = keras.random.SeedGenerator()

    def _require_arguments_in_range(self) -> None:
        shape, scale = self.mask_shape, self.logit_scale
        weight, minimum = self.weights_per_gate, self.min_keep
        low, high = self.estimator.logit_range
        start = self.estimator.initial_logit()
        keep = self.estimator.initial_keep
        for is_right, expected, received in (
            (bool(shape) and min(shape) > 0, "a shape of positive ints", f"{shape=}"),
            (weight > 0, "weights_per_gate > 0", f"weights_per_gate={weight}"),
            (minimum in (0, 1), "min_keep to be 0 or 1", f"min_keep={minimum}"),
            # The first optimizer step would clip it, and close or open the gate.
            (
                low <= start <= high,
                f"an initial_keep whose logit is in [{low}, {high}]",
                f"initial_keep={keep} with logit {start:.2f}",
            ),
            (self.multiple > 0, "multiple >= 1", f"multiple={self.multiple}"),
            (0 < scale < math.inf, "a finite logit_scale > 0", f"logit_scale={scale}"),
        ):
            if not is_right:
                raise InvalidArgumentError(
                    f"{expected} for gate {self.name!r}",
                    received,
                    "Pass another value.",
                )

    @property
    def units(self) -> int:
        """How many mask elements there are."""
        return math.prod(self.mask_shape)

    def build(self, input_shape: Any = None) -> None:
        start = self.estimator.initial_logit() / self.logit_scale
        self.raw_logits = self.add_weight(
            name="gate_logits",
            shape=self.mask_shape,
            initializer=keras.initializers.Constant(start),
            regularizer=self._penalty if self.regularizer else None,
            constraint=self._within_range,
            dtype="float32",
        )
        self.fixed = add_state(self, "fixed", (), 0.0)
        self.fixed_keep = add_state(self, "fixed_keep", self.mask_shape, 1.0)

    def logits(self) -> Any:
        """The gate logits, which an optimizer step keeps in the estimator's range."""
        return ops.multiply(self.raw_logits, self.logit_scale)

    def call(self, inputs: Any = None, training: bool | None = None) -> tuple[Any, Any]:
        if training:
            mask = self.estimator.sample(self.logits(), self.seed_generator)
            mask = self._unless_fixed(mask)
        else:
            mask = self.inference_mask()
        return mask, self.keep_probability()

    def inference_mask(self) -> Any:
        """The mask of inference, count and strip: one decision for all three."""
        logits = self.logits()
        mask = self.estimator.decide(logits)
        if self.min_keep:
            flat = ops.reshape(logits, (-1,))
            best = ops.reshape(
                ops.one_hot(ops.argmax(flat), self.units, dtype="float32"),
                self.mask_shape,
            )
            mask = ops.where(ops.max(mask) > 0.0, mask, best)
        if self.multiple > 1:
            mask = self._rounded_up(mask, logits)
        return self._unless_fixed(mask)

    def _rounded_up(self, mask: Any, logits: Any) -> Any:
        """The mask with a multiple of units open, those next in line at 1."""
        flat = ops.reshape(logits, (-1,))
        count = ops.sum(ops.cast(mask > 0.0, "float32"))
        wanted = ops.ceil(count / self.multiple) * self.multiple
        place = ops.reshape(ops.argsort(ops.argsort(-flat)), self.mask_shape)
        is_open = ops.cast(place, "float32") < wanted
        return ops.where(ops.logical_and(is_open, mask <= 0.0), 1.0, mask)

    def keep_probability(self) -> Any:
        """P(mask != 0), with its gradient; the decision itself when fixed."""
        soft = self.estimator.keep_probability(self.logits())
        return self._unless_fixed(soft)

    def _unless_fixed(self, value: Any) -> Any:
        fixed_keep = ops.convert_to_tensor(self.fixed_keep)
        return ops.where(ops.convert_to_tensor(self.fixed) > 0.5, fixed_keep, value)

    def _within_range(self, raw: Any) -> Any:
        # Applied by the optimizer after its step: far outside the range the
        # gradient of a sigmoid vanishes, and a closed gate could not return.
        low, high = self.estimator.logit_range
        return ops.clip(raw, low / self.logit_scale, high / self.logit_scale)

    def _penalty(self, _: Any) -> Any:
        # A regularizer of the variable rather than `add_loss` in `call`: Keras
        # then counts it once for a gate that is called many times.
        penalty: Any = self.regularizer
        return penalty(self.keep_probability(), self.weights_per_gate)

    @property
    def keep(self) -> np.ndarray:
        """Boolean array: what inference keeps and the strip leaves."""
        return ops.convert_to_numpy(self.inference_mask()) != 0.0

    @property
    def is_fixed(self) -> bool:
        """Whether `set_keep` decided, rather than the estimator."""
        return bool(ops.convert_to_numpy(ops.convert_to_tensor(self.fixed)) > 0.5)

    def set_keep(self, keep: Any) -> None:
        """Fix the mask in training, inference and strip; None undoes it.

        Args:
            keep: boolean array of shape `shape` (True stays), or None to give
                the gate back to its estimator.

        Raises:
            InvalidArgumentError: wrong shape or type, or nothing would stay
                where something must.
        """
        if keep is None:
            self.fixed.assign(0.0)
            return
        keep = np.asarray(keep)
        if keep.shape != self.mask_shape or keep.dtype != np.bool_:
            raise InvalidArgumentError(
                f"a boolean array of shape {self.mask_shape} for gate {self.name!r}",
                f"an array of shape {keep.shape} and dtype {keep.dtype}",
                "Pass one True or False per unit, or None to unfix the gate.",
            )
        if keep.sum() < self.min_keep:
            raise InvalidArgumentError(
                f"at least {self.min_keep} open unit in gate {self.name!r}",
                "a decision that closes all of them",
                "Keep one: a layer that no skip goes round must not lose its last.",
            )
        self.fixed_keep.assign(keep.astype("float32"))
        self.fixed.assign(1.0)

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        spec = keras.KerasTensor(self.mask_shape, dtype="float32")
        return spec, keras.KerasTensor(self.mask_shape, dtype="float32")

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "shape": self.mask_shape,
            "estimator": keras.saving.serialize_keras_object(self.estimator),
            "regularizer": keras.saving.serialize_keras_object(self.regularizer)
            if self.regularizer
            else None,
            "weights_per_gate": self.weights_per_gate,
            "min_keep": self.min_keep,
            "logit_scale": self.logit_scale,
            "multiple": self.multiple,
        }
