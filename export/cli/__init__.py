"""The command line: `keras-diffmask` and `python -m keras_diffmask`."""

from keras_diffmask.export.cli.entry import main

__all__ = ["main"]
