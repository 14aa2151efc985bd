"""Time of each operation: every one cut into a model of its own.

LiteRT's Python interpreter has no profiler, and the profiler of its newer
runtime refuses LSTMs and rounds to whole microseconds. One-operation models
need neither. Measured on x86, the sum is 102 to 105 % of the whole model, and
114 % for an int8 ResNet-8 of 40 microseconds: each cut pays the fixed cost of
an invocation, a good third of a microsecond.
"""

import copy
import time
from typing import Any

import numpy as np

from keras_diffmask.errors import ArtifactError
from keras_diffmask.export.benchmarking.host import InterpreterRunner
from keras_diffmask.export.benchmarking.interleave import (
    Clock,
    Runner,
    interleaved,
    runs_per_round,
    warm_up,
)
from keras_diffmask.export.benchmarking.records import OpTable, OpTime
from keras_diffmask.export.flatbuffer import read_subgraphs, schema
from keras_diffmask.export.random_inputs import random_inputs


def op_table(
    content: bytes, threads: int, rounds: int, seconds: float, warmup: int
) -> OpTable:
    """Times every operation of a model, and the whole model with them.

    Args:
        content: bytes of the `.tflite` file.
        threads: threads the kernels may use.
        rounds: turns through all operations.
        seconds: time for all operations together, and as much for the whole.
        warmup: untimed runs of each before the first round.

    Returns:
        One entry per operation; an operation that cannot run outside its model
        (one that reads a resource variable, say) has `median_us=None`.
    """
    values = recorded_values(content)
    runners: dict[str, Runner] = {"whole": InterpreterRunner(content, threads)}
    for index, (cut, inputs) in enumerate(cut_ops(content)):
        given = [values[tensor] for tensor in inputs]
        try:
            runner = InterpreterRunner(cut, threads, inputs=given)
            runner.run()
        except ArtifactError:
            continue
        runners[str(index)] = runner
    return _table(content, runners, rounds, seconds, warmup)


def _table(
    content: bytes,
    runners: dict[str, Runner],
    rounds: int,
    seconds: float,
    warmup: int,
    clock: Clock = time.perf_counter_ns,
) -> OpTable:
    """Times the runners ("whole" and the indices of operations) in turns."""
    once = {name: warm_up(runner, warmup, clock) for name, runner in runners.items()}
    alone = max(1, sum(once.values()) - once["whole"])
    part = {name: seconds * spent / alone for name, spent in once.items()}
    part["whole"] = seconds
    runs = {n: runs_per_round(once[n], rounds, part[n]) for n in runners}
    times = interleaved(runners, rounds, runs, clock)
    median = {n: float(np.median(np.concatenate(t))) / 1e3 for n, t in times.items()}
    whole = median.pop("whole")
    total = sum(median.values())
    graph = read_subgraphs(content)[0]
    ops = []
    for index, op in enumerate(graph.ops):
        spent = median.get(str(index))
        output = graph.tensors[op.outputs[0]].name if op.outputs else ""
        share = None if spent is None else spent / total
        ops.append(OpTime(index, op.name, output, spent, share))
    return OpTable(tuple(ops), total, whole)


def recorded_values(content: bytes) -> dict[int, np.ndarray]:
    """Runs a model once and keeps every tensor of its main graph.

    The cut operations then work on what they would see in the model: shapes
    computed at run time, indices that are valid, activations with real zeros.

    Args:
        content: bytes of the `.tflite` file.

    Returns:
        Tensor index -> value; a tensor that has none is left out.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    # Without XNNPACK, which keeps the tensors between its operations to itself.
    interpreter = Interpreter(
        model_content=content,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        experimental_preserve_all_tensors=True,
    )
    interpreter.allocate_tensors()
    details = interpreter.get_input_details()
    for detail, value in zip(details, random_inputs(details), strict=True):
        interpreter.set_tensor(detail["index"], value)
    interpreter.invoke()
    values = {}
    for index in range(len(read_subgraphs(content)[0].tensors)):
        try:
            values[index] = interpreter.get_tensor(index)
        except ValueError:
            continue
    return values


def cut_ops(content: bytes) -> list[tuple[bytes, list[int]]]:
    """Cuts a model into models of one operation each.

    Args:
        content: bytes of the `.tflite` file.

    Returns:
        For each operation of the main graph, in run order: the bytes of its
        model, and the tensors (indices in the whole model) it takes as inputs.
    """
    root = schema().Model.GetRootAs(content, 0)
    model = schema().ModelT.InitFromObj(root)
    return [_cut(model, op) for op in model.subgraphs[0].operators]


def _cut(model: Any, op: Any) -> tuple[bytes, list[int]]:
    from ai_edge_litert.tools.flatbuffer_utils import convert_object_to_bytearray

    main = model.subgraphs[0]
    used = [op.inputs, op.outputs, op.intermediates]
    order = [int(i) for part in used if part is not None for i in part if i >= 0]
    place = {old: new for new, old in enumerate(dict.fromkeys(order))}
    taken = [
        i
        for i in dict.fromkeys(int(i) for i in op.inputs)
        if i >= 0 and not _is_constant(model, i) and not main.tensors[i].isVariable
    ]
    graph = schema().SubGraphT()
    graph.tensors = [copy.copy(main.tensors[i]) for i in place]
    graph.inputs = [place[i] for i in taken]
    graph.outputs = [place[int(i)] for i in op.outputs]
    graph.name = main.name
    alone = copy.copy(op)
    alone.inputs, alone.outputs, alone.intermediates = (
        None if part is None else [place.get(int(i), -1) for i in part] for part in used
    )
    graph.operators = [alone]
    cut = copy.copy(model)
    cut.signatureDefs = cut.metadata = cut.metadataBuffer = None
    # Control flow calls other graphs by their number: these stay in place.
    cut.subgraphs = [graph, *model.subgraphs[1:]]
    _keep_used(cut, alone)
    return bytes(convert_object_to_bytearray(cut)), taken


def _is_constant(model: Any, tensor: int) -> bool:
    data = model.buffers[model.subgraphs[0].tensors[tensor].buffer].data
    return data is not None and len(data) > 0


def _keep_used(cut: Any, op: Any) -> None:
    # Buffer 0 is the empty one by the format's rule. With other graphs about,
    # their buffers stay where they are.
    if len(cut.subgraphs) > 1:
        return
    kept = [cut.buffers[0]]
    for tensor in cut.subgraphs[0].tensors:
        buffer = cut.buffers[tensor.buffer]
        tensor.buffer = 0
        if buffer.data is not None and len(buffer.data):
            tensor.buffer = len(kept)
            kept.append(buffer)
    cut.buffers = kept
    cut.operatorCodes = [cut.operatorCodes[op.opcodeIndex]]
    op.opcodeIndex = 0
