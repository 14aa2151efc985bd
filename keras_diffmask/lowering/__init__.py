"""What a Keras model becomes on the device; TensorFlow is not needed for it."""

from keras_diffmask.lowering.fuse import compiled as compiled
from keras_diffmask.lowering.lower import lower as lower
from keras_diffmask.lowering.order import lifetimes as lifetimes
from keras_diffmask.lowering.program import Op as Op
from keras_diffmask.lowering.program import Program as Program
from keras_diffmask.lowering.program import Size as Size
from keras_diffmask.lowering.program import Tensor as Tensor
from keras_diffmask.lowering.program import Weight as Weight
from keras_diffmask.lowering.table import TABLE as TABLE
