"""Devices as frozen data: what a .tflite file may hold to run there."""

from keras_diffmask.targets.registry import ALL_OBJECTS, CORTEX_M, HOST, get
from keras_diffmask.targets.target import Target

__all__ = ["ALL_OBJECTS", "CORTEX_M", "HOST", "Target", "get"]
