"""How the language models are trained: Zaremba's three sizes."""

import dataclasses

import keras

from keras_diffmask.export.evidence.language.models import Gating, Widths


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Training of one size; dense and gated get the same epochs and rates.

    The loss is the sum over the time steps, the mean over the rows, as in the
    published recipes: the learning rate and the clipping mean what they mean
    there. All weights start uniformly in -init..init.

    Args:
        units: width of the embedding and of both LSTMs.
        batch_size: streams that are read side by side.
        steps: words through which the gradient flows back.
        epochs: passes over the training text.
        init: bound of the initial weights.
        clip: largest norm of the gradient of all weights together.
        learning_rate: of stochastic gradient descent, in the first epochs.
        hold: epochs before it falls.
        decay: its factor per epoch from then on.
        dropout: share of the values dropped before and behind each LSTM.
        gated_dropout: the same for the gated model, whose gates are noise
            already.
        penalty: lambda of the gates' penalty, per expected weight in the mean
            loss per word.
        initial_keep: P(gate != 0) at the start.
        logit_scale: how many times faster than a weight the gate logits learn.
        ramp: epochs over which the penalty rises from 0.
    """

    units: int
    batch_size: int
    steps: int
    epochs: int
    init: float
    clip: float
    learning_rate: float
    hold: int
    decay: float
    dropout: float
    gated_dropout: float
    penalty: float
    initial_keep: float
    logit_scale: float
    ramp: int

    def widths(self, vocabulary: int) -> Widths:
        """The widths of the dense model."""
        return Widths(self.units, (self.units, self.units), vocabulary)

    def gating(self) -> Gating:
        """The gates, with the penalty in the unit of the loss that is trained."""
        weight = self.penalty * self.steps
        return Gating(weight, self.initial_keep, self.logit_scale)

    def rate(self, epoch: int) -> float:
        """The learning rate of an epoch, counted from 0."""
        falls = max(epoch + 1 - self.hold, 0)
        return float(self.learning_rate * self.decay**falls)

    def within(self, epochs: int) -> "Recipe":
        """The recipe in so many epochs, with the same rates at both ends."""
        hold = max(1, round(self.hold * epochs / self.epochs))
        falls, theirs = epochs - hold, self.epochs - self.hold
        decay = self.decay ** (theirs / falls) if falls else 1.0
        ramp = round(self.ramp * epochs / self.epochs)
        return dataclasses.replace(
            self, epochs=epochs, hold=hold, decay=decay, ramp=ramp
        )

    def schedule(self) -> keras.callbacks.Callback:
        """A callback that sets the rate of each epoch."""
        return keras.callbacks.LearningRateScheduler(lambda epoch, _: self.rate(epoch))


#: 0.08 over the number of training words: the order of magnitude that a third
#: party's code hints at for the paper's lambda. Not tuned.
PENALTY = 8.6e-8
#: Zaremba, Sutskever and Vinyals, arXiv:1409.2329, and its published code. Above a
#: logit scale of 1 the first hundred steps close neurons at random: at 5, the
#: logits of the second layer spread by 2.2 in 400 steps.
RECIPES = {
    "small": Recipe(
        units=200, batch_size=20, steps=20, epochs=13, init=0.1, clip=5.0,
        learning_rate=1.0, hold=4, decay=0.5, dropout=0.0, gated_dropout=0.0,
        penalty=PENALTY, initial_keep=0.93, logit_scale=1.0, ramp=2,
    ),
    "medium": Recipe(
        units=650, batch_size=20, steps=35, epochs=39, init=0.05, clip=5.0,
        learning_rate=1.0, hold=6, decay=0.8, dropout=0.5, gated_dropout=0.35,
        penalty=PENALTY, initial_keep=0.93, logit_scale=1.0, ramp=4,
    ),
    "large": Recipe(
        units=1500, batch_size=20, steps=35, epochs=55, init=0.04, clip=10.0,
        learning_rate=1.0, hold=14, decay=1 / 1.15, dropout=0.65, gated_dropout=0.4,
        penalty=PENALTY, initial_keep=0.93, logit_scale=1.0, ramp=6,
    ),
}  # fmt: skip
#: For `--quick`: words of the vocabulary, tokens per text, and the recipe.
QUICK_WORDS, QUICK_TOKENS = 40, 1500
# Pressed hard, so that some gates close even so.
QUICK = dataclasses.replace(
    RECIPES["small"], units=12, batch_size=4, steps=10, epochs=2, hold=1, ramp=1,
    penalty=5e-3, logit_scale=5.0,
)  # fmt: skip
