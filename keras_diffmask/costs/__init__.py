"""Costs: what a masked model will need once it is stripped."""

from keras_diffmask.costs.cost import Cost as Cost
from keras_diffmask.costs.gated_cost import NAMES as NAMES
from keras_diffmask.costs.gated_cost import gated_cost as gated_cost
from keras_diffmask.costs.weight_penalty import WeightPenalty as WeightPenalty
