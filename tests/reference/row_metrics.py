"""Confidence and diversity of rows of logits, in float64."""

import numpy as np


def softmax(logits):
    logits = np.asarray(logits, np.float64)
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def entropy(p):
    return -np.sum(p * np.log(np.where(p > 0, p, 1.0)), axis=-1)


def confidence(logits):
    """1 - mean_row H(p_row) / log n."""
    return 1.0 - entropy(softmax(logits)).mean() / np.log(np.shape(logits)[-1])


def diversity(logits):
    """(H(mean_row p_row) - mean_row H(p_row)) / log(min(rows, n))."""
    p = softmax(logits)
    return (entropy(p.mean(axis=0)) - entropy(p).mean()) / np.log(min(p.shape))
