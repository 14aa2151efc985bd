"""An Arm64 core without a phone: LiteRT under QEMU, instructions counted."""

from keras_diffmask.export.emulation.measure import count_instructions
from keras_diffmask.export.emulation.prepare import prepare
from keras_diffmask.export.emulation.result import InstructionCounts

__all__ = ["InstructionCounts", "count_instructions", "prepare"]
