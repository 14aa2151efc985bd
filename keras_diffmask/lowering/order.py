"""The order in which the device runs operators, and when tensors are live."""

from dataclasses import replace

from keras_diffmask.lowering.program import Op, Program


def ordered(program: Program, ops: list[Op]) -> Program:
    """The program with its operators in the order that the converter gives them.

    TensorFlow imports a graph in reverse postorder, from the inputs on, with
    what reads a tensor sorted by name (`GetReversePostOrder`): of two branches,
    the one whose layer comes first in the alphabet runs first, as a whole.
    It comes to a kernel that all steps of an unrolled layer share before it
    comes to the inputs: what is cut out of the sequence is cut ahead of them.
    """
    readers: dict[int, list[int]] = {}
    for index, op in enumerate(ops):
        for tensor in op.inputs:
            readers.setdefault(tensor, []).append(index)

    def next_of(tensors: tuple[int, ...]) -> list[int]:
        found = {index for tensor in tensors for index in readers.get(tensor, [])}
        return sorted(found, key=lambda index: (_node(ops[index].name), index))

    finished: list[int] = []
    seen: set[int] = set()
    # Without recursion: a model may be deeper than Python's stack.
    stack = [(index, False) for index in next_of(program.inputs)]
    ahead = [index for index, op in enumerate(ops) if op.ahead]
    ahead.sort(key=lambda index: (_node(ops[index].name), index))
    stack += [(index, False) for index in ahead]
    while stack:
        index, is_done = stack.pop()
        if is_done:
            finished.append(index)
        elif index not in seen:
            seen.add(index)
            stack.append((index, True))
            later = next_of(ops[index].outputs)
            stack += [(reader, False) for reader in later if reader not in seen]
    return replace(program, ops=tuple(ops[index] for index in reversed(finished)))


def _node(name: str) -> str:
    # Keras' scopes are numbered: `conv2d` is `conv2d_1/`, or so.
    layer, _, inner = name.partition("/")
    return f"{layer}_1/{inner}"


def lifetimes(program: Program) -> dict[int, tuple[int, int]]:
    """Tensor -> the first and the last operator during which it is in memory.

    Args:
        program: of operators in the order of execution.
    """
    last = max(len(program.ops) - 1, 0)
    spans: dict[int, tuple[int, int]] = {tensor: (0, 0) for tensor in program.inputs}
    for time, op in enumerate(program.ops):
        for tensor in (*op.inputs, *op.outputs):
            first, _ = spans.get(tensor, (time, time))
            spans[tensor] = (first, time)
    for tensor in program.outputs:
        first, _ = spans.get(tensor, (last, last))
        spans[tensor] = (first, last)
    return spans
