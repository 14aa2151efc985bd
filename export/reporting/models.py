"""From artifacts and files to the facts of a report."""

import hashlib
import math
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from keras_diffmask import targets
from keras_diffmask.errors import DiffmaskError, InvalidArgumentError
from keras_diffmask.export.arena import tflm_arena_bytes
from keras_diffmask.export.artifact import Artifact
from keras_diffmask.export.reporting.fits import fits_of
from keras_diffmask.export.reporting.macs import macs_of
from keras_diffmask.export.reporting.records import (
    ModelFacts,
)
from keras_diffmask.export.tflm import has_tflm
from keras_diffmask.targets import Target

Scores = Mapping[str, float | Sequence[float]]


def models_of(
    artifacts: Any,
    accuracy: Scores | None = None,
    target: str | Target | None = None,
    arena: bool = True,
    progress: Callable[[str], None] = lambda name: None,
) -> tuple[ModelFacts, ...]:
    """The facts of every model.

    Args:
        artifacts: list of `Artifact`s or paths, or a dict by name.
        accuracy: name -> accuracy, 0 to 1, or one per seed.
        target: judge the files for this device alone.
        arena: ask TFLM's interpreter, where it is installed.
        progress: called with the name of each model that is done.

    Returns:
        One entry per model, in order.

    Raises:
        InvalidArgumentError: no models, or two of one name, or an accuracy that
            is none or nobody's.
        ArtifactError: a file cannot be read.
    """
    named = _named(artifacts)
    scores = _scores(accuracy or {}, [name for name, _, _ in named])
    device = None if target is None else targets.get(target)
    found = []
    for name, artifact, path in named:
        facts = _facts(name, artifact, path, scores.get(name, ()), device, arena)
        found.append(facts)
        progress(name)
    return tuple(found)


def _named(artifacts: Any) -> list[tuple[str, Artifact, str]]:
    if isinstance(artifacts, (Artifact, str, os.PathLike)):
        artifacts = [artifacts]
    if isinstance(artifacts, Mapping):
        given: Iterable[tuple[Any, Any]] = artifacts.items()
    elif isinstance(artifacts, Iterable):
        given = [(None, one) for one in artifacts]
    else:
        given = []
    found = [_loaded(name, one) for name, one in given]
    names = [name for name, _, _ in found]
    if not found:
        raise InvalidArgumentError(
            "at least one Artifact or path of a .tflite file",
            f"artifacts={artifacts!r}"[:80],
            "Pass for example [dense, pruned]; ratios are against the first.",
        )
    if len(set(names)) < len(names):
        raise InvalidArgumentError(
            "artifacts of different names",
            f"{max(names, key=names.count)!r} twice",
            'Pass a dict, such as {"dense": a, "pruned": b}.',
        )
    return found


def _loaded(name: Any, one: Any) -> tuple[str, Artifact, str]:
    if name is not None and (not isinstance(name, str) or not name):
        raise InvalidArgumentError(
            "names of models as text", f"name={name!r}", 'Write for example "dense".'
        )
    if isinstance(one, Artifact):
        return name or one.name, one, ""
    if isinstance(one, (str, os.PathLike)):
        artifact = Artifact.load(one)
        return name or Path(one).stem, artifact, os.fspath(one)
    raise InvalidArgumentError(
        "artifacts as Artifact objects or paths of .tflite files",
        f"a {type(one).__name__}",
        "Convert the model with export.to_tflite first.",
    )


def _scores(accuracy: Scores, names: list[str]) -> dict[str, tuple[float, ...]]:
    if not isinstance(accuracy, Mapping):
        raise InvalidArgumentError(
            "accuracy as a dict by name of the model",
            f"a {type(accuracy).__name__}",
            'Pass for example accuracy={"dense": 0.912, "pruned": 0.907}.',
        )
    for name in accuracy:
        if name not in names:
            raise InvalidArgumentError(
                f"accuracy of the models of this report ({', '.join(names)})",
                f"one of {name!r}",
                "Use the name that the model has here.",
            )
    return {name: _shares(name, value) for name, value in accuracy.items()}


def _shares(name: str, value: Any) -> tuple[float, ...]:
    try:
        several = isinstance(value, Iterable) and not isinstance(value, str)
        found = tuple(float(one) for one in (value if several else [value]))
    except (TypeError, ValueError):
        found = ()
    if not found or not all(0 <= one <= 1 for one in found):
        raise InvalidArgumentError(
            "accuracies from 0 to 1, one or a list of one per seed",
            f"{value!r} for {name!r}"[:120],
            "Divide percentages by 100.",
        )
    return found


def _facts(
    name: str,
    artifact: Artifact,
    path: str,
    scores: tuple[float, ...],
    target: Target | None,
    arena: bool,
) -> ModelFacts:
    taken, why_not = _arena(artifact) if arena else (None, "it was not asked for")
    agreement = artifact.agreement
    kinds = tuple(Counter(artifact.ops).items())
    return ModelFacts(
        name=name,
        bytes=artifact.nbytes,
        sha256=hashlib.sha256(artifact.content).hexdigest(),
        quantization=artifact.quantization,
        target=artifact.target or "",
        inputs=tuple(map(str, artifact.inputs)),
        outputs=tuple(map(str, artifact.outputs)),
        ops=kinds,
        macs=macs_of(artifact.content),
        arena_bytes=taken,
        arena_note=why_not,
        scores=scores,
        difference=_finite(agreement.relative_error) if agreement else None,
        fits=fits_of(
            artifact.all_ops, artifact.quantization, artifact.nbytes, taken, target
        ),
        notes=tuple(filter(None, (artifact.state_note, *artifact.notes))),
        path=path,
    )


def _finite(value: float) -> float | None:
    """JSON has no word for infinity, which an output of zeros leads to."""
    return value if math.isfinite(value) else None


def _arena(artifact: Artifact) -> tuple[int | None, str]:
    if not has_tflm():
        return None, "tflite-micro is not installed"
    try:
        return tflm_arena_bytes(artifact.content), ""
    except DiffmaskError as error:
        return None, f"TFLM does not run it: {error.received.split(': ')[-1]}"
