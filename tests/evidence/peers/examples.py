"""Networks and data that the tests of peers share."""

import keras
import numpy as np

from keras_diffmask.export.benchmarking.networks import resnet8, resnet8_of
from keras_diffmask.export.demo.datasets import Dataset
from keras_diffmask.export.evidence.families import Family

#: What a pruning may leave: no two layers alike, but those that an Add ties.
WIDTHS = [(5, 7), (9, 11), (13, 8)]
#: Family -> a small example of its data.
SHAPES = {"resnet8": (8, 8, 1), "ds_cnn": (11, 6, 1), "two_lstm": (5, 4)}


def data(examples: int = 40, shape: tuple[int, ...] = (8, 8, 1)) -> Dataset:
    """Noise of three classes, whose means differ."""
    generator = np.random.default_rng(0)
    parts = []
    for _ in range(3):
        y = np.arange(examples) % 3
        means = y.reshape(-1, *(1 for _ in shape))
        x = generator.standard_normal((examples, *shape)) + means
        parts += [x.astype(np.float32), y.astype(np.int64)]
    return Dataset(*parts, ("a", "b", "c"), "noise", "", shape)


def with_statistics(model: keras.Model) -> keras.Model:
    """A network in which no weight is what it is when it is made."""
    generator = np.random.default_rng(1)
    weights = [
        weight + 0.1 * generator.standard_normal(weight.shape)
        for weight in model.get_weights()
    ]
    model.set_weights([weight.astype(np.float32) for weight in weights])
    return model


def whole(shape: tuple[int, ...] = (8, 8, 1)) -> keras.Model:
    """The same one each time."""
    keras.utils.set_random_seed(0)
    return with_statistics(resnet8(shape, 3))


def pruned(shape: tuple[int, ...] = (8, 8, 1)) -> keras.Model:
    """As `whole`, with `WIDTHS`."""
    keras.utils.set_random_seed(0)
    return with_statistics(resnet8_of(shape, 3, WIDTHS))


def start(family: Family) -> keras.Model:
    """A family's network before training, the same one each time."""
    keras.utils.set_random_seed(0)
    return with_statistics(family.network(SHAPES[family.name], 3))
