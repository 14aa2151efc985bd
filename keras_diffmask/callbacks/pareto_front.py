"""One run, a curve of accuracy against cost."""

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras

from keras_diffmask import keras_internals, plots
from keras_diffmask.budget import Budget
from keras_diffmask.callbacks import front_file
from keras_diffmask.callbacks.front_file import ParetoRow
from keras_diffmask.callbacks.scores import is_higher_better
from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.masking import Standing, decided_for, gates, shares_of, standing


class ParetoFront(keras.callbacks.Callback):
    """Keeps the best network per budget, so that one run yields a curve.

    At the end of each epoch the gates are decided for each budget by their own
    ranking (`finalize`), the network is scored on the validation data as it
    would be stripped, and saved where it is the best so far; then the gates are
    as they were, and training goes on as if nothing had been. A network counts
    for every budget that it meets, so that more cost never means a worse score.

    The curve is of one run: what it says of budgets far from the model's own is
    a lower bound of what a run for that budget gives. Give the model the
    tightest budget of interest: networks on the way there are trained.

    A folder that holds a front already is gone on with, which is what a run
    needs that `BackupAndRestore` resumes. Rows of budgets that are not among these
    stay in `front.json` as they are.

    Args:
        folder: where the models and `front.json` go; made if its parent exists.
        budgets: list of `Budget`, of costs that the model's own budget names.
        validation_data: what `fit` takes as such: `(x, y)`, `(x, y, weights)`, or
            a data set that can be read again and again.
        monitor: a metric that the model was compiled with, or `"loss"`.
        mode: `"max"` or `"min"`; `"auto"` knows it of the usual names.
        batch_size: of the validation; Keras' 32 by default.
        start_from_epoch: int >= 0, the first epoch that counts.

    Raises:
        InvalidArgumentError: an argument cannot be, or, when training begins,
            the model has no budget, or the folder holds another model's front.
        BudgetError: when training begins, a budget that this model cannot meet.

    Example:

    >>> import keras, numpy as np, tempfile, keras_diffmask as kd
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, "relu"),
    ...                           keras.layers.Dense(2)])
    >>> masked = kd.mask_model(model, budget=kd.Budget(parameters=0.3))
    >>> masked.compile("adam", "mse")
    >>> x = np.ones((8, 4), "float32")
    >>> curve = kd.callbacks.ParetoFront(
    ...     tempfile.mkdtemp(), [kd.Budget(parameters=p) for p in (0.8, 0.5, 0.3)],
    ...     validation_data=(x, x[:, :2]), monitor="loss")
    >>> fitted = masked.fit(x, x[:, :2], epochs=2, verbose=0, callbacks=[curve])
    >>> [row.budget for row in curve.front()]
    ['parameters=0.3', 'parameters=0.5', 'parameters=0.8']
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        budgets: Sequence[Budget],
        validation_data: Any,
        monitor: str = "accuracy",
        mode: str = "auto",
        batch_size: int | None = None,
        start_from_epoch: int = 0,
    ) -> None:
        super().__init__()
        self.folder = Path(folder)
        self.budgets = _labelled(budgets)
        self.validation_data = validation_data
        self.monitor = monitor.removeprefix("val_")
        self.batch_size = batch_size
        self.start_from_epoch = start_from_epoch
        self._sign = 1 if is_higher_better(self.monitor, mode) else -1
        self._rows: dict[str, ParetoRow] = {}
        self._about: dict[str, Any] = {}

    def front(self) -> list[ParetoRow]:
        """One row per budget that has a network by now, the tightest first."""
        return [self._rows[label] for label in self.budgets if label in self._rows]

    def plot(
        self, path: str | os.PathLike[str], cost: str | None = None, title: str = ""
    ) -> Path:
        """Draw score against cost as a PNG file; see `plots.front_figure`.

        Args:
            path: the file to write.
            cost: which one; by default the first that a budget names.
            title: the headline.
        """
        known = self._about.get("costs", [])
        cost = cost or next(iter(next(iter(self.budgets.values())).costs))
        if cost not in known:
            raise InvalidArgumentError(
                f"cost as one of {', '.join(known)}",
                f"cost={cost!r}",
                "Pass one of these, after fit.",
            )
        points = [(row.costs[cost], row.score) for row in self.front()]
        title = title or f"{self.monitor} against {cost}"
        return plots.front_figure({"": points}, path, title, cost, self.monitor)

    def on_train_begin(self, logs: Any = None) -> None:
        self._about = {
            "monitor": self.monitor,
            "costs": [row.name for row in self._standing().rows],
            # Not their names, which Keras numbers anew in every process.
            "gates": [gate.units for gate in gates(self.model)],
        }
        for budget in self.budgets.values():
            with decided_for(self.model, budget):
                pass  # an impossible one is said now
        self.budgets = dict(sorted(self.budgets.items(), key=self._share))
        # Those of other budgets too, which stay in the list as they are.
        self._rows = front_file.read(self.folder, self._about)

    def _share(self, item: tuple[str, Budget]) -> tuple[float, ...]:
        return tuple(shares_of(self.model, item[1]).values())

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if epoch < self.start_from_epoch:
            return
        keras_internals.pull_state(self.model)
        for budget in self.budgets.values():
            with decided_for(self.model, budget):
                self._try(epoch)

    def _try(self, epoch: int) -> None:
        """Score the network as it is decided now, and keep it where it is best."""
        costs = {row.name: row.decided for row in self._standing().rows}
        score = self._score()
        if not math.isfinite(score):
            # Of a training that has diverged; nothing would ever beat it.
            return
        for label, budget in self.budgets.items():
            best = self._rows.get(label)
            if best is not None and self._sign * (score - best.score) <= 0:
                continue
            shares = shares_of(self.model, budget)
            # A fraction of an integer is rarely one: the slack is for rounding.
            if all(costs[name] <= share + 1e-9 for name, share in shares.items()):
                path = front_file.save(self.model, self.folder, label)
                self._rows[label] = ParetoRow(label, score, epoch, costs, path)
                front_file.write(self.folder, self._about, self._rows)

    def _score(self) -> float:
        data = self.validation_data
        parts = data if isinstance(data, tuple) else (data,)
        names = ("x", "y", "sample_weight")[: len(parts)]
        found = self.model.evaluate(
            **dict(zip(names, parts, strict=True)),
            batch_size=self.batch_size,
            verbose=0,
            return_dict=True,
        )
        if self.monitor not in found:
            raise InvalidArgumentError(
                f"monitor as one of {', '.join(found)}",
                f"monitor={self.monitor!r}",
                "Pass one of these, or compile the model with that metric.",
            )
        return float(found[self.monitor])

    def _standing(self) -> Standing:
        now = standing(self.model)
        if now is None:
            raise InvalidArgumentError(
                "a model with a budget",
                f"model {self.model.name!r} without one",
                "Pass budget=kd.Budget(macs=0.3) to kd.mask_model.",
            )
        return now


def _labelled(budgets: Sequence[Budget]) -> dict[str, Budget]:
    if isinstance(budgets, Budget) or not all(isinstance(b, Budget) for b in budgets):
        raise InvalidArgumentError(
            "a list of kd.Budget",
            f"budgets={budgets!r}",
            "Write for example [kd.Budget(macs=m) for m in (0.5, 0.3, 0.15)].",
        )
    if not budgets:
        raise InvalidArgumentError(
            "at least one budget", "budgets=[]", "Pass one per point of the curve."
        )
    return {", ".join(f"{n}={v}" for n, v in b.costs.items()): b for b in budgets}
