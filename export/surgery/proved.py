"""What can go from a model as it stands now."""

import keras

from keras_diffmask import rebuild
from keras_diffmask.export.surgery.scales import with_scales_as_they_are
from keras_diffmask.graph import Proof, prove, trace
from keras_diffmask.masking.bake import bake
from keras_diffmask.masking.stock import Quantizers
from keras_diffmask.masking.undecided import warn_if_undecided


def proved(model: keras.Model, quantizers: Quantizers = Quantizers.DROPPED) -> Proof:
    """The proof of a model's stock form.

    Args:
        model: a Sequential or Functional model, masked or not. It is not changed.
        quantizers: what becomes of those of the model.

    Raises:
        UnsupportedModelError: the model is subclassed, unbuilt, not Keras 3,
            or holds NaN.
    """
    stock = bake(model, quantizers)
    # Its caller's caller, whoever asked for the strip or the plan.
    warn_if_undecided(model, stacklevel=3)
    rebuild.require_finite(stock)
    proof = prove(trace(stock))
    return with_scales_as_they_are(proof) if quantizers is Quantizers.KEPT else proof
