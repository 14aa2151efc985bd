"""Whether a .tflite file computes what the Keras model does, on every runtime.

The folder has the longer name because `export.verify` is the function.
"""

from keras_diffmask.export.verification.command import verify
from keras_diffmask.export.verification.records import LayerError, Pair, Verification

__all__ = ["LayerError", "Pair", "Verification", "verify"]
