"""The model whose outputs have the user's names, behind quantizers as before."""

from typing import Any

import keras
from keras import tree

from keras_diffmask.keras_internals import maker_of, operation_fn, run
from keras_diffmask.layers import FakeQuantize
from keras_diffmask.quantization.device_run import DeviceRun


@keras.saving.register_keras_serializable("keras_diffmask")
class QuantizedModel(keras.Model):
    """A Functional model that calls its outputs what the user's model calls them.

    Keras names an output after the last layer, which is a quantizer here:
    `compile(loss={"cls": ...})` and the logs of `fit` say "cls" all the same.

    In inference its quantizers round as the integer kernels of the device do (see
    `quantizers.requantization`), in training once and to the nearest.
    Everything else is as in `keras.Model`.
    """

    def call(
        self, inputs: Any, training: bool | None = None, mask: Any = None, **more: Any
    ) -> Any:
        context = {"training": training, **more}
        has_ranges = any(isinstance(layer, FakeQuantize) for layer in self.layers)
        if training or not has_ranges:
            return super().call(inputs, mask=mask, **context)

        def make_call(operation: Any, args: tuple, kwargs: dict) -> Any:
            return operation_fn(operation, **context)(*args, **kwargs)

        return run(self, inputs, mask, DeviceRun(make_call).perform)

    @property
    def output_names(self) -> list[str]:
        """What losses, metrics and logs call the outputs."""
        return names_of(self.outputs)

    @output_names.setter
    def output_names(self, names: list[str]) -> None:
        # What Keras found, which is names of layers.
        pass


def names_of(outputs: Any) -> list[str]:
    """The user's names of a model's outputs, in order.

    Args:
        outputs: symbolic tensors.
    """
    names, seen = [], dict[int, int]()
    for tensor in tree.flatten(outputs):
        maker: Any = maker_of(tensor)
        given = maker.stands_for if isinstance(maker, FakeQuantize) else ()
        place = seen.get(id(maker), 0)
        seen[id(maker)] = place + 1
        names.append(given[place] if place < len(given) else maker.name)
    return names
