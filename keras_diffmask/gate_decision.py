"""What decides a gate in the place of its estimator: a person, or a budget."""

from typing import Any

import numpy as np
from keras import ops

from keras_diffmask import errors
from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.gate_logits import GateLogits
from keras_diffmask.state import add_state

# Who decided, as the variable `fixed` says.
_ESTIMATOR, _HAND, _BUDGET = 0, 1, 2


class GateDecision(GateLogits):
    """Mix-in that owns the decision that `set_keep` takes.

    Attributes:
        mask_shape: the mask's shape.
        min_keep: how many units stay open at least.
    """

    mask_shape: tuple[int, ...]
    min_keep: int

    def build_decision(self) -> None:
        """Create the variables."""
        self.fixed = add_state(self, "fixed", (), float(_ESTIMATOR))
        self.fixed_keep = add_state(self, "fixed_keep", self.mask_shape, True, "bool")
        self.decided_score = add_state(self, "decided_score", self.mask_shape, 0.0)

    def _unless_fixed(self, value: Any, one: Any = None) -> Any:
        one = self._scale() if one is None else one
        fixed_keep = ops.cast(self.fixed_keep, "float32") * one
        return ops.where(self.is_decided(), fixed_keep, value)

    def is_decided(self) -> Any:
        """`is_fixed` as a tensor."""
        return ops.convert_to_tensor(self.fixed) > 0.5

    def score(self) -> Any:
        """How much each unit wants to stay, in the shape of the mask.

        Once a budget has decided, what it was then: the momentum of an
        optimizer goes on to move logits that have no gradient any more.
        """
        decided = ops.convert_to_tensor(self.fixed) > (_HAND + _BUDGET) / 2
        held = ops.convert_to_tensor(self.decided_score)
        return ops.where(decided, held, self._live_score())

    @property
    def keep(self) -> np.ndarray:
        """Boolean array: what inference keeps and the strip leaves."""
        return ops.convert_to_numpy(self.inference_mask()) != 0.0

    @property
    def is_fixed(self) -> bool:
        """Whether `set_keep` decided, rather than the estimator."""
        return self._decided_by() != _ESTIMATOR

    @property
    def is_fixed_by_hand(self) -> bool:
        """Whether `set_keep` decided, and not for a budget."""
        return self._decided_by() == _HAND

    def _decided_by(self) -> int:
        return int(ops.convert_to_numpy(ops.convert_to_tensor(self.fixed)))

    def decision_states(self) -> list[Any]:
        """The variables that hold what `set_keep` decided."""
        return [self.fixed, self.fixed_keep, self.decided_score]

    def set_keep(self, keep: Any, by_hand: bool = True) -> None:
        """Fix which units are open in training, inference and strip; None undoes it.

        Args:
            keep: boolean array of shape `shape` (True stays), or None to give
                the gate back to its estimator.
            by_hand: False where a budget decides, which `finalize` may do
                again with another one; what is decided by hand, it leaves.

        Raises:
            InvalidArgumentError: wrong shape or type, or nothing would stay
                where something must, or the estimator cannot stand for it.
        """
        if keep is None:
            self.fixed.assign(float(_ESTIMATOR))
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
        rows = ops.convert_to_tensor(keep.astype("float32"))
        with errors.concerning(f"gate {self.name!r}"):
            self.estimator.check_keep(ops.convert_to_numpy(self._in_rows(rows)) > 0.5)
        if not by_hand:
            self.decided_score.assign(self.score())
        self.fixed_keep.assign(keep)
        self.fixed.assign(float(_HAND if by_hand else _BUDGET))

    def inference_mask(self) -> Any:
        """The mask of inference, count and strip."""
        raise NotImplementedError

    def _live_score(self) -> Any:
        """The score of the logits as they are."""
        raise NotImplementedError

    def _scale(self) -> Any:
        """What multiplies an open unit."""
        raise NotImplementedError

    def _in_rows(self, logits: Any) -> Any:
        """Elements as the estimator sees them."""
        raise NotImplementedError
