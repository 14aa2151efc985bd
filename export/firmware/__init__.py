"""A folder of C++ sources that runs a .tflite model on a microcontroller."""

from keras_diffmask.export.firmware.bundle import save_firmware

__all__ = ["save_firmware"]
