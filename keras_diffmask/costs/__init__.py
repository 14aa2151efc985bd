"""Costs: what a masked model will need once it is stripped."""

from keras_diffmask.costs.cost import Cost as Cost
from keras_diffmask.costs.flash import Flash as Flash
from keras_diffmask.costs.gated_cost import IN_GRAPH as IN_GRAPH
from keras_diffmask.costs.gated_cost import NAMES as NAMES
from keras_diffmask.costs.gated_cost import ON_DEVICE as ON_DEVICE
from keras_diffmask.costs.gated_cost import AnyCost as AnyCost
from keras_diffmask.costs.gated_cost import device_cost as device_cost
from keras_diffmask.costs.gated_cost import from_config as from_config
from keras_diffmask.costs.gated_cost import gated_cost as gated_cost
from keras_diffmask.costs.gating import Gating as Gating
from keras_diffmask.costs.latency import Latency as Latency
from keras_diffmask.costs.latency_table import LatencyRow as LatencyRow
from keras_diffmask.costs.latency_table import LatencyTable as LatencyTable
from keras_diffmask.costs.measured import Measured as Measured
from keras_diffmask.costs.measured import warn_of_unknown as warn_of_unknown
from keras_diffmask.costs.ram import Ram as Ram
from keras_diffmask.costs.weight_penalty import WeightPenalty as WeightPenalty
