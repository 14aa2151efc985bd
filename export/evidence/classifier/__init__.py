"""Recurrent classifiers: `keras-diffmask evidence har` and `speech-lstm`."""
