"""Ours beside other libraries: `keras-diffmask evidence peers`."""
