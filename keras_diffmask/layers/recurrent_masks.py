"""The masks of recurrent layers: which weights they multiply, and what gates they need.

One text for LSTM, GRU and SimpleRNN: they differ in how many gates lie side by
side along the last axis of their weights (4, 3 and 1), which the shapes say.
"""

from typing import Any, ClassVar

import keras
from keras import ops

from keras_diffmask import estimators, granularity, quantizers, regularizers
from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.gate import Gate
from keras_diffmask.layers.broadcast import along, is_zero_at_zero, multiply
from keras_diffmask.layers.fit import require_fit
from keras_diffmask.layers.quantized import Pairs, on_grid


class RecurrentGates(keras.layers.Layer):
    """Mix-in that owns the input gate and the hidden gate of a recurrent layer.

    It goes in front of both the cell and the layer, so that the two mean the
    same by the same arguments.
    """

    #: The Keras layer or cell that the strip puts in this one's place.
    stock_class: ClassVar[type[keras.layers.Layer]]
    #: Arguments of a layer that takes its mask from outside.
    without_gates: ClassVar[dict[str, Any]] = {"hidden_estimator": None}
    #: A closed unit's h is 0 by its weights alone.
    masks_output: ClassVar[bool] = False
    granularities: ClassVar[tuple[str, ...]] = (granularity.CHANNEL,)

    def __init__(
        self,
        *args: Any,
        input_estimator: Any = None,
        hidden_estimator: Any = "hard_concrete",
        gate_regularizer: Any = None,
        logit_scale: float = 1.0,
        quantizer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.quantizer = quantizers.get(quantizer)
        self.input_estimator = _get(input_estimator)
        self.hidden_estimator = _get(hidden_estimator)
        for estimator in filter(None, (self.input_estimator, self.hidden_estimator)):
            require_fit(self, estimator, granularity.CHANNEL)
        # Asked once, here, where values are concrete: not so inside a trace.
        self._zero_at_zero = is_zero_at_zero(self.activation)
        if self.hidden_estimator is not None:
            self.require_zero_at_zero()
        self.gate_regularizer = regularizers.get(gate_regularizer)
        self.logit_scale = float(logit_scale)
        self.input_gate: Gate | None = None
        self.hidden_gate: Gate | None = None

    def require_zero_at_zero(self) -> None:
        """Refuse a mask on hidden neurons whose activation would wake them again.

        Raises:
            InvalidArgumentError: `activation` is not 0 at 0.
        """
        if not self._zero_at_zero:
            name = getattr(self.activation, "__name__", self.activation)
            raise InvalidArgumentError(
                f"an activation of {self.name!r} that is 0 at 0, for a mask on its "
                "hidden neurons: the state of a closed one has to stay 0",
                f"activation={name!r}",
                "Pass 'tanh' or 'relu', or hidden_estimator=None and a ChannelMask "
                "behind the layer.",
            )

    def build_gates(self, input_dim: int) -> None:
        """Create the gates that have an estimator."""
        cell: Any = getattr(self, "cell", self)
        units, gates = cell.units, gates_of(cell)
        self.input_gate = self._gate("input", input_dim, float(gates * units))
        size = float(gates * (input_dim + units))
        self.hidden_gate = self._gate("hidden", units, size)
        if self.hidden_gate is not None:
            # The weights under both gates are counted once, with the hidden ones.
            self.hidden_gate.count_weights = self._expected_weights
            if self.input_gate is not None:
                self.input_gate.count_weights = lambda: ops.zeros(())

    def _expected_weights(self) -> Any:
        """E||kernel||_0 + E||recurrent_kernel||_0 + E||bias||_0 under the gates.

        With pz and ps the keep probabilities of input and hidden neurons, and
        G gates (4 of an LSTM, 3 of a GRU, 1 of a SimpleRNN),

            G * (sum(pz) * sum(ps) + sum(ps) + sum_{i != j} ps_i * ps_j + B * sum(ps))

        of which the second term is the diagonal of the recurrent kernel, where
        both gates are the same one, and the last the B rows of the bias: one,
        or none, or two where a GRU resets after the product.
        """
        cell: Any = getattr(self, "cell", self)
        gate: Any = self.hidden_gate
        p = gate.keep_probability()
        total = ops.sum(p)
        if self.input_gate is None:
            inputs = float(cell.kernel.shape[0])
        else:
            inputs = ops.sum(self.input_gate.keep_probability())
        off_diagonal = total * total - ops.sum(p * p)
        rows = 0 if cell.bias is None else len(cell.bias.shape)
        bias = float(rows) * total
        return float(gates_of(cell)) * (inputs * total + total + off_diagonal + bias)

    def _gate(self, side: str, units: int, size: float) -> Gate | None:
        estimator = getattr(self, f"{side}_estimator")
        if estimator is None:
            return None
        gate = Gate(
            units,
            estimator,
            regularizer=self.gate_regularizer,
            weights_per_gate=size,
            logit_scale=self.logit_scale,
            name=f"{self.name}_{side}_gate",
        )
        gate.build()
        return gate

    def gated_units(self) -> int:
        """How many hidden units the layer has."""
        return self.units

    def masked_weights(self, mask: Any) -> list[tuple[Any, Any]]:
        """Pairs of a weight and its value under a mask on the hidden neurons."""
        return masked_cell_weights(getattr(self, "cell", self), None, mask)

    def weights_under(
        self, input_mask: Any, hidden_mask: Any, training: Any = False
    ) -> Pairs:
        """Pairs of a weight and its value under masks and quantizer, as they apply."""
        cell = getattr(self, "cell", self)
        pairs = masked_cell_weights(cell, input_mask, hidden_mask)
        if self.quantizer is None:
            return pairs
        if training:
            self.quantizer.count_down()
        return quantized_cell_weights(self.quantizer, cell, pairs)

    def own_masks(self, training: Any) -> tuple[Any, Any]:
        """Draw (input mask, hidden mask), each None without a gate."""
        gates = (self.input_gate, self.hidden_gate)
        masks = [None if g is None else g(training=training)[0] for g in gates]
        return masks[0], masks[1]

    def gate_config(self) -> dict[str, Any]:
        """The part of the configuration that the Keras parent does not have."""
        return {
            "input_estimator": _serialize(self.input_estimator),
            "hidden_estimator": _serialize(self.hidden_estimator),
            "gate_regularizer": _serialize(self.gate_regularizer),
            "logit_scale": self.logit_scale,
            "quantizer": _serialize(self.quantizer),
        }

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self.gate_config()}


def gates_of(cell: Any) -> int:
    """How many gates a built cell has: 4 (LSTM), 3 (GRU) or 1 (SimpleRNN)."""
    units, columns = cell.recurrent_kernel.shape
    return columns // units


def masked_cell_weights(cell: Any, input_mask: Any, hidden_mask: Any) -> list:
    """Pairs of a recurrent cell's weight and its value under the two masks.

        kernel * z[:, None] * S[None, :]
        recurrent_kernel * s[:, None] * S[None, :]
        bias * S,     S = s repeated for the gates (i, f, c, o of an LSTM,
                      z, r, h of a GRU, one of a SimpleRNN)

    The bias too, in both of its rows where a GRU resets after the product:
    with it alive a closed unit would go on integrating its candidate, and its
    h would not be 0.
    """
    kernel, recurrent, bias = cell.kernel, cell.recurrent_kernel, cell.bias
    pairs = []
    if hidden_mask is not None:
        columns = ops.tile(hidden_mask, (gates_of(cell),))
        both = along(hidden_mask, 0, recurrent.shape)
        both = both * along(columns, 1, recurrent.shape)
        pairs.append((recurrent, multiply(recurrent, both)))
        if bias is not None:
            pairs.append((bias, multiply(bias, columns)))
        kernel = multiply(kernel, along(columns, 1, kernel.shape))
    if input_mask is not None:
        kernel = multiply(kernel, along(input_mask, 0, kernel.shape))
    if kernel is not cell.kernel:
        pairs.append((cell.kernel, kernel))
    return pairs


def quantized_cell_weights(quantizer: Any, cell: Any, pairs: Pairs) -> Pairs:
    """The pairs on the quantizer's grid: both kernels, with a scale per gate."""
    kernels: dict[str, tuple[int, ...]] = {"kernel": (), "recurrent_kernel": ()}
    return on_grid(quantizer, cell, kernels, pairs, gates_of(cell))


def mask_states(states: Any, hidden_mask: Any) -> Any:
    """Set the states of closed units to 0 and leave the others as they are.

    A fractional gate scales weights, not states: scaling h and c again at
    each step would make them decay.
    """
    if hidden_mask is None:
        return states
    support = ops.cast(ops.not_equal(hidden_mask, 0.0), "float32")
    return keras.tree.map_structure(lambda state: multiply(state, support), states)


def _get(estimator: Any) -> Any:
    return None if estimator is None else estimators.get(estimator)


def _serialize(thing: Any) -> Any:
    return None if thing is None else keras.saving.serialize_keras_object(thing)
