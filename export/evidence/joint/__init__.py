"""Pruning and quantization together: `keras-diffmask evidence joint`."""
