"""Int8 LSTMs in two runtimes: `keras-diffmask evidence lstm-int8`."""
