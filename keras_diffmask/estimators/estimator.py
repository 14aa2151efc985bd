"""The interface every mask estimator keeps."""

from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from keras_diffmask import granularity, schedules
from keras_diffmask.errors import InvalidArgumentError


class Estimator:
    """Maps gate logits to a mask, differentiably.

    An estimator holds no variables: a `Gate` owns the logits and asks its
    estimator questions about them. A logit is a number that says how much a
    unit wants to stay: the larger, the sooner it does (`score`). Every tensor
    is float32, whatever the precision of the layers that use the mask.

    A new estimator is a subclass in a file of its own, one line in
    `estimators.ALL_OBJECTS`, and one NumPy oracle in the tests. It defines
    the first four methods; the others have answers that suit most.

    Args:
        initial_keep: float in (0, 1), P(mask != 0) at the start of training.
    """

    #: What the trained variable may reach. Within it a closed gate can still
    #: come back: further out the gradient of a sigmoid vanishes.
    logit_range: tuple[float, float] = (-4.6, 4.6)
    #: What a mask's values lie between.
    mask_range: tuple[float, float] = (0.0, 1.0)
    #: The training mask above which `keep_probability` counts a unit as open;
    #: 0 but for masks that are soft to the end.
    open_above: float = 0.0
    #: The granularities that make sense.
    granularities: ClassVar[tuple[str, ...]] = granularity.NAMES
    #: Weights of the masked layer that the logits are a function of.
    reads: ClassVar[tuple[str, ...]] = ()
    #: The Keras layer whose weights those have to be; None where any will do.
    carrier: ClassVar[type[keras.layers.Layer] | None] = None
    #: Activations of which one has to follow that layer; () where none has to.
    followed_by: ClassVar[tuple[str, ...]] = ()
    #: Whether the number of open units is given, and not what training finds.
    has_fixed_count: ClassVar[bool] = False

    def __init__(self, initial_keep: float) -> None:
        if not 0.0 < float(initial_keep) < 1.0:
            raise InvalidArgumentError(
                "initial_keep in the open interval (0, 1)",
                f"initial_keep={initial_keep!r}",
                "Pass the probability that a gate is open at the start.",
            )
        self.initial_keep = float(initial_keep)

    # -- what every estimator defines ------------------------------------------------

    def initial_logit(self) -> float:
        """The logit at which `keep_probability` equals `initial_keep`."""
        raise NotImplementedError(f"{type(self).__name__} must define initial_logit")

    def sample(
        self, logits: Any, seed: keras.random.SeedGenerator, step: Any = 0.0
    ) -> Any:
        """The training mask, same shape as `logits`, with its gradient.

        Args:
            logits: tensor.
            seed: where noise comes from.
            step: the training step, from 0 on, for schedules.
        """
        raise NotImplementedError(f"{type(self).__name__} must define sample")

    def decide(self, logits: Any, step: Any = 0.0) -> Any:
        """The inference mask: deterministic, exactly 0 where a unit is closed."""
        raise NotImplementedError(f"{type(self).__name__} must define decide")

    def keep_probability(self, logits: Any, step: Any = 0.0) -> Any:
        """P(training mask > `open_above`), with the gradient that penalties use."""
        raise NotImplementedError(f"{type(self).__name__} must define keep_probability")

    def initial_gate(self) -> float:
        """The inference gate at the start of training."""
        logit = np.float32(self.initial_logit())
        return float(ops.convert_to_numpy(self.decide(logit)))

    # -- what some define differently ------------------------------------------------

    def variable_shape(self, mask_shape: tuple[int, ...]) -> tuple[int, ...] | None:
        """The shape of what is trained; None where the layer's weights suffice."""
        return mask_shape

    def initial_value(
        self, shape: tuple[int, ...], importance: np.ndarray | None
    ) -> np.ndarray:
        """What the trained variable starts at.

        Args:
            shape: the variable's shape.
            importance: mean magnitude of the weights under each element of the
                mask, in its shape; None where a gate is on no weights.
        """
        return np.full(shape, self.initial_logit(), np.float32)

    def logits_from(self, variable: Any, weights: tuple[Any, ...]) -> Any:
        """The logits, from what is trained and what is read of the layer.

        Args:
            variable: tensor of `variable_shape`, or None.
            weights: the weights named by `reads`.
        """
        return variable

    def score(self, logits: Any) -> Any:
        """By what units are ranked when a budget has to choose."""
        return logits

    def scale(self, logits: Any, step: Any = 0.0) -> Any:
        """What multiplies a unit that `set_keep` has opened."""
        return 1.0

    def rows(self, mask_shape: tuple[int, ...], unit_axes: tuple[int, ...]) -> Any:
        """Which elements compete with each other: a `Rows`, or None.

        Given one, the methods above see the logits as `(rows, competitors)`.

        Raises:
            InvalidArgumentError: the mask is too small for this estimator.
        """
        return None

    def check_keep(self, keep: np.ndarray) -> None:
        """Refuse a decision by hand that the estimator cannot stand for.

        Raises:
            InvalidArgumentError: saying what it can.
        """

    def require_granularity(
        self, level: str, offered: tuple[str, ...], name: str | None = None
    ) -> None:
        """Refuse a granularity at which the estimator means nothing.

        Args:
            level: canonical granularity.
            offered: those that there are in this place.
            name: of the layer that is to be masked; None where it is a whole model.

        Raises:
            InvalidArgumentError: naming those at which it acts.
        """
        works = [one for one in offered if one in self.granularities]
        if granularity.kind(level) in works:
            return
        words = " or ".join(map(repr, works)) or "none on this layer"
        where = "" if name is None else f" on {name!r}"
        default = ", the default" if level == granularity.CHANNEL else ""
        raise InvalidArgumentError(
            f"a granularity at which {type(self).__name__} acts{where}: {words}",
            f"granularity={level!r}" + default,
            f"Pass for example granularity={works[0]!r}, or another estimator."
            if works
            else "Pass another estimator.",
        )

    @property
    def is_scheduled(self) -> bool:
        """Whether a constant of it changes with the training step."""
        return any(isinstance(v, schedules.Schedule) for v in vars(self).values())

    def get_config(self) -> dict[str, Any]:
        return {"initial_keep": self.initial_keep}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Estimator":
        return cls(**config)


def logistic_noise(shape: Any, seed: keras.random.SeedGenerator) -> Any:
    """Samples log(u) - log(1 - u), u uniform on (1e-6, 1 - 1e-6), float32."""
    u = keras.random.uniform(shape, 1e-6, 1.0 - 1e-6, dtype="float32", seed=seed)
    return ops.log(u) - ops.log(1.0 - u)
