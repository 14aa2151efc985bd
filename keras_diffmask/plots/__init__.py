"""Pictures of masked models."""

from keras_diffmask.plots.agreement import agreement_figure as agreement_figure
from keras_diffmask.plots.front import front_figure as front_figure
from keras_diffmask.plots.kept import kept_figure as kept_figure
from keras_diffmask.plots.paired import paired_figure as paired_figure
from keras_diffmask.plots.search import search_figure as search_figure
from keras_diffmask.plots.tail import tail_figure as tail_figure
from keras_diffmask.plots.tradeoff import Point as Point
from keras_diffmask.plots.tradeoff import tradeoff_figure as tradeoff_figure
