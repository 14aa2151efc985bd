"""Passes: normalizations fold into a neighbour, ReLUs fuse into what is before."""

from keras_diffmask.lowering.draft import Draft
from keras_diffmask.lowering.program import Op

#: What a ReLU can become part of, seen in TensorFlow 2.21's files.
TAKES_RELU = frozenset(
    "CONV_2D DEPTHWISE_CONV_2D TRANSPOSE_CONV FULLY_CONNECTED ADD SUB MUL "
    "MAX_POOL_2D AVERAGE_POOL_2D".split()
)
#: What a BatchNormalization can become part of.
TAKES_NORM = frozenset(
    "CONV_2D DEPTHWISE_CONV_2D TRANSPOSE_CONV FULLY_CONNECTED".split()
)


#: What comes out has a range of its own, whatever the calibration found.
_OWN_RANGE = frozenset("TANH LOGISTIC SOFTMAX".split())


def fold_norms(draft: Draft) -> None:
    """Into the layer before; else into a Dense behind; else MUL and ADD."""
    for op in [op for op in draft.ops if op.kind == "SCALE"]:
        _fold_scale(draft, op)
    index = 0
    while index < len(draft.ops):
        op = draft.ops[index]
        if op.kind == "NORM" and not (_fold_back(draft, op) or _fold_on(draft, op)):
            draft.ops[index : index + 1] = _unfolded(draft, op)
        elif op.kind == "NORM":
            continue
        index += 1


def _fold_scale(draft: Draft, scale: Op) -> None:
    """Into a Dense behind, which has the factors in its kernel; else a MUL."""
    index = draft.ops.index(scale)
    readers = draft.readers().get(scale.outputs[0], [])
    folds = len(readers) == 1 and readers[0] >= 0
    if folds and draft.ops[readers[0]].kind == "FULLY_CONNECTED":
        draft.bypass(scale)
    else:
        draft.ops[index] = scale.but(kind="MUL")


def requantize(draft: Draft) -> None:
    """Before what joins tensors, all of which then have one scale."""
    result: list[Op] = []
    readers = draft.readers()
    renamed: dict[int, int] = {}
    for op in draft.ops:
        inputs = tuple(renamed.get(t, t) for t in op.inputs)
        result.append(op.but(inputs=inputs))
        if op.kind not in _OWN_RANGE:
            continue
        (tensor,) = op.outputs
        behind = {draft.ops[k].kind for k in readers.get(tensor, []) if k >= 0}
        if behind & {"CONCATENATION", "PACK"}:
            renamed[tensor] = draft.new(tensor)
            more = {"weights": (), "letters": 0}
            result.append(
                op.but(
                    kind="QUANTIZE",
                    inputs=(tensor,),
                    outputs=(renamed[tensor],),
                    **more,
                )
            )
    draft.ops = result
    draft.outputs = [renamed.get(t, t) for t in draft.outputs]


def _unfolded(draft: Draft, op: Op) -> list[Op]:
    *scale, shift = op.weights
    if not scale:
        return [op.but(kind="ADD")]
    middle = draft.new(op.inputs[0])
    first = op.but(kind="MUL", outputs=(middle,), weights=tuple(scale))
    return [first, op.but(kind="ADD", inputs=(middle,), weights=(shift,))]


def _fold_back(draft: Draft, norm: Op) -> bool:
    (tensor,) = norm.inputs
    maker = draft.makers().get(tensor)
    if maker is None or draft.readers()[tensor] != [draft.ops.index(norm)]:
        return False
    before = draft.ops[maker]
    if before.kind not in TAKES_NORM or before.fused:
        return False
    _take_in(draft, before, norm)
    draft.replace_tensor(norm.outputs[0], tensor)
    return True


def _fold_on(draft: Draft, norm: Op) -> bool:
    (tensor,) = norm.outputs
    readers = draft.readers().get(tensor, [])
    if len(readers) != 1 or readers[0] < 0:
        return False
    after = draft.ops[readers[0]]
    if after.kind != "FULLY_CONNECTED":
        return False
    _take_in(draft, after, norm)
    draft.replace_tensor(tensor, norm.inputs[0])
    return True


def _take_in(draft: Draft, op: Op, norm: Op) -> None:
    """`op` computes the normalization as well: now it has a bias."""
    # The name of what comes out joins the names of all that went in.
    more = (70 if op.spare else 210) * (op.kind != "FULLY_CONNECTED")
    changed = op.but(letters=op.letters + more)
    if op.spare:
        changed = changed.but(weights=(*op.weights, op.spare), spare=None)
    draft.ops[draft.ops.index(op)] = changed
    draft.remove([draft.ops.index(norm)])


def _behind(draft: Draft, tensor: int) -> Op | None:
    """What makes a tensor that nothing else reads; a RESHAPE lets through."""
    makers, readers = draft.makers(), draft.readers()
    while len(readers[tensor]) == 1 and tensor in makers:
        before = draft.ops[makers[tensor]]
        if before.kind != "RESHAPE":
            return before
        (tensor,) = before.inputs
    return None


def fuse_activations(draft: Draft) -> None:
    for op in list(draft.ops):
        if op.kind not in ("RELU", "RELU6"):
            continue
        before = _behind(draft, op.inputs[0])
        if before is None:
            continue
        maker, tensor = draft.ops.index(before), op.inputs[0]
        if before.kind in {*TAKES_RELU, "SUM"} and not before.fused:
            draft.ops[maker] = before.but(fused=True)
            draft.remove([draft.ops.index(op)])
            draft.replace_tensor(op.outputs[0], tensor)
