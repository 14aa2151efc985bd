"""A program: what a model becomes on the device, as operators and tensors."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

from keras_diffmask.graph import Term

#: Pairs of a gate and how often each of its open units counts; the gate of
#: units that always stay is -1, and its "number of open units" is 1.
Axis = tuple[tuple[int, float], ...]

#: Sets of gates: alive while all gates of one of the sets are. No set: always.
Alive = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Size:
    """factor x the open units along each of its axes."""

    factor: float
    axes: tuple[Axis, ...] = ()

    def of(self, sums: Any) -> Any:
        """The number, given the sum of the values of each gate, and 1 last."""
        total: Any = self.factor
        for axis in self.axes:
            total = total * sum(times * sums[gate] for gate, times in axis)
        return total


@dataclass(frozen=True)
class Weight:
    """A constant tensor of the file that training made.

    Attributes:
        key: the same for what is stored once, as a kernel that is called twice.
        size: entries.
        bytes: of each.
        scales: how many pairs of scale and zero point it has.
        terms: entries and scales as the graph has them, for the expectation.
    """

    key: str
    size: Size
    bytes: float
    scales: Size
    terms: tuple[Term, Term] | None = None


@dataclass(frozen=True)
class Tensor:
    """An activation.

    Attributes:
        size: entries, for one example.
        bytes: of each: 1, or 4 for what stays in float or comes as int32.
        lifted: whether a 1-D layer left it with an axis of 1 in front.
    """

    size: Size
    bytes: int = 1
    lifted: bool = False


@dataclass(frozen=True)
class Op:
    """One operator.

    Attributes:
        kind: TFLite's name of it; while lowering also `SUM`, `NORM`, `NONE`.
        name: of the layer that it comes from, and behind a `/` TensorFlow's own
            within it; decides the order of branches.
        inputs: indices of tensors; constants are not among them.
        outputs: indices of tensors.
        weights: its constants.
        spare: the bias that it gets where something is folded into it.
        channels: output channels with a multiplier each, which TFLM stores.
        width: of a recurrent layer's state.
        fused: whether an activation is fused into it.
        single: per input of a `SUM` whether it has one position only.
        shifts: per input whether a constant is left where it is closed.
        letters: how much longer its name is for what was folded into it.
        alive: while which gates are.
        lost: channels that are cut, for what is there only where some are.
        several: units of which one alone leaves it nothing to do, such as heads.
        ahead: whether TensorFlow comes to it before it comes to the inputs.
        shared: how many of its constants an operator before it has as well.
        cut_name: its name where a strip has cut its layer apart; "" where that
            keeps the name.
    """

    kind: str
    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    weights: tuple[Weight, ...] = ()
    spare: Weight | None = None
    channels: Size | None = None
    width: Size | None = None
    fused: bool = False
    single: tuple[bool, ...] = ()
    shifts: tuple[bool, ...] = ()
    letters: int = 0
    alive: Alive = ()
    lost: Size | None = None
    several: Size | None = None
    ahead: bool = False
    shared: int = 0
    cut_name: str = ""

    def but(self, **changes: Any) -> "Op":
        return replace(self, **changes)


@dataclass(frozen=True)
class Program:
    """Operators in the order in which the device runs them, once `compiled`.

    Attributes:
        tensors: all activations, also those that fusing did away with.
        ops: the operators.
        inputs: indices of the model's inputs.
        outputs: indices of its outputs.
        unknown: names of the layers that the table has no row for.
    """

    tensors: tuple[Tensor, ...]
    ops: tuple[Op, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    unknown: tuple[str, ...] = ()

    def map_weights(self, change: Callable[[Weight], Weight]) -> "Program":
        """The program with every weight changed."""
        ops = [
            op.but(
                weights=tuple(map(change, op.weights)),
                spare=op.spare and change(op.spare),
            )
            for op in self.ops
        ]
        return replace(self, ops=tuple(ops))

    def get_config(self) -> dict[str, Any]:
        """Plain data; the graph's terms stay behind."""
        return asdict(self.map_weights(lambda w: replace(w, terms=None)))

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Program":
        return cls(
            tuple(
                Tensor(_size(t["size"]), t["bytes"], t["lifted"])
                for t in config["tensors"]
            ),
            tuple(_op(op) for op in config["ops"]),
            tuple(config["inputs"]),
            tuple(config["outputs"]),
            tuple(config["unknown"]),
        )


def _size(config: dict[str, Any]) -> Size:
    axes = [tuple((int(g), float(n)) for g, n in axis) for axis in config["axes"]]
    return Size(config["factor"], tuple(axes))


def _op(config: dict[str, Any]) -> Op:
    known = {
        name: tuple(
            tuple(x) if isinstance(x, list | tuple) else x for x in config[name]
        )
        for name in ("inputs", "outputs", "single", "shifts", "alive")
    }
    sizes = {
        name: config[name] and _size(config[name])
        for name in ("channels", "width", "lost", "several")
    }
    weights = tuple(map(_weight, config["weights"]))
    spare = config["spare"] and _weight(config["spare"])
    return Op(**{**config, **known, **sizes, "weights": weights, "spare": spare})


def _weight(w: dict[str, Any]) -> Weight:
    return Weight(w["key"], _size(w["size"]), w["bytes"], _size(w["scales"]))
