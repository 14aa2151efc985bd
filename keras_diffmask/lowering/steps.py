"""Passes: the time axis that joins the batch in a TimeDistributed, and leaves it."""

from keras_diffmask.lowering.draft import Draft

#: Steps become examples of the wrapped layer, and steps again behind it.
JOIN, PART = "JOIN", "PART"


def join_steps(draft: Draft) -> None:
    """From one TimeDistributed to the next the steps stay examples."""
    for op in list(draft.ops):
        if op.kind != JOIN:
            continue
        maker = draft.makers().get(op.inputs[0])
        if maker is None or draft.ops[maker].kind != PART:
            continue
        before = draft.ops[maker]
        draft.bypass(op)
        draft.replace_tensor(before.outputs[0], before.inputs[0])
        if before.outputs[0] not in draft.readers():
            draft.remove([draft.ops.index(before)])


def reshape_steps(draft: Draft) -> None:
    """A RESHAPE each, but at a FULLY_CONNECTED, which takes positions of any rank."""
    for op in [op for op in draft.ops if op.kind in (JOIN, PART)]:
        makers, readers = draft.makers(), draft.readers()
        maker = makers.get(op.inputs[0])
        before = None if maker is None else draft.ops[maker]
        behind = [draft.ops[k] for k in readers.get(op.outputs[0], []) if k >= 0]
        alone = len(readers[op.inputs[0]]) == 1
        if op.kind == JOIN:
            idle = bool(behind) and all(x.kind == "FULLY_CONNECTED" for x in behind)
            merges = len(behind) == 1 and behind[0].kind == "RESHAPE"
        else:
            idle = before is not None and before.kind == "FULLY_CONNECTED" and alone
            merges = before is not None and before.kind == "RESHAPE" and alone
        if idle or merges:
            draft.bypass(op)
        else:
            draft.ops[draft.ops.index(op)] = op.but(kind="RESHAPE")
