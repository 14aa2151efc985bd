"""Interop: models that other pruning libraries have left behind."""

from keras_diffmask.export.interop.tfmot import from_tfmot as from_tfmot
from keras_diffmask.export.interop.tfmot import read_tfmot as read_tfmot
