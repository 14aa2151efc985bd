"""Rules: how each family of layers treats channels. One family, one file."""

from keras_diffmask.graph.rules import elementwise as elementwise
from keras_diffmask.graph.rules import linear as linear
from keras_diffmask.graph.rules import merge as merge
from keras_diffmask.graph.rules import normalization as normalization
from keras_diffmask.graph.rules import pooling as pooling
from keras_diffmask.graph.rules import recurrent as recurrent
from keras_diffmask.graph.rules import reshaping as reshaping
