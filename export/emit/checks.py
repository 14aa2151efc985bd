"""What every .tflite file is held to before the user gets it.

Several failures of the converter are silent; each check here has one behind it.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from keras_diffmask.errors import ConversionError
from keras_diffmask.export import modes
from keras_diffmask.export.emit.cell_state import (
    CELL_INPUT,
    LARGEST_CELL_SCALE,
    LSTM,
    SMALLEST_CELL_SCALE,
    cell_clips,
    lstm_sizes,
)
from keras_diffmask.export.emit.recurrent import FusedCall
from keras_diffmask.export.emit.repair import BIASES, STATE_INPUT, STATE_INTERMEDIATE
from keras_diffmask.export.emit.types import check_types
from keras_diffmask.export.flatbuffer import (
    OpView,
    SubgraphView,
    TensorView,
    read_subgraphs,
)
from keras_diffmask.export.model_io import shorten
from keras_diffmask.targets import Target

# The most axes that kernels of TFLM take, found by running them.
TFLM_AXES = {"STRIDED_SLICE": 4, "TRANSPOSE": 5}
# Kernels that copy integers: in and out must mean the same real values. Of all
# that do not join, only input 0 is data (the rest are shapes, axes, indices).
_COPYING = (
    "REVERSE_V2",
    "RESHAPE",
    "MAX_POOL_2D",
    "GATHER",
    "STRIDED_SLICE",
    "TRANSPOSE",
    "CONCATENATION",
    "PACK",
)
_JOINING = ("CONCATENATION", "PACK")


def check_content(
    content: bytes,
    quantization: str,
    target: Target,
    fused: Sequence[FusedCall] = (),
    io: str | None = None,
) -> None:
    """Raises when a .tflite file breaks a promise.

    Args:
        content: the bytes.
        quantization: the name of the mode that was promised.
        target: the device it is meant for.
        fused: the LSTM calls that must each be one operator, and no more.
        io: the type of inputs and outputs; None: the mode's usual one.

    Raises:
        ConversionError: names the operator or tensor at fault.
    """
    mode = modes.get(quantization)
    graphs = read_subgraphs(content)
    main = graphs[0]
    _check_fused(main, fused)
    _check_ops(graphs, target, mode)
    _check_shapes(main)
    _check_clips(content)
    check_types(main, mode, io or mode.io[0])
    if mode.integers:
        for op in main.ops:
            _check_scales(main, op)
            _check_biases(main, op)


def _check_fused(graph: SubgraphView, fused: Sequence[FusedCall]) -> None:
    """One operator of the right size per LSTM layer and direction."""
    ops = [op for op in graph.ops if op.name == LSTM]
    found = Counter(lstm_sizes(graph, op) for op in ops)
    missing = []
    for call in fused:
        sizes = (call.steps, call.inputs, call.units)
        if found[sizes] > 0:
            found[sizes] -= 1
        else:
            missing.append(
                f"'{call.layer}' ({call.steps} steps of {call.inputs} inputs, "
                f"{call.units} units)"
            )
    if not missing and not found.total():
        return
    others = dict.fromkeys(op.name for op in graph.ops if op.name != LSTM)
    names = ", ".join(f"'{name}'" for name in dict.fromkeys(c.layer for c in fused))
    raise ConversionError(
        f"{len(fused)} fused {LSTM} operator(s), one per call of each LSTM layer "
        f"and direction ({names})",
        f"{len(ops)}, with none for {', '.join(missing) or 'no layer'} and "
        f"{found.total()} for no layer, beside {', '.join(others)}",
        "Report the model and the TensorFlow version: its converter no longer "
        "recognises the pattern.",
    )


def _check_ops(
    graphs: tuple[SubgraphView, ...], target: Target, mode: modes.Mode
) -> None:
    for graph in graphs:
        for op in graph.ops:
            # Control flow and foreign operators: neither is converted to int8,
            # and plain LiteRT has no kernel for the latter.
            kind = op.name.split(" ")[0]
            if kind in ("WHILE", "IF", "CUSTOM", "DELEGATE") or "Flex" in op.name:
                # Tensors are named after the layers they come from.
                tensor = graph.tensors[op.outputs[0]].name if op.outputs else "?"
                raise ConversionError(
                    "TFLite's built-in operators without control flow",
                    f"the operator {op.name} that writes tensor '{tensor}'",
                    "Replace the layer it comes from.",
                )
    names = tuple(op.name for g in graphs for op in g.ops)
    _check_axes(graphs[0], target)
    missing = target.missing_ops(names, mode.activations)
    if missing:
        tensor = next(
            g.tensors[op.outputs[0]].name
            for g in graphs
            for op in g.ops
            if op.name in missing
        )
        raise ConversionError(
            f"operators that target '{target.name}' has for {mode.activations}",
            f"{', '.join(missing)}, which it lacks (at '{shorten(tensor, 60)}')",
            "Replace the layer it comes from, or choose another target.",
        )


def _check_axes(graph: SubgraphView, target: Target) -> None:
    for op in graph.ops if target.runtime == "tflm" else ():
        axes, most = len(graph.tensors[op.inputs[0]].shape), TFLM_AXES.get(op.name)
        if most is not None and axes > most:
            raise ConversionError(
                f"at most {most} axes at {op.name}, as TFLM's kernel has them",
                f"{axes} axes at '{shorten(graph.tensors[op.outputs[0]].name, 60)}'",
                "Replace the layer it comes from.",
            )


def _check_shapes(graph: SubgraphView) -> None:
    for tensor in graph.tensors:
        if not tensor.static or -1 in tensor.shape:
            raise ConversionError(
                "static shapes throughout",
                f"tensor '{tensor.name}' of shape {tensor.shape} with a dynamic size",
                "Give every Input fixed sizes and avoid shape-dependent operations.",
            )
    for name, index in zip(graph.input_names, graph.inputs, strict=True):
        shape = graph.tensors[index].shape
        if not shape or shape[0] != 1:
            raise ConversionError(
                "batch size 1",
                f"input '{name}' of shape {shape}",
                "Let the Input leave its batch size open.",
            )


def _check_clips(content: bytes) -> None:
    if clips := [float(clip[0]) for clip in cell_clips(content) if clip[0]]:
        raise ConversionError(
            f"the cell state of {LSTM} without a limit, as in Keras",
            f"one of {clips[0]:g}",
            "Report the model: the converter wrote a file that computes wrong.",
        )


def _check_scales(graph: SubgraphView, op: OpView) -> None:
    together: tuple[int, ...] = ()
    if op.name == LSTM:
        together = (op.inputs[STATE_INPUT], op.intermediates[STATE_INTERMEDIATE])
        _check_types(graph, op)
        _check_cell(graph.tensors[op.inputs[CELL_INPUT]])
    elif op.name in _COPYING:
        together = op.inputs if op.name in _JOINING else op.inputs[:1]
    out = graph.tensors[op.outputs[0]]
    for index in together:
        tensor = graph.tensors[index]
        if not tensor.same_quantization(out):
            raise ConversionError(
                f"one scale for tensors '{tensor.name}' and '{out.name}', as the "
                f"kernel of {op.name} assumes",
                f"scales {tensor.scale.tolist()} and {out.scale.tolist()}",
                "Write two directions of a recurrent layer as a Bidirectional outside "
                "of TimeDistributed, or convert to float16, or report the model: the "
                "converter wrote a file that computes wrong.",
            )


def _check_types(graph: SubgraphView, op: OpView) -> None:
    wanted = {i: "INT8" for i in (*range(1, 9), STATE_INPUT)} | {CELL_INPUT: "INT16"}
    for place, dtype in wanted.items():
        tensor = graph.tensors[op.inputs[place]]
        if tensor.dtype != dtype:
            raise ConversionError(
                f"{dtype} at input {place} of an integer {LSTM}",
                f"{tensor.dtype} at tensor '{tensor.name}'",
                "Report the TensorFlow version: it quantizes LSTMs in a new way.",
            )


def _check_cell(cell: TensorView) -> None:
    limits = SMALLEST_CELL_SCALE, LARGEST_CELL_SCALE
    if not cell.scale.size or not limits[0] <= cell.scale[0] <= limits[1]:
        raise ConversionError(
            f"a cell state scale of {limits[0]:g} to {limits[1]:g}, beyond which "
            f"the kernel of {LSTM} has no tanh",
            f"{cell.scale.tolist()} at tensor '{cell.name}'",
            "Report the model: the converter wrote a file that computes wrong.",
        )


def _check_biases(graph: SubgraphView, op: OpView) -> None:
    for weights, bias in BIASES.get(op.name, ()):
        if bias >= len(op.inputs) or op.inputs[bias] < 0:
            continue
        data, kernel, added = (graph.tensors[op.inputs[i]] for i in (0, weights, bias))
        if added.constant and not added.data.any():
            # With int16 activations all biases of zero are one tensor of any scale.
            continue
        if not np.allclose(added.scale, data.scale * kernel.scale, rtol=1e-3, atol=0):
            raise ConversionError(
                f"the bias of {op.name} to have the scale of its input times that "
                "of its weights",
                f"another one at '{added.name}'",
                "Report the model: the converter wrote a file that computes wrong.",
            )
