"""Exactly k of n: dynamic probabilistic pruning (Gonzalez-Carabarin et al. 2022)."""

import math
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from keras_diffmask import granularity, schedules
from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.estimators.estimator import Estimator
from keras_diffmask.estimators.relaxed_top_k import hard_top_k, relaxed_top_k
from keras_diffmask.estimators.rows import Rows
from keras_diffmask.gradients import straight_through

_STARTS = ("magnitude", "random")
#: Standard deviation of the logits at the start.
_SPREAD = 0.5
#: Lower, and the relaxation's gradient is that of a step: 0 almost everywhere.
_LEAST_TEMPERATURE = 0.1


@keras.saving.register_keras_serializable("keras_diffmask")
class TopK(Estimator):
    """Masks with exactly `k` of `n` elements open in every row.

    A row is a set of elements that compete, by default all that one output
    unit reads: the count is given, and training finds which. Training, with
    the logits `a` of a row and Gumbel noise G = -log(-log(u)), u uniform on
    (0, 1):

        s = a + noise_scale * G
        mask = 1 for the k largest s, else 0

    Backward, the gradient is that of k masked softmaxes, of which the j-th
    leaves out the j - 1 largest s (s in descending order):

        soft(i) = sum_{j <= min(i, k)} exp(s_i / T) / Z_j
        Z_j = sum_{i >= j} exp(s_i / T)

    Their sum over a row is k. Both sums are cumulative, so that time and
    memory are those of a sort, whatever k is. The exponents are relative to
    the row's largest s; beyond -80 elements count as equal, and T below 0.1
    is taken as 0.1.

    Inference: mask = 1 for the k largest a, else 0, without noise.

    The count is no one's to train: `keep_probability` is the inference mask,
    with the gradient of its relaxation, which sums to 0 over a row. An L0
    penalty or a `Budget` has nothing to move; `regularizers.Entropy` is the
    penalty made for it. A masked model does not start at the function it was
    made from, for n - k of its weights are closed from the first step on.

    Args:
        k: how many elements are open per row (and tile): an int in [1, n], or
            a float in (0, 1], the share of n, rounded up. `k=1` is one
            element, `k=1.0` all of them.
        axes: axes of the mask whose elements compete, in the mask's layout:
            `(0, 1)` for the positions of each 2-D kernel, `(-1,)` for the
            filters at each position and input (Conv2D, weight granularity).
            None for all but those of the output units; of a mask that is a
            vector (channels, inputs), all elements compete.
        tiles: int >= 1, how many parts of neighbouring inputs each row is
            split into, with k open in each (a constraint of memory banks).
            The last of the competing axes, that of inputs, is divisible by it.
        temperature: float > 0, or a schedule of such; the published
            experiments go from 5 to 0.5 by `schedules.Linear(5.0, 0.5, ...)`.
        noise_scale: float >= 0, or a schedule of such. Elements that are
            closed get no gradient of the task: with no noise, early luck
            decides.
        start: `"magnitude"`: logits are the mean magnitudes of the weights
            under each element, shifted and scaled to mean 0 and standard
            deviation 0.5; `"random"`: drawn from a normal distribution of
            that mean and deviation. Where a gate is on no weights, or all
            magnitudes are equal, the start is random.

    Raises:
        InvalidArgumentError: an argument is outside its range; when a gate is
            made, k is more than the elements of a row, or these cannot be
            split into tiles.

    Example:

    >>> import keras_diffmask as kd
    >>> top = kd.estimators.TopK(k=10)       # ten inputs per unit
    >>> layer = kd.layers.MaskedDense(500, estimator=top, granularity="weight")
    >>> layer.build((None, 800))
    >>> set(layer.gate.keep.sum(axis=0).tolist())
    {10}

    Reference:
        Gonzalez-Carabarin, Huijben, Veeling, Schmid and van Sloun, Dynamic
        Probabilistic Pruning, IEEE TNNLS 2022, arXiv:2105.12686 (`a` is the
        row of logits; k, T and the straight-through sum of masked softmaxes
        are the paper's). The inference rule, top-k without noise, is this
        library's choice: the released code samples then as well.
    """

    has_fixed_count = True
    granularities: ClassVar[tuple[str, ...]] = tuple(
        name for name in granularity.NAMES if name != granularity.BRANCH
    )

    def __init__(
        self,
        k: int | float = 0.5,
        axes: int | tuple[int, ...] | None = None,
        tiles: int = 1,
        temperature: Any = 1.0,
        noise_scale: Any = 0.1,
        start: str = "magnitude",
    ) -> None:
        # The base class' probability is of gates that open one by one.
        super().__init__(initial_keep=0.5)
        self.k = _count(k)
        self.axes = None if axes is None else tuple(np.atleast_1d(axes).tolist())
        if isinstance(tiles, bool) or not isinstance(tiles, int) or tiles < 1:
            raise _bad("tiles to be an int >= 1", f"tiles={tiles!r}", "1")
        if start not in _STARTS:
            words = " or ".join(map(repr, _STARTS))
            raise _bad(f"start to be {words}", f"start={start!r}", "one of these")
        self.tiles = tiles
        self.temperature = schedules.get(temperature, "temperature", above=0.0)
        self.noise_scale = schedules.get(noise_scale, "noise_scale", least=0.0)
        self.start = start

    def initial_logit(self) -> float:
        return 0.0

    def initial_gate(self) -> float:
        return 1.0

    def initial_value(
        self, shape: tuple[int, ...], importance: np.ndarray | None
    ) -> np.ndarray:
        if self.start == "magnitude" and importance is not None:
            spread = np.std(importance)
            if spread > 0.0:
                centred = (importance - np.mean(importance)) / spread
                low, high = self.logit_range
                return np.clip(_SPREAD * centred, low, high).astype("float32")
        normal = keras.initializers.RandomNormal(stddev=_SPREAD)
        return ops.convert_to_numpy(normal(shape, dtype="float32"))

    def rows(self, mask_shape: tuple[int, ...], unit_axes: tuple[int, ...]) -> Rows:
        rank = len(mask_shape)
        axes = self._competing(rank, {axis % rank for axis in unit_axes})
        inputs = mask_shape[max(axes)]
        if inputs % self.tiles:
            raise _bad(
                f"tiles to divide the {inputs} inputs of a mask of shape {mask_shape}",
                f"tiles={self.tiles}",
                f"a divisor of {inputs}",
            )
        rows = Rows(mask_shape, axes, self.tiles)
        if self.open_of(rows.competitors) > rows.competitors:
            raise _bad(
                f"k of at most {rows.competitors}, the elements of a row of a mask of "
                f"shape {mask_shape}",
                f"k={self.k!r}",
                "a smaller k, or the share that is to stay, such as 0.5",
            )
        return rows

    def _competing(self, rank: int, units: set[int]) -> tuple[int, ...]:
        if self.axes is None:
            rest = tuple(axis for axis in range(rank) if axis not in units)
            return rest if rest and rank > 1 else tuple(range(rank))
        axes = {axis % rank for axis in self.axes if -rank <= axis < rank}
        if not axes or len(axes) < len(self.axes):
            raise _bad(
                f"axes to name different axes of a mask of {rank}",
                f"axes={self.axes}",
                f"some of {tuple(range(rank))}, or None",
            )
        return tuple(sorted(axes))

    def open_of(self, competitors: int) -> int:
        """How many of so many elements are open."""
        if isinstance(self.k, int):
            return self.k
        # Less a rounding error: 0.1 * 30 is 3.0000000000000004.
        return max(1, math.ceil(self.k * competitors - 1e-6))

    def sample(
        self, logits: Any, seed: keras.random.SeedGenerator, step: Any = 0.0
    ) -> Any:
        u = keras.random.uniform(
            ops.shape(logits), 1e-6, 1.0 - 1e-6, dtype="float32", seed=seed
        )
        noise = -ops.log(-ops.log(u))
        return self._relaxed(
            logits + schedules.at(self.noise_scale, step) * noise, step
        )

    def decide(self, logits: Any, step: Any = 0.0) -> Any:
        logits = ops.convert_to_tensor(logits, dtype="float32")
        return hard_top_k(logits, self.open_of(logits.shape[-1]))

    def keep_probability(self, logits: Any, step: Any = 0.0) -> Any:
        return self._relaxed(logits, step)

    def _relaxed(self, s: Any, step: Any) -> Any:
        """The top k of each row of `s`, with the gradient of the masked softmaxes."""
        n = s.shape[-1]
        k = self.open_of(n)
        if k == n:
            return straight_through(ops.ones_like(s), 0.0 * s)
        temperature = schedules.at(self.temperature, step)
        return relaxed_top_k(s, k, ops.maximum(temperature, _LEAST_TEMPERATURE))

    def check_keep(self, keep: np.ndarray) -> None:
        count, k = keep.sum(axis=-1), self.open_of(keep.shape[-1])
        if not keep.all() and np.any(count != k):
            raise InvalidArgumentError(
                f"all elements open, or exactly {k} of {keep.shape[-1]} in each row",
                f"rows of {count.min()} to {count.max()} open elements",
                "Open so many in each, or give the gate another estimator.",
            )

    def get_config(self) -> dict[str, Any]:
        return {
            "k": self.k,
            "axes": self.axes,
            "tiles": self.tiles,
            "temperature": schedules.serialize(self.temperature),
            "noise_scale": schedules.serialize(self.noise_scale),
            "start": self.start,
        }


def _count(k: Any) -> int | float:
    """`k` if it is a count or a share.

    Raises:
        InvalidArgumentError: it is neither.
    """
    is_count = isinstance(k, int) and not isinstance(k, bool) and k >= 1
    if is_count or (isinstance(k, float) and 0.0 < k <= 1.0):
        return k
    expected = "k to be an int >= 1, or a float in (0, 1]"
    raise _bad(expected, f"k={k!r}", "k=4 for four of each row, k=0.25 for a quarter")


def _bad(expected: str, received: str, example: str) -> InvalidArgumentError:
    return InvalidArgumentError(expected, received, f"Pass {example}.")
