"""Latency tables that nobody measured, with steps as kernels have them."""

import numpy as np

from keras_diffmask.costs import Gating, LatencyRow, LatencyTable
from keras_diffmask.costs.latency_table import fingerprint
from keras_diffmask.graph import ChannelGraph
from keras_diffmask.lowering import Program, Size, compiled, lower
from keras_diffmask.masking.placement import place

#: Both sides of steps of 4 channels.
STEP = 4


def gating_of(graph: ChannelGraph) -> Gating:
    """The gates that a graph can have."""
    places = place(graph)
    return Gating(graph, places.gate_of, places.sizes, places.branches)


def program_of(gating: Gating) -> Program:
    shifts = not gating.closes_at_the_end
    return compiled(lower(gating.graph, gating.size, gating.alive, shifts=shifts))


def synthetic(gating: Gating, seed: int = 0) -> LatencyTable:
    """Times that rise in steps, and differ from operator to operator."""
    rng = np.random.default_rng(seed)
    program = program_of(gating)
    sums = [*map(float, gating.sizes), 1.0]
    rows = []
    for at, op in enumerate(program.ops):
        if op.kind == "OTHER":
            continue
        source, result = (program.tensors[t[0]].size for t in (op.inputs, op.outputs))
        inputs, outputs = _counts(source, sums), _counts(result, sums)
        ns = [
            [rng.uniform(0.9, 1.1) * (300 + 40 * _up(i) * _up(o)) for o in outputs]
            for i in inputs
        ]
        table = tuple(map(tuple, np.round(ns, 1).tolist()))
        rows.append(LatencyRow(at, op.name, op.kind, inputs, outputs, table))
    return LatencyTable(
        model="synthetic",
        fingerprint=fingerprint(program, sums),
        rows=tuple(rows),
        call_ns=500.0,
        scale=1.25,
    )


def _up(channels: int) -> int:
    return -(-channels // STEP) * STEP


def _counts(size: Size, sums: list[float]) -> tuple[int, ...]:
    """Both sides of each step, up to the units along the axis."""
    if not size.axes:
        return (7,)
    (axis,) = size.axes
    dense = round(sum(times * sums[gate] for gate, times in axis))
    sides = {n for k in range(STEP, dense, STEP) for n in (k, k + 1)}
    return tuple(sorted({1, dense, *sides}))
