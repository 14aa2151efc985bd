"""Latency tables: each operator of a model, timed at several numbers of channels."""

from keras_diffmask.export.latency.measure import measure_latency

__all__ = ["measure_latency"]
