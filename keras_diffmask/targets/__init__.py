"""Devices as frozen data: what a .tflite file may hold to run there."""

from keras_diffmask.targets.registry import (
    ALL_OBJECTS,
    ANDROID_CPU,
    CORTEX_M,
    ETHOS_U55,
    ETHOS_U85,
    HOST,
    get,
)
from keras_diffmask.targets.target import IO_TYPES, Target

__all__ = [
    "ALL_OBJECTS",
    "ANDROID_CPU",
    "CORTEX_M",
    "ETHOS_U55",
    "ETHOS_U85",
    "HOST",
    "IO_TYPES",
    "Target",
    "get",
]
