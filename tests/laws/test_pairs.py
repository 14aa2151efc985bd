"""Laws 1, 2 and 4 over the whole table, estimator x granularity x layer.

Each estimator is one test over all layers and granularities that it fits, and
what fails says which. They look at masks and masked weights; that layers call
with these, and what comes out, is what the tests beside this one see to.
"""

import json
from typing import Any

import keras
import numpy as np
import pytest

from keras_diffmask import layers
from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.regularizers import L0
from tests.laws import pairs
from tests.laws.masked_cases import (
    ESTIMATORS,
    Case,
    array,
    gates,
    make_estimator,
)
from tests.laws.pairs import every_estimator, every_trained_estimator, gallery
from tests.reference.gradients import autodiff


def test_table_is_covered() -> None:
    """Each estimator fits something, each layer and granularity some estimator."""
    fitted = {key: pairs.cases_of(key) for key in ESTIMATORS}
    assert all(fitted.values()), fitted
    names = {str(case) for some in fitted.values() for case in some}
    assert names == {str(case) for case in pairs.FIRST_CASES}


# -- law 1: open --------------------------------------------------------------------


@every_estimator
def test_fresh_gates_leave_every_weight_as_it_is(key: str) -> None:
    """Bit for bit; where the count is given, once all are opened by hand."""
    for case, layer in gallery(key, random=False):
        for gate in gates(layer):
            if gate.estimator.has_fixed_count:
                gate.set_keep(np.ones(gate.mask_shape, bool))
        masks = pairs.inference_masks(layer)
        assert all(np.all(mask == 1.0) for mask in masks), f"{case} with {key}"
        for weight, value in pairs.masked_values(layer, masks):
            assert np.array_equal(weight, value), f"{case} with {key}"


# -- law 2: closed ------------------------------------------------------------------


@every_estimator
def test_what_the_estimator_closes_is_zero_and_nothing_else(key: str) -> None:
    closed = 0
    for case, layer in gallery(key):
        for seed, gate in enumerate(gates(layer)):
            pairs.settle(layer, gate, seed)
        masks = pairs.inference_masks(layer)
        closed += sum(int(np.sum(mask == 0.0)) for mask in masks)
        values = pairs.masked_values(layer, masks)
        wanted = pairs.factors(case, layer, masks)
        masked = pairs.inner(layer)
        on_weights = case.is_recurrent or bool(masked.unit_axes)
        if on_weights and not masked.masks_output:
            assert len(values) == len(wanted) > 0, f"{case} with {key}"
        for (weight, value), factor in zip(values, wanted, strict=False):
            assert np.all((value == 0.0) == (factor == 0.0)), f"{case} with {key}"
            np.testing.assert_allclose(
                value, weight * factor, rtol=1e-6, err_msg=f"{case} with {key}"
            )
    assert closed >= len(gallery(key)), "an estimator that closes nothing"


@every_estimator
def test_set_keep_decides_for_every_estimator(key: str) -> None:
    for case, layer in gallery(key):
        for gate in gates(layer):
            about = f"{case} with {key}"
            before = gate.keep
            decisions = [pairs.a_decision(gate, 1), np.ones(gate.mask_shape, bool)]
            for keep in decisions:
                gate.set_keep(keep)
                assert gate.is_fixed and np.array_equal(gate.keep, keep), about
                mask, probability = gate(training=True)
                assert np.array_equal(array(mask) != 0.0, keep), about
                assert np.array_equal(array(probability), keep), about
                assert np.array_equal(array(mask), array(gate.inference_mask())), about
            gate.set_keep(None)
            assert not gate.is_fixed and np.array_equal(gate.keep, before), about


@every_estimator
def test_decision_that_a_fixed_count_cannot_stand_for_is_refused(key: str) -> None:
    if not make_estimator(key).has_fixed_count:
        return
    refused = 0
    for case, layer in gallery(key):
        for gate in gates(layer):
            keep = pairs.a_decision(gate)
            if keep.all():  # all of its few are open: there is no other count
                continue
            keep[tuple(np.argwhere(~keep)[0])] = True
            if keep.all():
                continue
            with pytest.raises(InvalidArgumentError, match="all elements open, or"):
                gate.set_keep(keep)
            assert not gate.is_fixed, f"{case} with {key}"
            refused += 1
    assert refused > 5


# -- law 4: cost --------------------------------------------------------------------


@every_estimator
def test_expected_weights_of_a_decision_are_those_that_are_not_zero(key: str) -> None:
    """By hand, and by the estimator itself where its decision is its expectation."""
    for case, layer in gallery(key):
        if not _is_counted_by_its_masked_weights(case):
            continue
        for seed, gate in enumerate(gates(layer)):
            gate.set_keep(pairs.a_decision(gate, seed))
        values = pairs.masked_values(layer, pairs.inference_masks(layer))
        count = sum(np.count_nonzero(value) for _, value in values)
        ours = sum(float(array(gate.expected_weights())) for gate in gates(layer))
        np.testing.assert_allclose(ours, count, rtol=1e-6, err_msg=f"{case}, {key}")
        # Of every estimator, also those that L0 is no penalty for.
        loss = sum(float(array(L0(pairs.STRENGTH)(gate))) for gate in gates(layer))
        np.testing.assert_allclose(loss, pairs.STRENGTH * count, rtol=1e-5)


def _is_counted_by_its_masked_weights(case: Case) -> bool:
    """A head takes weights with it that its mask spares; a ChannelMask has none."""
    if case.layer_class is layers.MaskedMultiHeadAttention:
        return False
    return case.is_recurrent or bool(case.layer_class.unit_axes)


# -- law 5: round trip ----------------------------------------------------------------


@every_estimator
def test_layer_from_its_configuration_is_the_same_layer(key: str) -> None:
    for case, layer in gallery(key):
        about = f"{case} with {key}"
        for seed, gate in enumerate(gates(layer)):
            pairs.settle(layer, gate, seed)
            if seed or case.granularity == "input":
                gate.set_keep(pairs.a_decision(gate, seed))
        config = json.loads(json.dumps(keras.saving.serialize_keras_object(layer)))
        again = keras.saving.deserialize_keras_object(config)
        if not again.built:  # most say in their configuration how they were built
            again.build((None, *case.example.shape))
        assert len(gates(again)) == len(gates(layer)), about
        for old, new in zip(layer.variables, again.variables, strict=True):
            assert old.shape == new.shape and old.dtype == new.dtype, about
            new.assign(keras.ops.convert_to_numpy(old.value))
        for ours, theirs in zip(gates(layer), gates(again), strict=True):
            assert ours.get_config() == theirs.get_config(), about
            assert ours.is_fixed == theirs.is_fixed, about
            assert np.array_equal(array(ours.score()), array(theirs.score())), about
        both = [pairs.inference_masks(one) for one in (layer, again)]
        for one, other in zip(*both, strict=True):
            assert np.array_equal(one, other), about
        values = pairs.masked_values(layer, both[0])
        for one, other in zip(values, pairs.masked_values(again, both[1]), strict=True):
            assert np.array_equal(one[1], other[1]), about


# -- what training needs --------------------------------------------------------------


@every_trained_estimator
def test_task_gradient_reaches_what_is_trained(key: str) -> None:
    """Through the masked weights, or the mask itself where it is on the output."""
    for case, layer in gallery(key, random=False):
        for place, gate in enumerate(gates(layer)):
            if gate.raw_logits is None:
                continue  # what it reads is what is trained
            rows = gate._rows
            if rows is not None and rows.competitors < 2:
                continue  # one that has no competitor is always open
            start = array(gate.raw_logits)
            if start.shape == gate.mask_shape:
                # Close to 0, where few of the draws are saturated.
                start = np.resize([0.3, -0.3, 0.2], gate.mask_shape)
            else:
                # A threshold in the midst of the weights that it is one for.
                weights = pairs.inner(layer).importance()
                start = np.log(np.median(weights)).astype("float32")
            gate.seed_generator.state.assign([7, place])
            slope = autodiff(_task(layer, place, gate), start)
            assert np.all(np.isfinite(slope)), f"{case} with {key}"
            assert np.mean(slope != 0.0) > 0.3, f"{case} with {key}: {slope}"


def _task(layer: Any, place: int, gate: Any) -> Any:
    """A function of what the gate trains: random sums of the masked weights."""

    def of_raw(raw: Any) -> Any:
        rng = np.random.default_rng(4)
        with keras.StatelessScope([(gate.raw_logits, keras.ops.cast(raw, "float32"))]):
            masks: list[Any] = [None] * len(gates(layer))
            masks[place] = sum(gate(training=True)[0] for _ in range(4))
        masked = pairs.inner(layer)
        if isinstance(masked, pairs.RecurrentGates):
            cell = getattr(masked, "cell", masked)
            found = pairs.masked_cell_weights(cell, *masks)
        else:
            found = masked.masked_weights(masks[0])
        values = [value for _, value in found] or masks[place : place + 1]
        weights = [rng.normal(1.0, 0.3, size=tuple(v.shape)) for v in values]
        return sum(
            keras.ops.sum(value * pairs.tensor(weight))
            for value, weight in zip(values, weights, strict=True)
        )

    return of_raw
