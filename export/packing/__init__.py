"""The packed memory of weights that keep k of n per row.

The folder has the longer name because `export.pack` is the function.
"""

from keras_diffmask.export.packing.pack import pack as pack
from keras_diffmask.export.packing.packed import Packed as Packed
from keras_diffmask.export.packing.tensor import PackedTensor as PackedTensor
