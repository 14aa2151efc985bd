"""Gate: the layer that owns gate logits."""

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_diffmask import errors, estimators, keras_internals, regularizers
from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.gate_decision import GateDecision
from keras_diffmask.state import Noise

# In a file of weights, beside Keras' own entries "0", "1", ...
_NOISE = "noise"
# The rank of what is fixed, which is never the next to close.
_NEVER = 1e9


@keras.saving.register_keras_serializable("keras_diffmask")
class Gate(GateDecision):
    """Owns the logits of one mask and turns them into it.

    A masked layer makes its own gate from `estimator=`. Where several layers
    must agree on a mask, one gate is a layer of the graph, called once, and
    its mask is handed to each of them as a call argument:

        mask, keep_probability = gate(inputs)
        y = MaskedDense(8, estimator=None)(x, gate_mask=mask)

    Shared like that it stays one gate through save, load and clone. Called more
    than once in a training step, by a layer or a model that is, it draws once: the
    mask is the same, and the step is counted once.

    The logits move `logit_scale` times as fast as an ordinary weight would,
    under any optimizer that treats the entries of a weight one by one: they
    are `logit_scale * variable`, and the variable gets their gradient as it
    is. `protect_gates` keeps them out of an optimizer's weight decay.

    Args:
        shape: int or tuple of ints, the mask's shape.
        estimator: name or `Estimator`.
        regularizer: penalty on the gate, or None. It is added once, however
            often the gate is called.
        weights_per_gate: float > 0, what one open gate stands for in the
            penalty.
        min_keep: 0 or 1, how many units stay open at least. With 1, the unit
            with the largest score opens when all others are closed.
        logit_scale: float > 0, the learning-rate multiplier.
        multiple: int >= 1. The inference mask has a multiple of so many units
            open, or all: those of the next largest scores open as well. Of a unit
            that stands for several channels fewer make a `channel_multiple`.
        unit_axes: axes of the mask along which output units lie, the others
            being inputs and positions. Matters to estimators whose elements
            compete, such as `TopK`.

    Call arguments:
        inputs: any tensor of the graph; its values are not used.
        training: bool. True samples, False takes the inference mask.

    Output shape:
        Two float32 tensors of shape `shape`: the mask, and the probability
        that it is not 0 (the inference decision, when fixed by `set_keep`).

    Raises:
        InvalidArgumentError: an argument is outside its range.
    """

    #: Its variables are not among those that a layer shares with its Keras parent.
    is_apart = True

    def __init__(
        self,
        shape: int | tuple[int, ...],
        estimator: Any = "hard_concrete",
        regularizer: Any = None,
        weights_per_gate: float = 1.0,
        min_keep: int = 1,
        logit_scale: float = 1.0,
        multiple: int = 1,
        unit_axes: int | tuple[int, ...] = -1,
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
        self.unit_axes = tuple(np.atleast_1d(unit_axes).tolist())
        self._require_arguments_in_range()
        with errors.concerning(f"gate {self.name!r}"):
            self._rows = self.estimator.rows(self.mask_shape, self.unit_axes)
        if self.regularizer is not None:
            self.regularizer.check(self)
        # What a penalty counts, where weights lie under several gates at once.
        self.count_weights: Callable[[], Any] | None = None
        self.seed_generator = Noise()

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

    @property
    def rows(self) -> Any:
        """Which elements compete with each other: a `Rows`, or None."""
        return self._rows

    def build(self, input_shape: Any = None) -> None:
        scheduled = (self.estimator, self.regularizer)
        self.build_logits(
            self.mask_shape,
            self._penalty if self.regularizer else None,
            counts_steps=any(one and one.is_scheduled for one in scheduled),
        )
        self.build_decision()

    def call(
        self, inputs: Any = None, training: bool | None = None, ranked: bool = False
    ) -> tuple[Any, ...]:
        again = bool(training) and not keras_internals.is_first_in_step(self)
        if training and not again:
            self.count_step()
        if self.regularizer and self.raw_logits is None and not self.losses:
            # No variable of its own that the penalty could hang on: added in
            # evaluation as well, where that of a variable counts too.
            self.add_loss(self._penalty(None))
        if not training:
            return self.told(ranked, self.inference_mask())
        logits = self.competing_logits()
        self.seed_generator.start(again)
        mask = self.estimator.sample(logits, self.seed_generator, self.at_step())
        return self.told(ranked, self._unless_fixed(self._in_shape(mask)))

    def told(self, ranked: bool, mask: Any) -> tuple[Any, ...]:
        """What `call` returns; the score goes to nobody but a budget's controller."""
        told = mask, self.keep_probability()
        if not ranked:
            return told
        score = ops.where(self.is_decided(), _NEVER, self.score())
        return *told, ops.stop_gradient(score)

    def inference_mask(self) -> Any:
        """The mask of inference, count and strip: one decision for all three."""
        logits = self.competing_logits()
        mask = self._in_shape(self.estimator.decide(logits, self.at_step()))
        one = self._scale()
        if self.min_keep:
            flat = ops.reshape(self.score(), (-1,))
            best = ops.reshape(
                ops.one_hot(ops.argmax(flat), self.units, dtype="float32"),
                self.mask_shape,
            )
            mask = ops.where(ops.any(mask != 0.0), mask, best * one)
        if self.multiple > 1:
            mask = self._rounded_up(mask, one)
        return self._unless_fixed(mask)

    def _rounded_up(self, mask: Any, one: Any) -> Any:
        """The mask with a multiple of units open, those next in line as well."""
        count = ops.sum(ops.cast(mask != 0.0, "float32"))
        wanted = ops.ceil(count / self.multiple) * self.multiple
        flat = ops.reshape(self.score(), (-1,))
        place = ops.reshape(ops.argsort(ops.argsort(-flat)), self.mask_shape)
        is_open = ops.cast(place, "float32") < wanted
        return ops.where(ops.logical_and(is_open, mask == 0.0), one, mask)

    def _live_score(self) -> Any:
        return self._in_shape(self.estimator.score(self.competing_logits()))

    def keep_probability(self) -> Any:
        """P(mask != 0), with its gradient; the decision itself when fixed."""
        logits = self.competing_logits()
        soft = self._in_shape(self.estimator.keep_probability(logits, self.at_step()))
        return self._unless_fixed(soft, 1.0)

    def _scale(self) -> Any:
        """What multiplies an open unit: 1 for all estimators but one."""
        logits = self.competing_logits()
        return self._in_shape(self.estimator.scale(logits, self.at_step()))

    def competing_logits(self) -> Any:
        """The logits as the estimator sees them: in rows, where it has `rows`."""
        return self._in_rows(self.logits())

    def _in_rows(self, logits: Any) -> Any:
        return logits if self._rows is None else self._rows.split(logits)

    def _in_shape(self, value: Any) -> Any:
        is_number = isinstance(value, float)
        return value if self._rows is None or is_number else self._rows.join(value)

    # -- penalty ---------------------------------------------------------------------

    def expected_weights(self) -> Any:
        """How many weights the gate leaves on average, with its gradient."""
        if self.count_weights is not None:
            return self.count_weights()
        return ops.sum(self.keep_probability() * self.weights_per_gate)

    def _penalty(self, _: Any) -> Any:
        # A regularizer of the variable rather than `add_loss` in `call`: Keras
        # then counts it once for a gate that is called many times.
        penalty: Any = self.regularizer
        return penalty(self)

    # -- what a checkpoint holds -----------------------------------------------------

    def save_own_variables(self, store: Any) -> None:
        super().save_own_variables(store)
        # Keras leaves the state of a SeedGenerator out: a training that is
        # resumed would draw the noise of its first steps once more.
        store[_NOISE] = self.seed_generator.state

    def load_own_variables(self, store: Any) -> None:
        held = {name: store[name] for name in store.keys()}
        noise = held.pop(_NOISE, None)
        super().load_own_variables(held)
        if noise is not None:
            self.seed_generator.state.assign(noise)

    def compute_output_spec(
        self, *args: Any, ranked: bool = False, **kwargs: Any
    ) -> tuple[Any, ...]:
        return tuple(
            keras.KerasTensor(self.mask_shape, dtype="float32")
            for _ in range(3 if ranked else 2)
        )

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
            "unit_axes": self.unit_axes,
        }
