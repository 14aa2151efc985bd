"""A cost that is one number: differentiable in gate values, exact at 0 and 1."""

from dataclasses import asdict, dataclass, replace
from itertools import compress
from typing import Any

import numpy as np
from keras import ops


@dataclass(frozen=True)
class Cost:
    """Sum over terms of factor x rows x columns x depth, in the gates' open units.

    Each of the three counts what stays along one axis of a weight (the depth
    is 1 but for an attention head's width): a constant, plus for each gate
    the number of its open units times how often each of them occurs there (49
    times behind the Flatten of a 7 x 7 map). Gate values are independent,
    with mean v, so the expectation is

        E[cost] = sum_t f_t r_t(v) c_t(v) d_t(v) + sum_g e_g sum_i v_gi (1 - v_gi)

    where the second sum corrects for rows and columns that share a gate
    (an LSTM's recurrent kernel: s_j s_j = s_j; e_g sums f_t r_tg c_tg d_t). It
    vanishes at v in {0, 1}, where the cost is the integer that the stripped
    model has.

    A term inside a residual branch also counts only while the branch lives:
    it is multiplied by P(no other gate of the branch is wholly closed).

    Attributes:
        name: what is counted, for example `"macs"`.
        factors: `(terms,)`, the f_t.
        rows: `(terms, gates + 1)`, multiplicities; the last is the constant.
        columns: the same for the other axis.
        depths: the same for the third; its gates are in neither of the others.
        branches: `(terms, gates)`, True where the gate belongs to the branch
            that the term lies in.
    """

    name: str
    factors: tuple[float, ...]
    rows: tuple[tuple[float, ...], ...]
    columns: tuple[tuple[float, ...], ...]
    depths: tuple[tuple[float, ...], ...]
    branches: tuple[tuple[bool, ...], ...]

    def count(self, values: list[np.ndarray]) -> float:
        """The cost at gate values, in NumPy.

        Args:
            values: per gate its values in [0, 1], shape `(units,)`.

        Returns:
            The expected cost; at 0/1 values the integer cost.
        """
        return float(ops.convert_to_numpy(self._evaluate(np, values)))

    def expected(self, values: list[Any]) -> Any:
        """The same as `count`, on tensors and differentiable, float32."""
        return self._evaluate(ops, values)

    def dense(self, sizes: list[int]) -> float:
        """The cost with every gate open."""
        return self.count([np.ones(size) for size in sizes])

    def under_gates(self) -> "Cost":
        """The cost without the terms that no gate has a part in."""
        has_gate = [
            any(any(axis[:-1]) for axis in axes) or any(branch)
            for *axes, branch in zip(
                self.rows, self.columns, self.depths, self.branches, strict=True
            )
        ]
        tables = ("factors", "rows", "columns", "depths", "branches")
        chosen: dict[str, Any] = {
            name: tuple(compress(getattr(self, name), has_gate)) for name in tables
        }
        return replace(self, **chosen)

    def _evaluate(self, xp: Any, values: list[Any]) -> Any:
        def table(entries: Any) -> Any:
            # A tensor where the values are: torch does not multiply with arrays.
            return (
                ops.convert_to_tensor(np.asarray(entries, np.float32))
                if xp is ops
                else np.asarray(entries, np.float64)
            )

        if not self.factors:
            return table(0.0)
        sums = xp.stack([*(xp.sum(v) for v in values), table(1.0)])
        sums = xp.reshape(sums, (-1, 1))
        r, c, d = (
            xp.matmul(table(axis), sums)[:, 0]
            for axis in (self.rows, self.columns, self.depths)
        )
        weights = table(self.factors) * d
        if np.any(self.branches):
            weights = weights * self._alive(xp, values)
        total = xp.sum(weights * (r * c))
        shared = np.asarray(self.rows) * np.asarray(self.columns)
        for gate, value in enumerate(values):
            if np.any(shared[:, gate]):
                times = xp.sum(weights * table(shared[:, gate]))
                total = total + times * xp.sum(value * (1.0 - value))
        return total

    def _alive(self, xp: Any, values: list[Any]) -> Any:
        """Per term, the probability that its branch is still there."""
        inside = np.asarray(self.branches)
        factor: Any = 1.0
        for gate in np.flatnonzero(inside.any(axis=0)).tolist():
            alive = 1.0 - xp.prod(1.0 - values[gate])
            factor = factor * xp.where(inside[:, gate], alive, 1.0)
        return factor

    def get_config(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Cost":
        tables = {
            name: tuple(tuple(row) for row in config[name])
            for name in ("rows", "columns", "depths", "branches")
        }
        return cls(name=config["name"], factors=tuple(config["factors"]), **tables)
