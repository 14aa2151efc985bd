"""Savings: what each group of units saves by what is gone of it."""

import numpy as np

from keras_diffmask.graph import Groups, Proof, Step, Term


def savings(proof: Proof, groups: Groups, terms: list[tuple[Step, Term]]) -> np.ndarray:
    """What each group would save if nothing else were removed.

    A kernel that loses channels on both sides saves less than the sum of the
    two: what one side took, the other can not take again.

    Args:
        proof: what goes.
        groups: the groups of its graph.
        terms: those of a cost, each with its call.

    Returns:
        One number per group.
    """
    live = {id(step) for step in proof.live}
    saved = np.zeros(len(groups.items))
    for step, term in terms:
        full = term.size(len)
        if id(step) not in live:
            # A branch that is gone, with all that its layers had.
            own = groups.of_root[proof.graph.units.root(step.written)]
            for index in np.unique(own[own >= 0])[:1]:
                saved[index] += full
            continue
        axes = [ids for ids in term.axes if ids is not None]
        gone = [_gone(proof, groups, ids) for ids in axes]
        for index in np.flatnonzero(np.sum(gone, axis=0)) if axes else ():
            left = [
                ids.size - count[index] for ids, count in zip(axes, gone, strict=True)
            ]
            saved[index] += full - term.factor * float(np.prod(left))
    return saved


def _gone(proof: Proof, groups: Groups, ids: np.ndarray) -> np.ndarray:
    """How many of these ids are gone, per group."""
    roots = proof.graph.units.root(ids.reshape(-1))
    owners = groups.of_root[roots[~proof.kept[roots]]]
    return np.bincount(owners[owners >= 0], minlength=len(groups.items))
