"""What masks cost in a training step of recurrent layers, built by hand."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras

from keras_diffmask import layers, regularizers
from keras_diffmask.export.benchmarking import networks, suite
from keras_diffmask.export.benchmarking.estimator_result import (
    EstimatorResult,
    EstimatorTime,
)
from keras_diffmask.export.benchmarking.interleave import Clock, Progress

_ESTIMATOR = "hard_concrete"
Maker = Callable[..., keras.layers.Layer]


def _in_rnn(cell: Any) -> Maker:
    return lambda units, return_sequences, **gates: keras.layers.RNN(
        cell(units, **gates), return_sequences=return_sequences
    )


@dataclass(frozen=True)
class _Kind:
    """A Keras layer and the masked one; `limit` is the most that masks may cost."""

    name: str
    plain: Maker
    masked: Maker
    limit: float | None


#: The layers keep the backend's fused path, so that they promise something; a
#: cell runs step by step in a plain `RNN`, and its figure is only shown.
KINDS = (
    _Kind("two_lstm", keras.layers.LSTM, layers.MaskedLSTM, 1.10),
    _Kind("two_gru", keras.layers.GRU, layers.MaskedGRU, 1.10),
    _Kind(
        "two_rnn_of_lstm_cells",
        _in_rnn(keras.layers.LSTMCell),
        _in_rnn(layers.MaskedLSTMCell),
        None,
    ),
)

#: Which neurons have gates -> the arguments that put them there.
PLACES: Mapping[str, dict[str, Any]] = {
    "hidden": {"hidden_estimator": _ESTIMATOR},
    "input and hidden": {
        "hidden_estimator": _ESTIMATOR,
        "input_estimator": _ESTIMATOR,
    },
}


def recurrent_steps(
    rounds: int = 100,
    batch: int = 64,
    progress: Progress | None = None,
    clock: Clock = time.perf_counter_ns,
) -> EstimatorResult:
    """Times compiled training steps of masked recurrent layers against Keras' own.

    Two layers of 96 units on 100 steps of 16 values, with a hard concrete gate
    on each hidden neuron, or on each hidden and each input neuron, and an L0
    penalty. All variants of a kind of layer run in the same rounds as the
    plain one, and ratios are taken within each round.

    Args:
        rounds: number of rounds, at least 1.
        batch: examples per step, at least 1.
        progress: called with (turns done, turns in all).
        clock: returns nanoseconds.

    Returns:
        The times, with the limit that each kind of layer promises.

    Raises:
        InvalidArgumentError: a count is out of range.

    Example:
        >>> print(recurrent_steps(rounds=20))
    """
    suite.require_counts(rounds, batch)
    times: list[EstimatorTime] = []
    for done, kind in enumerate(KINDS):
        report = suite.part(progress, done, len(KINDS))
        times += _measure(kind, rounds, batch, report, clock)
    return suite.result(times, (), rounds, batch)


def _measure(
    kind: _Kind, rounds: int, batch: int, progress: Progress | None, clock: Clock
) -> list[EstimatorTime]:
    def row(place: str) -> tuple[str, str, str]:
        return kind.name, place, _ESTIMATOR

    return suite.times_over_plain(
        _models(kind), row, kind.limit, rounds, batch, progress, clock
    )


def _models(kind: _Kind) -> dict[str, keras.Model]:
    """The plain network, and one for each place of gates."""
    models = {suite.PLAIN: networks.two_recurrent(kind.plain, kind.name)}
    for place, gates in PLACES.items():

        def masked(
            units: int, return_sequences: bool, gates: dict[str, Any] = gates
        ) -> keras.layers.Layer:
            penalty = regularizers.L0(1e-6)
            more = {**gates, "gate_regularizer": penalty}
            return kind.masked(units, return_sequences=return_sequences, **more)

        models[place] = networks.two_recurrent(masked, kind.name)
    return models
