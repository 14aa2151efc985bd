"""Emulated Arm cores: `keras-diffmask evidence arm64`."""
