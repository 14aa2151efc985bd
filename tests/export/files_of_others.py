"""Files that `to_tflite` never writes: with resource variables, with loops."""

import functools

import numpy as np
import pytest


@functools.cache
def with_variable() -> bytes:
    """Twice v after v = v / 2 + x, where v is a variable that starts at 0."""
    tensorflow = pytest.importorskip("tensorflow")

    class Smoothed(tensorflow.Module):
        def __init__(self):
            super().__init__()
            self.v = tensorflow.Variable(tensorflow.zeros((1, 4)))

        @tensorflow.function(
            input_signature=[tensorflow.TensorSpec((1, 4), "float32")], autograph=False
        )
        def __call__(self, x):
            self.v.assign(self.v * 0.5 + x)
            return self.v.read_value() * 2.0

    return _converted(Smoothed())


@functools.cache
def with_loop() -> bytes:
    """x = tanh(x) * sin(x) + 1, three times, in the body of a WHILE."""
    tensorflow = pytest.importorskip("tensorflow")

    class Looped(tensorflow.Module):
        @tensorflow.function(
            input_signature=[tensorflow.TensorSpec((1, 4), "float32")], autograph=False
        )
        def __call__(self, x):
            def body(i, x):
                return i + 1, tensorflow.tanh(x) * tensorflow.sin(x) + 1.0

            start = [tensorflow.constant(0), x]
            return tensorflow.while_loop(lambda i, x: i < 3, body, start)[1]

    return _converted(Looped())


@functools.cache
def with_integer_loop() -> bytes:
    """relu(x W) + x, three times, in int8 in the body of a WHILE."""
    tensorflow = pytest.importorskip("tensorflow")
    generator = np.random.default_rng(0)
    kernel = generator.normal(size=(4, 4)).astype("float32")

    class Looped(tensorflow.Module):
        @tensorflow.function(
            input_signature=[tensorflow.TensorSpec((1, 4), "float32")], autograph=False
        )
        def __call__(self, x):
            def body(i, x):
                return i + 1, tensorflow.nn.relu(tensorflow.matmul(x, kernel)) + x

            start = [tensorflow.constant(0), x]
            y = tensorflow.while_loop(lambda i, x: i < 3, body, start)[1]
            return tensorflow.matmul(y, kernel)

    def examples():
        for _ in range(20):
            yield [generator.normal(size=(1, 4)).astype("float32")]

    def to_int8(converter):
        converter.optimizations = [tensorflow.lite.Optimize.DEFAULT]
        converter.representative_dataset = examples

    return _converted(Looped(), to_int8)


def _converted(module, change=lambda converter: None) -> bytes:
    import tensorflow

    converter = tensorflow.lite.TFLiteConverter.from_concrete_functions(
        [module.__call__.get_concrete_function()], module
    )
    converter.experimental_enable_resource_variables = True
    change(converter)
    return converter.convert()
