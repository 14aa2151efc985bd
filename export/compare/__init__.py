"""The comparison: every estimator on the same network, data and budget."""
