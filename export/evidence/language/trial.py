"""One training of a language model, dense or gated, and its perplexity."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_diffmask.atomic import write_atomically
from keras_diffmask.export.demo.reporter import Reporter
from keras_diffmask.export.evidence import fitting
from keras_diffmask.export.evidence.language import corpus as corpora
from keras_diffmask.export.evidence.language import models as language_models
from keras_diffmask.export.evidence.language.carried import FromTheStart, forget
from keras_diffmask.export.evidence.language.corpus import Corpus
from keras_diffmask.export.evidence.language.expected_weights import Ramp
from keras_diffmask.export.evidence.language.recipes import Recipe
from keras_diffmask.export.evidence.report import Clock
from keras_diffmask.export.runs import Figures
from keras_diffmask.export.surgery import strip

#: Words that one call reads when a text is scored, a word after the other.
READ = 200


def run_trial(
    gated: bool,
    corpus: Corpus,
    recipe: Recipe,
    seed: int,
    unfinished: Path,
    weights: Path,
    reporter: Reporter,
) -> Figures:
    """Trains one model, strips it where it is gated, and scores what is left.

    Args:
        gated: with gates, or dense.
        corpus: the text. The test part is used once, at the end.
        recipe: how to train.
        seed: seed of weights, dropout and gates.
        unfinished: folder of the training's state.
        weights: the file for the weights of the stripped model.
        reporter: shows the progress.

    Returns:
        Plain figures: perplexities, widths, kept neurons, seconds.
    """
    clock = Clock()
    name = "gated" if gated else "dense"
    keras.utils.set_random_seed(seed)
    dense = recipe.widths(corpus.vocabulary)
    gating = recipe.gating() if gated else None
    dropout = recipe.gated_dropout if gated else recipe.dropout
    model = language_models.build(
        dense, recipe.batch_size, recipe.steps, recipe.init, dropout, gating, True
    )
    with reporter.phase(f"{name}: training", recipe.epochs) as advance:
        seconds, valid = _trained(model, corpus, recipe, unfinished, advance)
    figures: Figures = {"validation_by_epoch": valid}
    slim: Any = model
    if gated:
        figures["kept"] = {k: list(v) for k, v in language_models.kept(model).items()}
        twin = language_models.build(dense, 1, recipe.steps, gating=gating)
        language_models.copy_weights(model, twin)
        slim = strip(twin)
    widths = language_models.widths_of(slim)
    reader = language_models.build(widths, 1, READ, carries=True)
    language_models.copy_weights(slim, reader)
    with reporter.phase(f"{name}: scoring", 2) as advance:
        for part in ("valid", "test"):
            figures[part] = perplexity(reader, getattr(corpus, part))
            advance(f"{part}: {figures[part]:.2f}")
    write_atomically(weights, reader.save_weights)
    return {
        **figures,
        "embedding": widths.embedding,
        "hidden": list(widths.hidden),
        "parameters": widths.parameters,
        "mult_adds": widths.mult_adds,
        "epoch_seconds": float(np.median(seconds)),
        "seconds": round(sum(seconds) + clock.seconds(), 1),
    }


def perplexity(model: keras.Model, ids: np.ndarray) -> float:
    """exp of the mean -log P(word | all words before it), over the whole text.

    Args:
        model: a model of `build` that carries its state, with one row.
        ids: the text; its first word is given.
    """
    steps = model.inputs[0].shape[1]
    forget(model)
    total = 0.0
    for start in range(0, len(ids) - 1, steps):
        words = ids[start : start + steps + 1]
        read = np.zeros((1, steps), np.int32)
        read[0, : len(words) - 1] = words[:-1]
        logits = np.asarray(model.predict_on_batch(read)[0], np.float64)
        # Behind the end of the text nothing is counted.
        logits = logits[: len(words) - 1]
        highest = logits.max(-1)
        normaliser = highest + np.log(np.exp(logits - highest[:, None]).sum(-1))
        total += float((normaliser - logits[np.arange(len(logits)), words[1:]]).sum())
    return float(np.exp(total / (len(ids) - 1)))


def _trained(
    model: keras.Model,
    corpus: Corpus,
    recipe: Recipe,
    unfinished: Path,
    advance: Any,
) -> tuple[list[float], list[float]]:
    """Seconds and perplexity on the validation text, per epoch."""
    model.compile(
        optimizer=keras.optimizers.SGD(
            recipe.learning_rate, global_clipnorm=recipe.clip
        ),
        loss=_summed_over_time,
    )
    size = (recipe.batch_size, recipe.steps)
    x, y = corpora.segments(corpus.train, *size)
    rows = recipe.batch_size
    order = [slice(at, at + rows) for at in range(0, len(x), rows)]
    told = _Validation(
        corpora.segments(corpus.valid, *size), recipe, unfinished / "validation.npy"
    )
    callbacks = [FromTheStart(), recipe.schedule(), told]
    if any(layer.name == language_models.PENALTY for layer in model.layers):
        penalty: Any = model.get_layer(language_models.PENALTY)
        callbacks.append(Ramp(penalty, recipe.ramp))
    batches = fitting.Batches(lambda epoch: order, x, y)
    seconds = fitting.fit(
        model, batches, recipe.epochs, unfinished, advance, tuple(callbacks)
    )
    return seconds, told.perplexities


def _summed_over_time(labels: Any, logits: Any) -> Any:
    losses = ops.sparse_categorical_crossentropy(labels, logits, from_logits=True)
    return ops.sum(losses, axis=-1)


class _Validation(keras.callbacks.Callback):
    """Perplexity on the validation text after each epoch, kept in a file."""

    def __init__(self, data: tuple[Any, Any], recipe: Recipe, path: Path) -> None:
        super().__init__()
        self._data, self._recipe, self._path = data, recipe, path
        self.perplexities: list[float] = np.load(path).tolist() if path.exists() else []

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        nats = self.model.evaluate(
            *self._data,
            batch_size=self._recipe.batch_size,
            verbose=0,
            callbacks=[FromTheStart()],
        )
        self.perplexities[epoch:] = [float(np.exp(nats / self._recipe.steps))]
        np.save(self._path, self.perplexities)
        if logs is not None:
            logs["valid perplexity"] = self.perplexities[-1]
