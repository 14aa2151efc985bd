"""LSTM language models: `keras-diffmask evidence ptb`."""
