"""One fused LSTM of an int8 file in two runtimes, step by step.

The runtimes compute sigmoid and tanh in different ways, so that a step that
starts from the same state may round to a neighbouring integer. Over a sequence
each differs from the other as the network's own recurrence carries that on.
This tells the one from the other.
"""

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_diffmask.export.benchmarking.per_op import cut_ops
from keras_diffmask.export.emit.repair import CELL_INPUT, LSTM, STATE_INPUT
from keras_diffmask.export.evidence.lstm_int8.tflm import Tflm
from keras_diffmask.export.flatbuffer import read_subgraphs, schema
from keras_diffmask.export.interpreter import make_interpreter


@dataclass(frozen=True)
class Differences:
    """Of one LSTM, in integers, each of shape (sequences, steps, units).

    Args:
        step: TFLM's h less LiteRT's, after a step from the same h and c.
        step_cell: the same of c.
        sequence: TFLM's h less LiteRT's, each with its own state all along.
        nudged: LiteRT's h less LiteRT's, where in one of the two runs single
            entries of h were moved by 1 after each step, as many as differ in
            `step`.
    """

    step: np.ndarray
    step_cell: np.ndarray
    sequence: np.ndarray
    nudged: np.ndarray


def lstm_differences(content: bytes, windows: np.ndarray) -> list[Differences]:
    """Compares each LSTM of a file by itself.

    Every LSTM gets what LiteRT's reference kernels feed it in the whole file,
    so that nothing before it counts.

    Args:
        content: the bytes of an int8 file of one input.
        windows: its inputs as integers, one sequence per row.

    Returns:
        One entry per LSTM, in the file's order.
    """
    graph = read_subgraphs(content)[0]
    places = [k for k, op in enumerate(graph.ops) if op.name == LSTM]
    fed = [graph.ops[k].inputs[0] for k in places]
    cuts = cut_ops(content)
    given = _recorded(content, windows, fed)
    return [
        _compared(_one_step(cuts[k][0]), given[tensor])
        for k, tensor in zip(places, fed, strict=True)
    ]


def _recorded(
    content: bytes, windows: np.ndarray, tensors: list[int]
) -> dict[int, np.ndarray]:
    """What LiteRT has in tensors of the file, one row per window."""
    interpreter = _litert(content)
    rows: dict[int, list[np.ndarray]] = {tensor: [] for tensor in tensors}
    for window in windows:
        interpreter.reset_all_variables()
        interpreter.set_tensor(_input(interpreter), window[None])
        interpreter.invoke()
        for tensor, row in rows.items():
            row.append(interpreter.get_tensor(tensor))
    return {tensor: np.concatenate(row) for tensor, row in rows.items()}


def _one_step(content: bytes) -> bytes:
    """The file of one LSTM for sequences of one step."""
    from ai_edge_litert.tools.flatbuffer_utils import convert_object_to_bytearray

    model = schema().ModelT.InitFromObj(schema().Model.GetRootAs(content, 0))
    graph = model.subgraphs[0]
    for place in (*graph.inputs, *graph.outputs):
        tensor = copy.copy(graph.tensors[place])
        tensor.shape = np.array([1, 1, tensor.shape[-1]], np.int32)
        tensor.shapeSignature = None
        graph.tensors[place] = tensor
    return bytes(convert_object_to_bytearray(model))


def _litert(content: bytes) -> Any:
    interpreter = make_interpreter(content, reference_kernels=True, preserve=True)
    interpreter.allocate_tensors()
    return interpreter


def _input(interpreter: Any) -> int:
    return interpreter.get_input_details()[0]["index"]


class _Cell:
    """LiteRT's interpreter of a one-step LSTM, whose state can be set."""

    def __init__(self, content: bytes) -> None:
        op = read_subgraphs(content)[0].ops[0]
        self.states = (op.inputs[STATE_INPUT], op.inputs[CELL_INPUT])
        self.interpreter = _litert(content)

    def reset(self) -> None:
        self.interpreter.reset_all_variables()

    def set(self, *states: np.ndarray) -> None:
        for tensor, value in zip(self.states, states, strict=True):
            self.interpreter.set_tensor(tensor, value)

    def call(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """h and c after a step."""
        self.interpreter.set_tensor(_input(self.interpreter), x)
        self.interpreter.invoke()
        h, c = (self.interpreter.get_tensor(tensor) for tensor in self.states)
        return h, c


def _compared(content: bytes, sequences: np.ndarray) -> Differences:
    cell, tflm = _Cell(content), Tflm(content)
    own = _walk(cell, sequences)
    step, step_cell, theirs = _side_by_side(cell, tflm, sequences)
    nudges = _nudges(step.shape, float(np.mean(step != 0)))
    return Differences(
        step=step,
        step_cell=step_cell,
        sequence=theirs - own,
        nudged=_walk(cell, sequences, nudges) - own,
    )


def _side_by_side(
    cell: _Cell, tflm: Tflm, sequences: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """TFLM walks alone, and before each step LiteRT is given its state.

    Returns:
        The differences of h and of c after each step, and TFLM's h.
    """
    steps, cells, states = [], [], []
    for sequence in sequences:
        cell.reset()
        tflm.reset()
        for t in range(len(sequence)):
            x = sequence[None, t : t + 1]
            ours = cell.call(x)
            tflm.call(x)
            h, c = (
                tflm.read(tensor).reshape(value.shape).astype(value.dtype)
                for tensor, value in zip(cell.states, ours, strict=True)
            )
            steps.append(h.astype(int) - ours[0])
            cells.append(c.astype(int) - ours[1])
            states.append(h.astype(int))
            cell.set(h, c)
    shape = (*sequences.shape[:2], -1)
    step, step_cell, walked = (
        np.stack(part).reshape(shape) for part in (steps, cells, states)
    )
    return step, step_cell, walked


def _nudges(shape: tuple[int, ...], share: float) -> np.ndarray:
    generator = np.random.default_rng(0)
    signs = generator.choice([-1, 1], shape)
    return signs * (generator.random(shape) < share)


def _walk(
    cell: _Cell, sequences: np.ndarray, nudges: np.ndarray | None = None
) -> np.ndarray:
    """LiteRT's h after every step, moved by the nudges before the next."""
    states = []
    for n, sequence in enumerate(sequences):
        cell.reset()
        for t in range(len(sequence)):
            h, c = cell.call(sequence[None, t : t + 1])
            if nudges is not None:
                h = np.clip(h.astype(int) + nudges[n, t], -128, 127).astype(h.dtype)
                cell.set(h, c)
            states.append(h.astype(int))
    return np.stack(states).reshape(*sequences.shape[:2], -1)
