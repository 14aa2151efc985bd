"""Channels that a plain model computes and nobody hears: always 0, or never read."""

import keras
import numpy as np

from keras_diffmask import masking, rebuild
from keras_diffmask.graph import ChannelGraph, Proof, Step, prove, trace
from keras_diffmask.masking.placement import place


def close_silent(model: keras.Model, masked: keras.Model) -> tuple[int, int]:
    """Close, through their gates, the channels whose removal changes nothing.

    A channel is silent where every layer that reads it finds exactly 0 there
    (its kernel and bias are 0, or what the normalization makes of them does
    not pass the activation), or multiplies it by weights that are all 0.

    Args:
        model: the plain model.
        masked: what `mask_model` made of it, with its gates open.

    Returns:
        How many channels were closed, and how many there are under gates.
    """
    graph = trace(model)
    silent = _silent_units(graph)
    gates = {gate.name: gate for gate in masking.gates(masked)}
    # The names that `mask_model` gave them, in its order.
    names = rebuild.Rebuilder(graph.model, rebuild.clone, rebuild.arrays)
    closed = 0
    for group in place(graph).groups:
        gate = gates[names.free_name(f"{group.name}_gate")]
        keep = ~silent[group.roots]
        if keep.all():
            continue
        if keep.sum() < gate.min_keep:
            keep[0] = True
        gate.set_keep(keep)
        closed += int((~keep).sum())
    return closed, sum(gate.units for gate in gates.values())


def _silent_units(graph: ChannelGraph) -> np.ndarray:
    """Bool per unit, by its root."""
    proof = prove(graph)
    root = graph.units.roots()
    live = {id(step) for step in proof.live}
    # What the strip can take out; of a branch that it takes out whole, all.
    silent = ~proof.kept
    for step in graph.steps:
        if id(step) not in live:
            silent[root[step.written]] = True
    silent[list(graph.protected)] = False
    for step in graph.steps:
        for index, ids in enumerate(step.inputs):
            silent[root[ids[_is_heard(proof, step, index)]]] = False
        if step.rule.reads:
            fed_back = step.rule.recurs(step, proof.kept) & ~_is_zero(proof, step)
            silent[root[step.outputs[0][fed_back]]] = False
        outside = [root[ids.reshape(-1)] for ids in step.outputs]
        for ids in step.hidden:
            # Such as heads: what they are inside of a layer is not looked at.
            silent[np.setdiff1d(root[ids.reshape(-1)], np.concatenate(outside))] = False
    return silent


def _is_heard(proof: Proof, step: Step, index: int) -> np.ndarray:
    """Bool per channel of an input: whether it matters that it is not 0."""
    ids = step.inputs[index]
    is_zero = np.broadcast_to(proof.value(step, index), ids.shape) == 0
    if step.rule.reads:
        return step.rule.needed(step, index, proof.kept) & ~is_zero
    # What passes channels on is not asked, but where the strip ends a branch.
    return ~is_zero & ((id(step), index) in proof.cut_inputs)


def _is_zero(proof: Proof, step: Step) -> np.ndarray:
    """Bool per channel of the first output."""
    value = proof.constants[id(step.call.outputs[0])]
    return np.broadcast_to(value, step.outputs[0].shape) == 0
