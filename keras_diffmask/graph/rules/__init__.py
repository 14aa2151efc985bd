"""Rules: how each family of layers treats channels. One family, one file."""

from keras_diffmask.graph.rules import across_channels as across_channels
from keras_diffmask.graph.rules import applications as applications
from keras_diffmask.graph.rules import attention as attention
from keras_diffmask.graph.rules import bidirectional as bidirectional
from keras_diffmask.graph.rules import concatenate as concatenate
from keras_diffmask.graph.rules import convolution as convolution
from keras_diffmask.graph.rules import einsum as einsum
from keras_diffmask.graph.rules import elementwise as elementwise
from keras_diffmask.graph.rules import embedding as embedding
from keras_diffmask.graph.rules import linear as linear
from keras_diffmask.graph.rules import merge as merge
from keras_diffmask.graph.rules import normalization as normalization
from keras_diffmask.graph.rules import operators as operators
from keras_diffmask.graph.rules import pooling as pooling
from keras_diffmask.graph.rules import product as product
from keras_diffmask.graph.rules import recurrent as recurrent
from keras_diffmask.graph.rules import reduction as reduction
from keras_diffmask.graph.rules import resampling as resampling
from keras_diffmask.graph.rules import reshaping as reshaping
from keras_diffmask.graph.rules import separable as separable
from keras_diffmask.graph.rules import slicing as slicing
from keras_diffmask.graph.rules import whole as whole
from keras_diffmask.graph.rules import wrappers as wrappers
