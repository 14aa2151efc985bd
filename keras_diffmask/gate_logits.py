"""What a gate trains, and the logits that come of it."""

import weakref
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.estimators import Estimator
from keras_diffmask.gradients import straight_through
from keras_diffmask.state import add_state, step_of


class GateLogits(keras.layers.Layer):
    """Mix-in that owns the variable, and reads what the estimator wants to read.

    Attributes:
        estimator: the `Estimator`.
        logit_scale: how many times faster than a weight the logits move.
    """

    estimator: Estimator
    logit_scale: float

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._source: Callable[[], Any] = _nothing

    def read_from(self, layer: Any) -> None:
        """Take from this layer what the estimator reads, and where it starts.

        A masked layer calls it, for its own gate and for one whose mask it is
        given. Held weakly: the layer is none of the gate's own.
        """
        self._source = weakref.ref(layer)

    def build_logits(
        self,
        mask_shape: tuple[int, ...],
        penalty: Callable[[Any], Any] | None,
        counts_steps: bool,
    ) -> None:
        """Create the variables.

        Args:
            mask_shape: the mask's shape.
            penalty: added to the loss once per step, or None.
            counts_steps: whether to count training steps.
        """
        shape = self.estimator.variable_shape(mask_shape)
        self.raw_logits = None
        if shape is not None:
            self.raw_logits = self.add_weight(
                name="gate_logits",
                shape=shape,
                initializer=lambda shape, dtype=None: self._start(
                    shape, self._importance()
                ),
                regularizer=penalty,
                constraint=self._within_range,
                dtype="float32",
            )
        self.step = add_state(self, "step", (), 0.0) if counts_steps else None

    def _start(self, shape: Any, importance: np.ndarray | None) -> Any:
        start = self.estimator.initial_value(tuple(shape), importance)
        return ops.convert_to_tensor(start / self.logit_scale, dtype="float32")

    def _importance(self) -> np.ndarray | None:
        layer = self._source()
        return layer.importance() if layer else None

    def restart(self) -> None:
        """Put the logits where they start, after weights have been loaded."""
        if self.raw_logits is not None:
            start = self._start(self.raw_logits.shape, self._importance())
            self.raw_logits.assign(start)

    def logits(self) -> Any:
        """The gate logits, which an optimizer step keeps in the estimator's range."""
        return self.estimator.logits_from(self.trained(), self.read_weights())

    def trained(self) -> Any:
        """What is trained, in the unit of the logits; None where nothing is."""
        if self.raw_logits is None:
            return None
        raw = ops.convert_to_tensor(self.raw_logits)
        # An optimizer sees the gradient of the logits as it is and moves
        # `raw` as far as any weight: the logits go `logit_scale` times that.
        return straight_through(ops.multiply(raw, self.logit_scale), raw)

    def read_weights(self) -> tuple[Any, ...]:
        """The weights that the estimator reads, float32."""
        names = self.estimator.reads
        layer = self._source() if names else None
        if names and layer is None:
            raise InvalidArgumentError(
                f"a masked layer around gate {self.name!r}, whose estimator "
                f"{type(self.estimator).__name__} reads {' and '.join(names)} of it",
                "a gate on its own",
                "Pass the estimator to a masked layer, or to kd.mask_model.",
            )
        weights = [layer.read_by_gate(name) for name in names] if layer else []
        return tuple(ops.cast(weight, "float32") for weight in weights)

    def count_step(self) -> None:
        """A training step begins; counted only where a schedule asks for it."""
        if self.step is not None:
            self.step.assign_add(1.0)

    def at_step(self) -> Any:
        """The step under way, or else the last one, from 0 on: a schedule's place.

        The same from the first call of a step to the penalties, for which Keras asks
        after all calls, and on to the inference between this step and the next.
        """
        return 0.0 if self.step is None else step_of(self.step)

    def _within_range(self, raw: Any) -> Any:
        # Applied by the optimizer after its step: far outside the range the
        # gradient of a sigmoid vanishes, and a closed gate could not return.
        low, high = self.estimator.logit_range
        return ops.clip(raw, low / self.logit_scale, high / self.logit_scale)


def _nothing() -> None:
    return None
