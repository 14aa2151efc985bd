"""Strip: the smaller model of stock Keras layers, and the plan of it."""

import keras

from keras_diffmask import rebuild
from keras_diffmask.export.surgery.cut import cut, parameters_left
from keras_diffmask.export.surgery.plan import Plan, rows_of
from keras_diffmask.graph import Proof, prove, trace
from keras_diffmask.masking.bake import bake
from keras_diffmask.masking.undecided import warn_if_undecided


def strip(model: keras.Model) -> keras.Model:
    """Return a smaller model of stock Keras layers that computes the same function.

    For every input, the result equals `model(x, training=False)` to rounding.
    Units that the gates closed are removed where that is exact; a constant
    that a closed unit leaves behind is folded into the bias of its readers;
    what cannot be removed exactly stays, and `plan` says why. Fractional
    gates are multiplied into the weights. The result loads where
    keras_diffmask is not installed. A budget that no `fit` has decided yet is
    warned of: the strip takes the gates as they stand.

    Args:
        model: a Sequential or Functional model, masked or not. It is not
            changed.

    Returns:
        A new Functional model; its layers keep their names. It is not
        compiled.

    Raises:
        UnsupportedModelError: the model is subclassed, unbuilt, not Keras 3,
            or holds NaN.

    Example:

    >>> import keras, keras_diffmask as kd
    >>> from keras_diffmask import export
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, "relu"),
    ...                           keras.layers.Dense(2)])
    >>> masked = kd.mask_model(model)
    >>> kd.gates(masked)[0].set_keep([True] * 3 + [False] * 5)
    >>> export.strip(masked).layers[1].units
    3
    """
    return cut(_proved(model))


def plan(model: keras.Model) -> Plan:
    """Say what `strip` would remove, what stays, and why.

    The figures are those of the model that `strip` returns.

    Args:
        model: as for `strip`.

    Returns:
        A `Plan`; print it, or read its rows.

    Raises:
        UnsupportedModelError: as for `strip`.
    """
    proof = _proved(model)
    counts = proof.count(proof.graph.macs()).values()
    return Plan(
        model=model.name,
        rows=rows_of(proof),
        macs=(sum(pair[0] for pair in counts), sum(pair[1] for pair in counts)),
        parameters=(proof.graph.model.count_params(), parameters_left(proof)),
        branches=proof.closed_branches(),
    )


def _proved(model: keras.Model) -> Proof:
    stock = bake(model)
    # Its caller's caller, whoever asked for the strip or the plan.
    warn_if_undecided(model, stacklevel=3)
    rebuild.require_finite(stock)
    return prove(trace(stock))
