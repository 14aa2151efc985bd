"""Insert: a model with quantizers on its kernels and between its layers."""

import warnings
from collections.abc import Sequence
from typing import Any

import keras

from keras_diffmask import keras_internals, rebuild
from keras_diffmask.keras_internals import Call
from keras_diffmask.layers import FakeQuantize
from keras_diffmask.quantization import kinds
from keras_diffmask.quantization.points import Point, find_points
from keras_diffmask.quantization.quantized_model import QuantizedModel
from keras_diffmask.quantizers import Quantization


def insert_quantizers(
    model: keras.Model,
    quantization: Quantization,
    names: Sequence[str],
    model_class: type = QuantizedModel,
) -> keras.Model:
    """The model with the device's integers simulated in it.

    Args:
        model: a Functional model, masked or not. It is not changed.
        quantization: how.
        names: what the user's model calls its outputs.
        model_class: the class of the result.
    """
    return _Inserter(model, quantization, names).run(model_class)


class _Inserter:
    def __init__(
        self, model: keras.Model, quantization: Quantization, names: Sequence[str]
    ) -> None:
        self.model = model
        self.quantization = quantization
        self.points = find_points(model)
        self.outputs = self._outputs(names)
        self.ranges: dict[int, FakeQuantize] = {}
        self.rebuilder = rebuild.Rebuilder(model, self._make, lambda old: None)
        self.copied: list[tuple[Any, Any]] = []

    def run(self, model_class: type) -> keras.Model:
        self._warn_of_floats()
        result = self.rebuilder.run(self._perform, model_class, self._inputs)
        for old, new in self.copied:
            _copy(old, new)
        return result

    def _outputs(self, names: Sequence[str]) -> dict[int, list[str]]:
        """Key of a range -> names of the outputs that it is the end of."""
        outputs: dict[int, list[str]] = {}
        for tensor, name in zip(self.model.outputs, names, strict=True):
            if id(tensor) in self.points:
                outputs.setdefault(self.points[id(tensor)].key, []).append(name)
        return outputs

    def _warn_of_floats(self) -> None:
        """Kernels inside of what no masked layer stands for train in floats."""
        names = [
            layer.name
            for layer in self.model.layers
            if kinds.masked_form(layer) is None
            and any(len(weight.shape) > 1 for weight in layer.weights)
        ]
        if names:
            warnings.warn(
                f"The weights of {', '.join(names)} are not rounded in training, for "
                "no masked layer stands for them: to_tflite quantizes them afterwards.",
                # The caller of quantize_model or mask_model.
                stacklevel=5,
            )

    def _make(self, old: Any) -> Any:
        new = self._with_quantizer(old) if kinds.masked_form(old) else None
        new = rebuild.clone(old) if new is None else new
        self.copied.append((old, new))
        return new

    def _with_quantizer(self, old: Any) -> Any:
        masked = kinds.masked_form(old)
        if not getattr(masked, "quantized", True):
            return None
        given = old.get_config()
        if type(old) is not masked:
            given |= masked.without_gates
        quantizer = self.quantization.of_weights(old)
        return masked.from_config(
            {**given, "quantizer": keras.saving.serialize_keras_object(quantizer)}
        )

    def _inputs(self, inputs: list[Any]) -> list[Any]:
        pairs = zip(self.model.inputs, inputs, strict=True)
        return [self._rounded(old, new) for old, new in pairs]

    def _perform(self, call: Call, args: tuple, kwargs: dict) -> Any:
        outputs = self.rebuilder.call(call.operation, args, kwargs)
        if not any(id(tensor) in self.points for tensor in call.outputs):
            return outputs
        pairs = zip(call.outputs, keras.tree.flatten(outputs), strict=True)
        flat = [self._rounded(old, new) for old, new in pairs]
        return keras.tree.pack_sequence_as(outputs, flat)

    def _rounded(self, old: Any, new: Any) -> Any:
        point = self.points.get(id(old))
        if point is None:
            return new
        if point.key not in self.ranges:
            self.ranges[point.key] = self._range(point)
        more = {} if point.observe or point.fixed else {"observe": False}
        return self.ranges[point.key](new, **more)

    def _range(self, point: Point) -> FakeQuantize:
        quantization = self.quantization
        low, high = point.fixed or (None, None)
        return FakeQuantize(
            quantization.activation_bits,
            "fixed" if point.fixed else quantization.ranges,
            quantization.momentum,
            quantization.delay,
            low=low,
            high=high,
            stands_for=self.outputs.get(point.key, ()),
            name=self.rebuilder.free_name(f"{point.name}_range"),
        )


def _copy(old: Any, new: Any) -> None:
    """Give a layer the weights of another, and its gates theirs."""
    if not isinstance(old, keras.layers.Layer) or not old.weights:
        return
    rebuild.assign(new, rebuild.arrays_without_gates(old))
    inner = [
        [x for x in keras_internals.flatten_layers(one) if hasattr(x, "set_keep")]
        for one in (old, new)
    ]
    for gate, copy in zip(*inner, strict=True):
        copy.set_weights(gate.get_weights())
