"""Carry an optimizer's state over, so that a stripped model trains on."""

import dataclasses
from typing import Any

import keras
import numpy as np

from keras_diffmask import keras_internals, rebuild
from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.export.surgery.proved import proved
from keras_diffmask.export.surgery.slots import others, slots_of
from keras_diffmask.graph import Cut, Proof, shrunk_weights
from keras_diffmask.masking import gates
from keras_diffmask.masking.bake import bake
from keras_diffmask.masking.stock import Quantizers
from keras_diffmask.quantizers import quantizers_of

#: (name of a layer, number of the weight in it) -> what an optimizer knows of it.
_State = dict[tuple[str, int], np.ndarray | None]
#: Of a smaller weight the same entry would take another step.
_BY_NORMS = (keras.optimizers.Lamb, keras.optimizers.Muon)
_ITS_OWN = "Compile the stripped model with an optimizer of its own."


def carry_optimizer(model: keras.Model, slim: keras.Model) -> keras.Optimizer:
    """Return an optimizer for a stripped model that goes on where training was.

    Once the gates are decided, a masked model computes with channels that are
    closed for good. The rest of the training is the same, step by step to
    rounding, on the stripped model, and takes the time of a model of that size:

        state'[w] = state[w] without the rows and columns of the removed units

    for every momentum or average that the optimizer keeps of a weight w; the
    number of steps, and so the place in a schedule of learning rates, goes
    along. What `strip` adds (a bias, for constants to fold into) begins without.

    Not the same, but a training that goes on all the same, is what follows where the
    strip has multiplied something into weights: a gate that is neither 0 nor 1, as
    those of `differentiable_mask`, whose scale is trained no more, or the scale of a
    RMSNormalization that has lost channels.

    Args:
        model: the masked model, compiled and trained. It is not changed.
        slim: what `strip` made of it, as it stands; with or without quantizers.

    Returns:
        A new optimizer of the same class and configuration, built for `slim`.

    Raises:
        InvalidArgumentError: `model` has no trained optimizer, `slim` was not
            stripped from it, or the optimizer keeps something else of a weight
            than arrays of its shape, as Adafactor does, or steps by norms of whole
            weights, as Lamb and Muon do.

    Example:

    >>> import keras, numpy as np, keras_diffmask as kd
    >>> from keras_diffmask import export
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, "relu"),
    ...                           keras.layers.Dense(2)])
    >>> masked = kd.mask_model(model, budget=kd.Budget(parameters=0.5))
    >>> masked.compile("adam", "mse")
    >>> x = np.ones((8, 4), "float32")
    >>> fitted = masked.fit(x, x[:, :2], epochs=4, verbose=0)
    >>> slim = export.strip(masked)
    >>> slim.compile(export.carry_optimizer(masked, slim), "mse")
    >>> int(slim.optimizer.iterations)
    4
    """
    old = getattr(model, "optimizer", None)
    if old is None or not old.built:
        raise InvalidArgumentError(
            "a model that was trained with an optimizer",
            f"model {model.name!r}, which was not",
            _ITS_OWN,
        )
    keras_internals.pull_state(model)
    new = type(old).from_config(old.get_config())
    kept = Quantizers.KEPT if quantizers_of(slim) else Quantizers.DROPPED
    # Here, so that a warning is of the line that called.
    carrier = _Carrier(model, slim, proved(model, kept), kept)
    wraps = isinstance(old, keras.optimizers.LossScaleOptimizer)
    if wraps:
        carrier.keep_decay(old.inner_optimizer, new.inner_optimizer)
    else:
        carrier.keep_decay(old, new)
    new.build(slim.trainable_variables)
    if wraps:
        carrier.carry(old.inner_optimizer, new.inner_optimizer)
    carrier.carry(old, new)
    return new


class _Carrier:
    def __init__(
        self, model: keras.Model, slim: keras.Model, proof: Proof, kept: Quantizers
    ) -> None:
        self._model, self._slim = model, slim
        self._proof, self._kept = proof, kept
        self._twin = keras.models.clone_model(model)
        self._twin.set_weights(model.get_weights())
        # A mask that looks at magnitudes would look at those of states.
        for gate in gates(self._twin):
            gate.set_keep(np.ones(gate.mask_shape, bool))
        weights = {one.name: rebuild.weights_without_gates(one) for one in slim.layers}
        self._names = {name: [one.name for one in weights[name]] for name in weights}
        self._places = {
            id(weight): (name, number)
            for name in weights
            for number, weight in enumerate(weights[name])
        }

    def keep_decay(self, old: Any, new: Any) -> None:
        """Leave out of the weight decay what was left out; no configuration says it.

        Args:
            old: the optimizer that has trained.
            new: the one that is not built yet.
        """
        if not old.weight_decay:
            return
        flags = [
            np.full(one.shape, keras_internals.uses_weight_decay(old, one), "float32")
            for one in self._model.trainable_variables
        ]
        left = self._left(flags)
        spared = [
            variable
            for variable in self._slim.trainable_variables
            if not np.all(left.get(self._places[id(variable)]) != 0)
        ]
        if spared:
            new.exclude_from_weight_decay(var_list=spared)

    def carry(self, old: Any, new: Any) -> None:
        """Everything that one optimizer keeps, to the other."""
        if isinstance(old, _BY_NORMS):
            raise InvalidArgumentError(
                "an optimizer that moves every entry of a weight by itself, such as "
                "Adam or SGD",
                f"{type(old).__name__}, whose steps depend on norms of whole weights, "
                "also of what was removed",
                _ITS_OWN,
            )
        before = slots_of(old, self._model.trainable_variables)
        after = slots_of(new, self._slim.trainable_variables)
        numbers = [others(old, before), others(new, after)]
        shapes = [[tuple(one.shape) for one in part] for part in numbers]
        if before.keys() != after.keys() or shapes[0] != shapes[1]:
            raise InvalidArgumentError(
                "an optimizer that keeps arrays of the shape of each weight, such as "
                "Adam or SGD",
                type(old).__name__,
                _ITS_OWN,
            )
        for source, target in zip(*numbers, strict=True):
            target.assign(source)
        for name in before:
            self._carry(before[name], after[name])

    def _carry(self, before: list[Any], after: list[Any]) -> None:
        """One state of each weight, by the way that the weights went."""
        left = self._left(before)
        known = {name for name, _ in left}
        for variable, state in zip(self._slim.trainable_variables, after, strict=True):
            place = self._places[id(variable)]
            value = left.get(place)
            if place[0] not in known:
                raise self._something_else(variable, "a layer that is not there")
            if state is None or value is None:
                continue
            if value.shape != tuple(state.shape):
                raise self._something_else(variable, f"a weight of shape {value.shape}")
            state.assign(value)

    def _something_else(self, variable: Any, instead: str) -> InvalidArgumentError:
        return InvalidArgumentError(
            f"what export.strip makes of model {self._model.name!r}",
            f"{variable.path!r} of shape {tuple(variable.shape)} in the place of "
            f"{instead}",
            "Strip the model as it stands, and pass the result.",
        )

    def _left(self, states: list[Any]) -> _State:
        """States of the stock model's weights, without those of removed units."""
        full = self._stock_of(states)
        for layer in self._proof.graph.model.layers:
            if layer.weights:
                rebuild.assign(
                    layer, rebuild.arrays_without_gates(full.get_layer(layer.name))
                )
        found: _State = {}
        for step, weights in shrunk_weights(self._proof, _nothing_folds):
            weights = weights or rebuild.arrays_without_gates(step.layer)
            if isinstance(weights, dict):
                names = self._names.get(step.name, [])
                weights = [weights.get(name) for name in names]
            found.update(((step.name, i), one) for i, one in enumerate(weights))
        return found

    def _stock_of(self, states: list[Any]) -> keras.Model:
        """The stock model of full size, with states for weights."""
        for variable, state in zip(self._twin.trainable_variables, states, strict=True):
            variable.assign(keras.ops.zeros(variable.shape) if state is None else state)
        return bake(self._twin, self._kept)


def _nothing_folds(cut: Cut) -> Cut:
    """Constants belong into a bias, and not into what is known of its gradient."""
    zeros = [np.zeros_like(values) for values in cut.constants]
    return dataclasses.replace(cut, constants=zeros)
