"""Passes: sums in twos, and the reshapes that the converter puts in or leaves out."""

from dataclasses import replace

from keras_diffmask.lowering.draft import Draft
from keras_diffmask.lowering.program import Op

#: What works on an axis of 1 in front of a sequence, as 1-D layers leave it.
LIFTS = frozenset(
    "CONV_2D DEPTHWISE_CONV_2D TRANSPOSE_CONV MAX_POOL_2D AVERAGE_POOL_2D".split()
)
#: What takes a sequence in either form, and leaves it so.
EITHER = frozenset(
    "ADD SUB MUL DIV MAXIMUM MINIMUM RELU RELU6 LOGISTIC TANH LEAKY_RELU "
    "HARD_SWISH NORM DEQUANTIZE QUANTIZE ELU PRELU".split()
)


def split_sums(draft: Draft) -> None:
    """A sum of n is n - 1 times ADD; a lone vector on the right is reshaped."""
    result: list[Op] = []
    for op in draft.ops:
        if op.kind != "SUM":
            result.append(op)
            continue
        total = op.inputs[0]
        for place, other in enumerate(op.inputs[1:], 1):
            if op.single and op.single[place]:
                # TensorFlow takes what has one position for a bias.
                flat = draft.new(other, lifted=False)
                result.append(
                    op.but(
                        kind="RESHAPE",
                        inputs=(other,),
                        outputs=(flat,),
                        fused=False,
                        single=(),
                    )
                )
                other = flat
            last = place == len(op.inputs) - 1
            out = op.outputs[0] if last else draft.new(op.outputs[0])
            result.append(
                op.but(
                    kind="ADD",
                    inputs=(total, other),
                    outputs=(out,),
                    fused=op.fused and last,
                    single=(),
                )
            )
            total = out
    draft.ops = result


def reshape_sequences(draft: Draft) -> None:
    """Between layers that want an axis of 1 in front and those that do not."""
    result: list[Op] = []
    other_form: dict[int, int] = {}
    makers = {tensor: op for op in draft.ops for tensor in op.outputs}
    for op in draft.ops:
        lifted = [draft.tensors[t].lifted for t in op.inputs]
        one_dimensional = draft.tensors[op.outputs[0]].lifted
        if op.kind in EITHER:
            want = all(lifted) and bool(lifted)
        else:
            want = op.kind in LIFTS and one_dimensional
        inputs = []
        for tensor in op.inputs:
            if op.kind != "RESHAPE" and draft.tensors[tensor].lifted != want:
                if tensor not in other_form:
                    other_form[tensor] = draft.new(tensor, lifted=want)
                    maker = makers.get(tensor)
                    # Which reader is first may change as a layer is cut apart.
                    source = (maker.cut_name or maker.name) if maker else "inputs"
                    result.append(
                        Op(
                            "RESHAPE",
                            op.name,
                            (tensor,),
                            (other_form[tensor],),
                            alive=op.alive,
                            cut_name=f"{source}/reshape",
                        )
                    )
                tensor = other_form[tensor]
            inputs.append(tensor)
        result.append(op.but(inputs=tuple(inputs)))
        for tensor in op.outputs:
            draft.tensors[tensor] = replace(draft.tensors[tensor], lifted=want)
    for place, tensor in enumerate(draft.outputs):
        if draft.tensors[tensor].lifted:
            draft.outputs[place] = draft.new(tensor, lifted=False)
            result.append(Op("RESHAPE", "", (tensor,), (draft.outputs[place],)))
    draft.ops = result


def merge_reshapes(draft: Draft) -> None:
    """Of two in a row one is left; none behind a MEAN, which can keep axes."""
    for op in list(draft.ops):
        if op.kind != "RESHAPE":
            continue
        maker = draft.makers().get(op.inputs[0])
        before = None if maker is None else draft.ops[maker]
        if before is None:
            continue
        if before.kind == "RESHAPE":
            changed = op.but(inputs=before.inputs)
            draft.ops[draft.ops.index(op)] = changed
            if len(draft.readers().get(before.outputs[0], [])) == 0:
                draft.remove([draft.ops.index(before)])
        elif before.kind == "MEAN" and len(draft.readers()[op.inputs[0]]) == 1:
            draft.bypass(op)
        elif op.single == (True,) and _only_multiplies(draft, op):
            draft.bypass(op)


def _only_multiplies(draft: Draft, op: Op) -> bool:
    """Whether a vector is made to broadcast, which it does by itdraft."""
    readers = draft.readers().get(op.outputs[0], [])
    return bool(readers) and all(
        reader >= 0 and draft.ops[reader].kind == "MUL" for reader in readers
    )
