"""Callbacks for `fit`: none is needed, each is for something on top."""

from keras_diffmask.callbacks.front_file import ParetoRow as ParetoRow
from keras_diffmask.callbacks.pareto_front import ParetoFront as ParetoFront
from keras_diffmask.callbacks.when_budget_met import WhenBudgetMet as WhenBudgetMet
