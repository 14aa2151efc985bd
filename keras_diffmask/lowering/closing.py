"""Passes: leave out closed branches, and what does nothing at inference."""

from collections.abc import Callable

from keras_diffmask.lowering.draft import Draft
from keras_diffmask.lowering.program import Op


def drop(
    draft: Draft, is_alive: Callable[[Op], bool], works: Callable[[Op], bool]
) -> None:
    """Leave out closed branches, and what does nothing."""
    there = set(draft.inputs)
    kept: list[Op] = []
    same: dict[int, int] = {}
    for op in draft.ops:
        inputs = tuple(same.get(t, t) for t in op.inputs)
        left = [place for place, t in enumerate(inputs) if t in there]
        if not left or not is_alive(op):
            continue
        op = op.but(inputs=inputs)
        if op.kind == "SUM":
            parts = _what_is_left(draft, op, left)
        elif op.kind == "CONCATENATION" and len(left) > 1:
            parts = [op.but(inputs=tuple(inputs[k] for k in left))]
        else:
            parts = [op] * (op.kind not in ("NONE", "CONCATENATION") and works(op))
        if not parts:
            same[op.outputs[0]] = inputs[left[0]]
        kept += parts
        there.update(t for part in parts for t in part.outputs)
    draft.ops = kept
    draft.outputs = [same.get(t, t) for t in draft.outputs]
    _drop_unread(draft)


def _drop_unread(draft: Draft) -> None:
    wanted = set(draft.outputs)
    kept = []
    for op in reversed(draft.ops):
        if wanted & set(op.outputs):
            kept.append(op)
            wanted.update(op.inputs)
    draft.ops = kept[::-1]


def _what_is_left(draft: Draft, op: Op, left: list[int]) -> list[Op]:
    """Of a sum; a closed branch may leave a constant, which is then added."""
    closed = set(range(len(op.inputs))) - set(left)
    shift = any(op.shifts[place] for place in closed)
    inputs = tuple(op.inputs[place] for place in left)
    single = tuple(op.single[place] for place in left)
    total = op.but(inputs=inputs, single=single, weights=(), shifts=())
    if not shift:
        return [total] if len(left) > 1 else []
    moved = op.but(kind="NORM", inputs=inputs, single=(), shifts=())
    if len(left) == 1:
        return [moved]
    middle = draft.new(op.outputs[0])
    return [total.but(outputs=(middle,)), moved.but(inputs=(middle,))]
