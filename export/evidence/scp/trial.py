"""One training of VGG-16 or ResNet-56, and what its own penalty took away."""

import dataclasses
import re
from pathlib import Path

import keras
import numpy as np

from keras_diffmask import regularizers
from keras_diffmask.export.demo.datasets import Dataset
from keras_diffmask.export.demo.reporter import Reporter
from keras_diffmask.export.demo.training import compile_classifier, score
from keras_diffmask.export.evidence import fitting
from keras_diffmask.export.evidence.report import Clock
from keras_diffmask.export.evidence.scp.images import Moved
from keras_diffmask.export.evidence.scp.networks import BUILDERS, RESNET_56, VGG_16
from keras_diffmask.export.runs import Figures
from keras_diffmask.export.surgery import plan, strip
from keras_diffmask.masking import gates, mask_model

DENSE, SCP = "dense", "operation-aware"
METHODS = (DENSE, SCP)
#: The authors' lambda.
STRENGTHS = {VGG_16: 1e-4, RESNET_56: 5e-5}
#: Convolutions whose channels no Add ties to others.
_GATED = re.compile(r"^conv\d_\d+a?$")


@dataclasses.dataclass(frozen=True)
class Recipe:
    """The authors' training, from scratch and with nothing after it.

    Args:
        epochs: passes over the training part.
        batch_size: examples per step.
        learning_rate: of SGD with Nesterov's momentum; a tenth of it from half of
            the epochs on, a hundredth from three quarters.
        momentum: of SGD.
        divisor: what all widths are divided by.
    """

    epochs: int = 160
    batch_size: int = 64
    learning_rate: float = 0.1
    momentum: float = 0.9
    divisor: int = 1

    def optimizer(self, examples: int) -> keras.Optimizer:
        """A new one, for so many examples in an epoch."""
        steps = self.epochs * -(-examples // self.batch_size)
        rates = [self.learning_rate / factor for factor in (1, 10, 100)]
        falls = [steps // 2, 3 * steps // 4]
        schedule = keras.optimizers.schedules.PiecewiseConstantDecay(falls, rates)
        return keras.optimizers.SGD(schedule, momentum=self.momentum, nesterov=True)


def run_trial(
    network: str,
    method: str,
    data: Dataset,
    recipe: Recipe,
    seed: int,
    unfinished: Path,
    label: str,
    reporter: Reporter,
) -> tuple[keras.Model, Figures]:
    """Trains one network and strips it; nothing is trained after that.

    Args:
        network: one of `networks.BUILDERS`.
        method: one of `METHODS`.
        data: the standardized data set. Its test part is used once, at the end.
        recipe: how to train.
        seed: of weights, batches and masks.
        unfinished: folder of the training's state.
        label: what to write before the phase.
        reporter: shows the progress.

    Returns:
        The stripped network, and plain figures: accuracies, that of the masked
        network with them, MACs and parameters and their shares, channels, seconds.
    """
    clock = Clock()
    keras.utils.set_random_seed(seed)
    classes = len(data.classes)
    dense = BUILDERS[network](data.input_shape, classes, recipe.divisor)
    before = plan(dense)
    model = dense if method == DENSE else masked(dense, network)
    examples = len(data.x_train)
    compile_classifier(model, recipe, examples, recipe.optimizer(examples))
    order = fitting.shuffled(examples, recipe.batch_size, seed)
    batches = Moved(order, data.x_train, data.y_train, seed)
    with reporter.phase(label, recipe.epochs) as advance:
        seconds = fitting.fit(model, batches, recipe.epochs, unfinished, advance)
    slim = dense if method == DENSE else strip(model)
    after = plan(slim)
    macs, parameters = after.macs[0], after.parameters[0]
    return slim, {
        "test": score(slim, data.x_test, data.y_test),
        "validation": score(slim, data.x_val, data.y_val),
        "masked_test": score(model, data.x_test, data.y_test),
        "macs": macs,
        "macs_share": macs / before.macs[0],
        "parameters": parameters,
        "parameters_share": parameters / before.parameters[0],
        "channels": [int(gate.keep.sum()) for gate in gates(model)],
        "channels_of": [gate.units for gate in gates(model)],
        "epoch_seconds": float(np.median(seconds)),
        "seconds": round(sum(seconds) + clock.seconds(), 1),
    }


def masked(model: keras.Model, network: str) -> keras.Model:
    """The network with the paper's masks and penalty.

    Args:
        model: a network of `networks.BUILDERS`.
        network: its name.
    """
    penalty = regularizers.OperationAwarePenalty(STRENGTHS[network])
    return mask_model(
        model, "operation_aware", include=_GATED, gate_regularizer=penalty
    )
