"""What Arm's Vela compiler says of a model on an Ethos-U.

The folder has another name because `export.vela` is the function.
"""

from keras_diffmask.export.npu.command import vela
from keras_diffmask.export.npu.estimate import VelaEstimate

__all__ = ["VelaEstimate", "vela"]
