"""From a stock Keras model to a .tflite file, in a child process."""

from keras_diffmask.export.emit.convert import to_tflite

__all__ = ["to_tflite"]
