"""How sure the rows of a mask are, and how much they differ."""

import math
from collections.abc import Iterator
from typing import Any

import keras
from keras import ops

from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.gate import Gate
from keras_diffmask.masking import gates


class _RowMetric(keras.metrics.Metric):
    """The mean of a figure over gates, each counted as often as it has rows."""

    def __init__(self, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)
        self.total = self.add_variable((), initializer="zeros", name="total")
        self.rows = self.add_variable((), initializer="zeros", name="rows")

    def update_state(self, source: Any, *labels: Any, **more: Any) -> None:
        """Count what there is now.

        Args:
            source: a `Gate`; a layer or model, whose gates with rows all count;
                or the logits of one gate, `(rows, n)`.
            *labels: refused. A metric in `compile` gets labels and predictions,
                which say nothing about masks.
            **more: refused likewise.

        Raises:
            InvalidArgumentError: there are no rows in it.
        """
        if labels or more:
            raise InvalidArgumentError(
                f"{type(self).__name__}.update_state(model)",
                "labels and predictions, as compile(metrics=...) passes them",
                "Call it at the end of an epoch, in a keras.callbacks.LambdaCallback "
                "for example.",
            )
        for logits in _rows_of(source):
            count = float(logits.shape[0])
            self.total.assign_add(count * ops.cast(self.figure(logits), self.dtype))
            self.rows.assign_add(count)

    def figure(self, logits: Any) -> Any:
        """The figure of one gate, from its logits `(rows, n)`."""
        raise NotImplementedError(f"{type(self).__name__} must define figure")

    def result(self) -> Any:
        return ops.divide_no_nan(self.total, self.rows)


@keras.saving.register_keras_serializable("keras_diffmask")
class MaskConfidence(_RowMetric):
    """How sure a mask is of what it selects, from 0 to 1.

    With p the softmax of each row's logits and H the entropy,

        confidence = 1 - mean over rows of H(p) / log(n)

    It is 0 where all n places of a row are equally likely, and 1 where every
    row has settled on one. (A `TopK` with k above 1 that has settled on k
    equal places is at 1 - log(k) / log(n).) The mean over gates is weighted
    by their rows. A row of a single place has no choice, and counts as sure.

    Args:
        name: what logs call it.
        dtype: of the result.

    Raises:
        InvalidArgumentError: what it is given has no rows.

    Example:

    >>> import numpy as np, keras_diffmask as kd
    >>> metric = kd.metrics.MaskConfidence()
    >>> metric.update_state(np.zeros((3, 8)))           # every place as likely
    >>> round(float(metric.result()), 5)
    0.0
    >>> metric.reset_state()
    >>> metric.update_state(100.0 * np.eye(8))          # each row sure of one
    >>> round(float(metric.result()), 5)
    1.0

    Reference:
        Gonzalez-Carabarin et al., Dynamic probabilistic pruning,
        arXiv:2105.12686. The abstract names the metric; the formula is this
        library's reading of it.
    """

    def __init__(self, name: str = "mask_confidence", dtype: Any = None) -> None:
        super().__init__(name, dtype)

    def figure(self, logits: Any) -> Any:
        return confidence(logits)


@keras.saving.register_keras_serializable("keras_diffmask")
class MaskDiversity(_RowMetric):
    """How much the rows of a mask differ in what they select, from 0 to 1.

    With p the softmax of each row's logits and H the entropy,

        diversity = (H(mean of p) - mean of H(p)) / log(min(rows, n))

    with means over rows: the mutual information between row and place, over
    the most that it can be. It is 0 where all rows are alike, and 1 where each
    is sure of a place of its own. The mean over gates is weighted by their
    rows. A single row, or rows of a single place, cannot differ: 0.

    Args:
        name: what logs call it.
        dtype: of the result.

    Raises:
        InvalidArgumentError: what it is given has no rows.

    Example:

    >>> import numpy as np, keras_diffmask as kd
    >>> metric = kd.metrics.MaskDiversity()
    >>> metric.update_state(100.0 * np.eye(8))          # each row its own place
    >>> round(float(metric.result()), 5)
    1.0
    >>> metric.reset_state()
    >>> metric.update_state(100.0 * np.eye(8)[[2, 2]])  # both rows the same
    >>> round(float(metric.result()), 5)
    0.0

    Reference:
        Gonzalez-Carabarin et al., Dynamic probabilistic pruning,
        arXiv:2105.12686. The abstract names the metric; the formula is this
        library's reading of it.
    """

    def __init__(self, name: str = "mask_diversity", dtype: Any = None) -> None:
        super().__init__(name, dtype)

    def figure(self, logits: Any) -> Any:
        return diversity(logits)


def confidence(logits: Any) -> Any:
    """`MaskConfidence` of one gate's logits `(rows, n)`."""
    length = logits.shape[-1]
    if length == 1:
        return 1.0
    log_p = ops.log_softmax(logits, axis=-1)
    return 1.0 - ops.mean(_entropy(ops.exp(log_p), log_p)) / math.log(length)


def diversity(logits: Any) -> Any:
    """`MaskDiversity` of one gate's logits `(rows, n)`."""
    most = min(logits.shape)
    if most == 1:
        return 0.0
    log_p = ops.log_softmax(logits, axis=-1)
    p = ops.exp(log_p)
    mean = ops.mean(p, axis=0)
    # A place that no row selects adds nothing: 0 log 0 is 0.
    log_mean = ops.log(ops.maximum(mean, 1e-37))
    return (_entropy(mean, log_mean) - ops.mean(_entropy(p, log_p))) / math.log(most)


def _entropy(p: Any, log_p: Any) -> Any:
    return -ops.sum(p * log_p, axis=-1)


def _rows_of(source: Any) -> Iterator[Any]:
    if not isinstance(source, keras.layers.Layer):
        logits = ops.convert_to_tensor(source, dtype="float32")
        if len(logits.shape) != 2 or 0 in logits.shape:
            raise InvalidArgumentError(
                "the logits of a mask as (rows, n)",
                f"an array of shape {tuple(logits.shape)}",
                "Pass a gate, a layer, a model, or two-dimensional logits.",
            )
        yield logits
        return
    own = [source] if isinstance(source, Gate) else gates(source)
    with_rows = [gate for gate in own if gate.rows is not None]
    if not with_rows:
        raise InvalidArgumentError(
            "a gate whose elements compete in rows, such as one of a TopK",
            f"{source.name!r} ({type(source).__name__}), which has none",
            "Pass a layer masked with estimator='top_k', or logits of your own.",
        )
    yield from (gate.competing_logits() for gate in with_rows)
