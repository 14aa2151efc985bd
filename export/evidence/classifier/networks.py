"""The two recurrent classifiers that are pruned, and how they are trained."""

import dataclasses

import keras

from keras_diffmask.budget import Budget

UNITS = 64
#: What the pruned network may cost, as a share of the dense one's MACs.
SHARE = 0.15
#: Of the dense int8 file and of its arena: at most so much is aimed at.
FILE_AIM, ARENA_AIM = 0.30, 0.55
#: Points of accuracy that the pruned int8 file may lose to the dense float model.
POINTS_AIM = 1.0


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Training of one network; dense and pruned get the same.

    Args:
        epochs: passes over the training part.
        batch_size: examples per step.
        learning_rate: AdamW's at the first step; it falls to 0 along a cosine.
        dropout: share of an LSTM's outputs that is dropped behind each of them.
        noise: deviation of the noise on the inputs, in units of their own.
        weight_decay: share of each weight that a step takes away, per unit of
            the learning rate.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    dropout: float
    noise: float
    weight_decay: float


@dataclasses.dataclass(frozen=True)
class Task:
    """One data set and the recipe that its validation part chose.

    Args:
        name: name of the evidence.
        dataset: name of the data set.
        label: what to write beside its figures.
        recipe: how to train.
        ram: what TFLM's arena of the pruned network may be, as a share of the
            dense one's, beside its MACs; None where the MACs bring that about.
    """

    name: str
    dataset: str
    label: str
    recipe: Recipe
    ram: float | None = None

    def budget(self) -> Budget:
        """Of the pruned network."""
        return Budget(macs=SHARE, ram=self.ram)


HAR = Task(
    "har",
    "uci_har",
    "UCI HAR, rebuilt windows",
    Recipe(12, 64, 3e-3, dropout=0.0, noise=0.0, weight_decay=0.0),
)
SPEECH_LSTM = Task(
    "speech-lstm",
    "speech_commands",
    "Speech Commands, 12 classes, 3,852 clips split by speaker",
    Recipe(60, 32, 3e-3, dropout=0.0, noise=0.5, weight_decay=0.0),
    ram=0.54,
)


def network(input_shape: tuple[int, ...], classes: int, recipe: Recipe) -> keras.Model:
    """Two LSTM layers of 64 units and a Dense layer.

    Args:
        input_shape: steps, features.
        classes: number of outputs; they are logits.
        recipe: its noise and dropout.

    Returns:
        A Functional model of stock layers, not compiled.

    Example:
        >>> network((128, 9), 6, HAR.recipe).count_params()
        52358
    """
    inputs = x = keras.Input(input_shape)
    if recipe.noise:
        x = keras.layers.GaussianNoise(recipe.noise, name="noise")(x)
    x = keras.layers.LSTM(UNITS, return_sequences=True, name="lstm1")(x)
    if recipe.dropout:
        x = keras.layers.Dropout(recipe.dropout, name="dropout1")(x)
    x = keras.layers.LSTM(UNITS, name="lstm2")(x)
    if recipe.dropout:
        x = keras.layers.Dropout(recipe.dropout, name="dropout2")(x)
    outputs = keras.layers.Dense(classes, name="logits")(x)
    return keras.Model(inputs, outputs, name="classifier")
