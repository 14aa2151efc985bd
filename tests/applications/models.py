"""The models of `keras.applications` that people have, each alive.

Random statistics make a deep network ignore its input, and then any strip of it
looks right. Here every kernel is He-normal by its true fan-in, biases and norms
are modest, and BatchNormalization holds the statistics that one training batch
has in the network as decided, jittered, so that the strip has to carry them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import applications

from tests.laws.alive import array

CLASSES = 10
BATCH, CALIBRATION = 6, 32


@dataclass(frozen=True)
class Application:
    """One model of `keras.applications`, small enough for two cores.

    Attributes:
        build: its constructor.
        size: height and width of its input.
        pixels: whether it wants 0 to 255 and rescales by itself.
        light: whether a decision of it is checked within half a minute, so
            that CI can take its turn with it.
        must_lose: share of the MACs that has to go at half of the units
            closed, or None.
        held_by: part of the plan's reason, where something that nothing exact
            can pass keeps the model from losing that much.
    """

    build: Callable[..., keras.Model]
    size: int = 64
    pixels: bool = False
    light: bool = False
    must_lose: float | None = None
    held_by: str | None = None

    def make(self) -> keras.Model:
        """Stock, fresh weights, logits of ten classes."""
        return self.build(
            weights=None,
            classes=CLASSES,
            classifier_activation=None,
            input_shape=(self.size, self.size, 3),
        )

    def inputs(self, batch: int = BATCH, seed: int = 5) -> np.ndarray:
        """Images that differ in more than noise, which a pooling averages out."""
        rng = np.random.default_rng(seed)
        size, coarse = self.size, max(self.size // 16, 1)
        blocks = rng.normal(0, 1.0, (batch, coarse, coarse, 3))
        blocks = blocks.repeat(size // coarse, 1).repeat(size // coarse, 2)
        shift = rng.normal(0, 1.0, (batch, 1, 1, 3))
        images = shift + blocks + rng.normal(0, 0.7, (batch, size, size, 3))
        images = 127.5 + 60.0 * images if self.pixels else images
        return images.astype("float32")


def _table() -> dict[str, Application]:
    a, half = applications, 0.65
    return {
        "VGG16": Application(a.VGG16, must_lose=half),
        "VGG19": Application(a.VGG19),
        "ResNet50": Application(a.ResNet50, must_lose=half),
        "ResNet101": Application(a.ResNet101),
        "ResNet152": Application(a.ResNet152),
        "ResNet50V2": Application(a.ResNet50V2),
        "ResNet101V2": Application(a.ResNet101V2),
        "ResNet152V2": Application(a.ResNet152V2),
        "Xception": Application(a.Xception, size=96),
        "InceptionV3": Application(a.InceptionV3, size=96, must_lose=half),
        "InceptionResNetV2": Application(a.InceptionResNetV2, size=96),
        "MobileNet": Application(a.MobileNet, light=True),
        "MobileNetV2": Application(a.MobileNetV2, light=True, must_lose=half),
        "MobileNetV3Small": Application(a.MobileNetV3Small, pixels=True, light=True),
        "MobileNetV3Large": Application(a.MobileNetV3Large, pixels=True, light=True),
        "DenseNet121": Application(a.DenseNet121, must_lose=half),
        "DenseNet169": Application(a.DenseNet169),
        "DenseNet201": Application(a.DenseNet201),
        "NASNetMobile": Application(a.NASNetMobile),
        "EfficientNetB0": Application(a.EfficientNetB0, pixels=True, must_lose=half),
        "EfficientNetV2B0": Application(a.EfficientNetV2B0, pixels=True),
        "ConvNeXtTiny": Application(a.ConvNeXtTiny, pixels=True),
    }


MODELS = _table()


def draw(model: keras.Model, seed: int = 3) -> keras.Model:
    """Give every weight a value that a wrong strip cannot hide behind."""
    rng = np.random.default_rng(seed)
    for layer in model._flatten_layers(include_self=False):
        for weight in layer._trainable_variables:
            weight.assign(_drawn(layer, weight, rng))
    return model


def _drawn(layer: Any, weight: Any, rng: np.random.Generator) -> np.ndarray:
    shape = tuple(weight.shape)
    if "kernel" in weight.name:
        # A depthwise kernel sees one channel; Keras' own He counts them all.
        seen = shape[:2] if _sees_one_channel(layer, weight) else shape[:-1]
        drawn = rng.normal(0, np.sqrt(2 / np.prod(seen)), shape)
    elif type(layer).__name__ == "LayerScale":
        drawn = rng.uniform(0.3, 0.7, shape)
    elif weight.name == "gamma":
        drawn = rng.uniform(0.7, 1.4, shape)
    else:
        drawn = rng.normal(0, 0.1, shape)
    return drawn.astype(weight.dtype)


def _sees_one_channel(layer: Any, weight: Any) -> bool:
    depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
    return depthwise or weight.name == "depthwise_kernel"


def enliven(model: keras.Model, x: np.ndarray, boost: float, seed: int = 4) -> None:
    """Make the network that a decision leaves as lively as the whole one.

    With 70 % of the inputs gone, each layer passes on half of the signal it
    used to, and behind the thirteenth only the biases are left: kernels grow
    in return, and the statistics are those of what is open.

    Args:
        model: stock or masked; its weights are changed.
        x: one batch, for the statistics.
        boost: what every kernel that sums over channels is multiplied with.
        seed: of the jitter.
    """
    layers = model._flatten_layers(include_self=False)
    for layer in layers if boost != 1.0 else ():
        for weight in layer._trainable_variables:
            if "kernel" in weight.name and not _sees_one_channel(layer, weight):
                weight.assign(weight * boost)
    norms = [n for n in layers if isinstance(n, keras.layers.BatchNormalization)]
    _calibrate(model, norms, x)
    rng = np.random.default_rng(seed)
    for norm in norms:
        mean, variance = array(norm.moving_mean), array(norm.moving_variance)
        shift = rng.normal(0, 0.1, mean.shape) * np.sqrt(variance)
        norm.moving_mean.assign((mean + shift).astype(mean.dtype))
        factor = rng.uniform(0.8, 1.25, mean.shape)
        norm.moving_variance.assign((variance * factor).astype(mean.dtype))


def _calibrate(model: keras.Model, norms: list[Any], x: np.ndarray) -> None:
    """One training-mode batch, whose statistics become the moving ones."""
    usual = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    model(x, training=True)
    for norm, momentum in zip(norms, usual, strict=True):
        norm.momentum = momentum
