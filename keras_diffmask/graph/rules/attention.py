"""MultiHeadAttention: heads, and the widths of keys and values, inside one layer."""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from keras_diffmask.graph.axes import on_last_axis
from keras_diffmask.graph.rule import Cut, Hold, Rule, Step, Term, register
from keras_diffmask.graph.rules import weights


@register(keras.layers.MultiHeadAttention)
class MultiHeadAttentionRule(Rule):
    """softmax(q k^T / sqrt(d)) v, projected.

    Hidden units are the heads, the widths of query and key, and the width of
    the values; a width is cut alike in every head.
    """

    reads = True

    def _reason(self, step: Step) -> str | None:
        layer = step.layer
        if layer.get_config().get("use_gate"):
            return f"{step.name} has a gate on its output"
        if len(step.inputs) not in (2, 3) or len(self.names(step)) != len(step.inputs):
            return f"{step.name} takes a mask as a tensor"
        if not all(on_last_axis(ids) for ids in step.inputs):
            return f"{step.name} reads an axis along which channels are mixed"
        if len(step.call.outputs) > 1:
            return f"{step.name} returns its attention scores"
        if len(step.layer.output_dense.kernel.shape) != 3:
            return f"{step.name} writes more than one axis"
        return None

    def _roles(self, step: Step) -> list[list[Any]]:
        """Of each input, the projections that read it."""
        layer = step.layer
        readers = {
            "query": [layer.query_dense],
            "value": [layer.value_dense],
            "key": [layer.key_dense],
        }
        if len(step.inputs) == 2:
            readers["value"] = [layer.value_dense, layer.key_dense]
        return [readers[name] for name in self.names(step)]

    def names(self, step: Step) -> list[str]:
        """Of each input, the argument that it was passed as."""
        arguments = step.call.arguments
        positional = ("query", "value", "key")[: len(arguments.args)]
        # Keras flattens keyword arguments by name.
        named = (n for n in sorted(arguments.kwargs) if n in ("key", "query", "value"))
        return [*positional, *named]

    def _ids(self, step: Step, name: str) -> np.ndarray:
        """Ids of the tensor that was passed as this argument."""
        names = self.names(step)
        found = names.index(name if name in names else "value")
        return step.inputs[found].reshape(-1)

    def trace(self, step: Step) -> list[np.ndarray]:
        reason = self._reason(step)
        if reason:
            return step.bar(reason)
        heads, keys = step.layer.query_dense.kernel.shape[1:]
        values = step.layer.value_dense.kernel.shape[2]
        step.hidden = [step.units.new(size) for size in (heads, keys, values)]
        return [step.fresh(step.call.outputs[0])]

    def _kept(self, step: Step, kept: np.ndarray) -> list[np.ndarray]:
        return [kept[step.units.root(ids)] for ids in step.hidden]

    def constants(self, step: Step, inputs: list[np.ndarray]) -> list[np.ndarray]:
        if self._reason(step):
            return super().constants(step, inputs)
        out = step.layer.output_dense
        kernel = weights.array(out.kernel)
        bias = np.zeros(kernel.shape[-1])
        if out.bias is not None:
            bias = weights.array(out.bias).astype(np.float64)
        varies = np.any(kernel != 0, axis=(0, 1))
        values = np.where(varies, np.nan, bias)
        return [values.reshape(step.outputs[0].shape)]

    def settles(self, step: Step, zero: bool) -> bool:
        # Of equal values every mean is the value; but only self-attention
        # over constant inputs is known to have them.
        return False

    def holds(
        self,
        step: Step,
        kept: np.ndarray,
        inputs: list[np.ndarray],
        outputs: list[np.ndarray],
    ) -> Iterator[Hold]:
        if self._reason(step):
            return
        heads, keys, values = self._kept(step, kept)
        layer = step.layer
        columns = kept[step.units.root(step.outputs[0].reshape(-1))]
        # A head or value width goes when the output does not take it.
        out = weights.array(layer.output_dense.kernel)[:, :, columns]
        taken = np.any(out != 0, axis=2)
        yield Hold(step.hidden[0][np.any(taken[:, values], axis=1)])
        yield Hold(step.hidden[2][np.any(taken[heads], axis=0)])
        # A key width goes when the query or the key is 0 there in every head.
        scores = _writes(layer.query_dense) & _writes(layer.key_dense)
        yield Hold(step.hidden[1][np.any(scores[heads], axis=0)])
        places = {id(layer.value_dense): values}
        for ids, constant, readers in zip(
            step.inputs, inputs, self._roles(step), strict=True
        ):
            read = np.zeros(ids.size, bool)
            for dense in readers:
                kernel = weights.array(dense.kernel)[:, heads]
                kernel = kernel[:, :, places.get(id(dense), keys)]
                read |= np.any(kernel != 0, axis=(1, 2))
            yield Hold(ids.reshape(-1)[read & ~(constant.reshape(-1) == 0)])

    def _positions(self, step: Step) -> tuple[int, int]:
        names = self.names(step)
        places = (names.index("query"), names.index("value"))
        query, value = (step.call.inputs[place].shape[1:-1] for place in places)
        return (
            int(np.prod([n or 1 for n in query])),
            int(np.prod([n or 1 for n in value])),
        )

    def _products(self, step: Step, at_query: int, at_value: int) -> list[Term]:
        heads, keys, values = step.hidden
        return [
            Term(at_query, self._ids(step, "query"), heads, depth=keys),
            Term(at_value, self._ids(step, "key"), heads, depth=keys),
            Term(at_value, self._ids(step, "value"), heads, depth=values),
            Term(at_query, heads, values, depth=step.outputs[0].reshape(-1)),
        ]

    def macs(self, step: Step) -> list[Term]:
        if self._reason(step):
            return [Term(float(sum(n * m for n, m in self._dense_macs(step))))]
        at_query, at_value = self._positions(step)
        heads, keys, values = step.hidden
        pairs = at_query * at_value
        return [
            *self._products(step, at_query, at_value),
            Term(pairs, heads, keys),
            Term(pairs, heads, values),
        ]

    def _dense_macs(self, step: Step) -> list[tuple[int, int]]:
        layer = step.layer
        at_query, at_value = self._positions(step)
        inside = int(np.prod(layer.value_dense.kernel.shape[1:]))
        has_gate = bool(layer.get_config().get("use_gate"))
        return [
            # A gate on the output is one more product with the query.
            (at_query * has_gate, layer.query_dense.kernel.shape[0] * inside),
            (at_query, int(np.prod(layer.query_dense.kernel.shape))),
            (at_value, int(np.prod(layer.key_dense.kernel.shape))),
            (at_value, int(np.prod(layer.value_dense.kernel.shape))),
            (at_query, int(np.prod(layer.output_dense.kernel.shape))),
            (at_query * at_value, int(np.prod(layer.query_dense.kernel.shape[1:]))),
            (at_query * at_value, inside),
        ]

    def parameters(self, step: Step) -> list[Term]:
        if self._reason(step):
            return super().parameters(step)
        terms = self._products(step, 1, 1)
        if step.layer.use_bias:
            heads, keys, values = step.hidden
            terms += [Term(2, heads, keys), Term(1, heads, values)]
            terms += [Term(1, None, step.outputs[0].reshape(-1))]
        return terms

    def shrink(self, step: Step, cut: Cut) -> tuple[dict[str, Any], Any]:
        if self._reason(step):
            return {}, {}
        layer = step.layer
        heads, keys, values = self._kept(step, cut.kept)
        columns = cut.along(step.outputs[0])
        rows = {
            id(dense): cut.along(ids)
            for ids, readers in zip(step.inputs, self._roles(step), strict=True)
            for dense in readers
        }
        # The scores are divided by the root of the width that is left.
        rescale = np.sqrt(keys.sum() / keys.size)
        left = []
        for dense in (layer.query_dense, layer.key_dense, layer.value_dense):
            width = values if dense is layer.value_dense else keys
            factor = rescale if dense is layer.query_dense else 1.0
            kernel = weights.array(dense.kernel)[rows[id(dense)]]
            left.append(kernel[:, heads][:, :, width] * factor)
            if dense.bias is not None:
                bias = weights.array(dense.bias)[heads][:, width]
                left.append(bias * factor)
        out = layer.output_dense
        left.append(weights.array(out.kernel)[heads][:, values][:, :, columns])
        if out.bias is not None:
            left.append(weights.array(out.bias)[columns])
        config = {
            "num_heads": int(heads.sum()),
            "key_dim": int(keys.sum()),
            "value_dim": int(values.sum()),
            "output_shape": (int(columns.sum()),),
        }
        return config, left

    def leak_free(self, step: Step) -> bool:
        return False


def _writes(dense: Any) -> np.ndarray:
    """Bool `(heads, width)`: where a projection is not 0 whatever it reads."""
    written = np.any(weights.array(dense.kernel) != 0, axis=0)
    if dense.bias is not None:
        written |= weights.array(dense.bias) != 0
    return written
