"""What recipes write their operators with."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from keras_diffmask.graph import ChannelGraph, Step, Term
from keras_diffmask.lowering.program import Alive, Op, Program, Size, Tensor, Weight

_ONE = Term(1.0)
#: Name of a fused recurrent layer within a call of two.
FUSED = "lstm"


class Builder:
    """Collects a program, call by call.

    Args:
        graph: the channel graph of the model.
        measure: what a product of units is in terms of gates.
        alive: while which gates a call is there.
        shifts: whether a branch that closes may leave a constant behind.
        weight_bits: of each entry of a kernel that the file can store so.
        per_channel_dense: whether Dense kernels have a scale per unit.
    """

    def __init__(
        self,
        graph: ChannelGraph,
        measure: Callable[[Term], Size],
        alive: Callable[[Step], Alive],
        shifts: bool = True,
        weight_bits: int = 8,
        per_channel_dense: bool = False,
    ) -> None:
        self.graph = graph
        self.measure = measure
        self.alive = alive
        self.shifts = shifts
        self.weight_bits = weight_bits
        self.per_channel_dense = per_channel_dense
        self.tensors: list[Tensor] = []
        self.ops: list[Op] = []
        self.unknown: list[str] = []
        self._places: dict[int, int] = {}
        self._outer: Step | None = None
        self._times = 1
        self._apart: tuple[str, str] | None = None
        self._makers = {
            id(tensor): step for step in graph.steps for tensor in step.call.outputs
        }

    def program(self) -> Program:
        """What has been collected."""
        model = self.graph.model
        inputs, outputs = (
            tuple(self._places[id(tensor)] for tensor in tensors)
            for tensors in (model.inputs, model.outputs)
        )
        return Program(
            tuple(self.tensors), tuple(self.ops), inputs, outputs, tuple(self.unknown)
        )

    def tensor(self, ids: np.ndarray, shape: Any, each: int = 1, **more: Any) -> int:
        """A new activation; `shape` with the batch, `each` in bytes."""
        entries = math.prod(size or 1 for size in shape[1:])
        vector = ids.reshape(-1)
        return self.entries(Term(entries / max(vector.size, 1), vector), each, **more)

    def entries(self, term: Term, each: int = 1, **more: Any) -> int:
        """A new activation of a product of units."""
        size = self.measure(term)
        size = replace(size, factor=self._times * size.factor)
        self.tensors.append(Tensor(size, each, **more))
        return len(self.tensors) - 1

    def fixed(self, shape: Any, each: int) -> int:
        """An activation that nothing is cut from, as the model's inputs."""
        entries = math.prod(size or 1 for size in shape[1:])
        self.tensors.append(Tensor(Size(float(entries)), each))
        return len(self.tensors) - 1

    def place(self, tensor: Any, index: int) -> None:
        """Say which activation a Keras tensor is."""
        self._places[id(tensor)] = index

    def inputs(self, step: Step) -> tuple[int, ...]:
        """The activations that a call takes."""
        return tuple(self._places[id(tensor)] for tensor in step.call.inputs)

    def maker(self, tensor: Any) -> Step | None:
        """The call that gives a tensor; None for the model's inputs."""
        return self._makers.get(id(tensor))

    def is_read(self, tensor: Any) -> bool:
        """Whether a call takes it, or the model gives it out."""
        ends = any(tensor is end for end in self.graph.model.outputs)
        return ends or id(tensor) in self.graph.consumers

    @contextmanager
    def inside(self, step: Step, times: int) -> Iterator[None]:
        """Write a wrapped layer in the name of its wrapper, for `times` examples."""
        self._outer, self._times = step, times
        try:
            yield
        finally:
            self._outer, self._times = None, 1

    @contextmanager
    def apart(self, scope: str, name: str) -> Iterator[None]:
        """Write a part of a call that a strip may make a layer called `name`."""
        self._apart = scope, name
        try:
            yield
        finally:
            self._apart = None

    def output(self, step: Step, which: int = 0, each: int = 1, **more: Any) -> int:
        """A new activation of the size of one of the call's outputs."""
        shape = step.call.outputs[which].shape
        return self.tensor(step.outputs[which], shape, each, **more)

    def like(self, tensor: int, each: int = 1) -> int:
        """A new activation of the size of another one."""
        other = self.tensors[tensor]
        self.tensors.append(Tensor(other.size, each, other.lifted))
        return len(self.tensors) - 1

    def emit(
        self,
        step: Step,
        kind: str,
        inputs: Any,
        outputs: Any,
        scope: str = "",
        **more: Any,
    ) -> int:
        """Write an operator; returns its first output."""
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        inputs = inputs if isinstance(inputs, tuple) else (inputs,)
        step = self._outer or step
        name = f"{step.name}/{scope}" if scope else step.name
        alive = self.alive(step)
        if self._apart is not None:
            more.setdefault("cut_name", _within(*self._apart, scope))
        self.ops.append(Op(kind, name, inputs, outputs, alive=alive, **more))
        return outputs[0]

    def leaves_constant(self, tensor: Any) -> bool:
        """Whether a closed branch that ends here still adds its last bias."""
        step = self._makers.get(id(tensor))
        while self.shifts and step is not None and not step.rule.reads:
            if len(step.call.inputs) != 1 or not step.rule.leak_free(step):
                return True
            step = self._makers.get(id(step.call.inputs[0]))
        has_bias = step is None or bool(getattr(step.layer, "use_bias", True))
        return self.shifts and has_bias

    def kernel_bytes(self, kind: str, one_scale: bool = False) -> float:
        """Of an entry of a kernel; TFLM unpacks no Dense kernel of several scales."""
        is_packed = kind == "CONV_2D" or (kind == "FULLY_CONNECTED" and one_scale)
        return (self.weight_bits if is_packed else 8) / 8

    def weight(
        self,
        step: Step,
        name: str,
        entries: Term,
        scales: Term = _ONE,
        each: float = 1.0,
    ) -> Weight:
        """A constant tensor; `each` in bytes."""
        outer = f"{self._outer.name}/" if self._outer else ""
        return Weight(
            # A call of its own has a bias of its own: its scale is the input's.
            key=f"{outer}{step.name}/{name}",
            size=self.measure(entries),
            bytes=each,
            scales=self.measure(scales),
            terms=(entries, scales),
        )

    def lost(self, ids: np.ndarray) -> Size | None:
        """How many of these channels are cut; None where none can be."""
        vector = ids.reshape(-1)
        size = self.measure(Term(1.0, None, vector))
        if not size.axes:
            return None
        (axis,) = size.axes
        fixed = sum(times for gate, times in axis if gate < 0)
        cut = tuple((gate, -times) for gate, times in axis if gate >= 0)
        return Size(1.0, ((*cut, (-1, vector.size - fixed)),))

    def bias(
        self, step: Step, ids: np.ndarray | None, scales: Term, name: str = "bias"
    ) -> Weight:
        """An int32 bias, one entry per channel; its name ends in `bias`."""
        return self.weight(step, name, Term(1.0, None, ids), scales, 4)


def _within(outer: str, layer: str, scope: str) -> str:
    """The name that an operator in the scope `outer` has within its own layer."""
    inner = scope.removeprefix(outer)
    # One that a layer fuses into is called as the layer is.
    return f"{layer}/{inner}" if inner not in ("", FUSED) else layer
