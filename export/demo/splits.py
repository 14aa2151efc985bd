"""From the arrays of a data set to scaled training, validation and test parts."""

import dataclasses

import numpy as np

from keras_diffmask.errors import InvalidArgumentError


@dataclasses.dataclass(frozen=True, eq=False)
class Raw:
    """A data set as it was stored, before scaling.

    Args:
        x_train, x_test: inputs, grey images without a channel axis.
        y_train, y_test: labels.
        x_val, y_val: validation part, where the set brings one.
        classes: name of each label.
        name: name of the data set.
        note: what to say next to a number measured on it.
        divisor: what inputs are divided by; `None` standardises each feature.
        groups: the person behind each training example, where known.
    """

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    classes: tuple[str, ...]
    name: str
    note: str = ""
    divisor: float | None = 255.0
    x_val: np.ndarray | None = None
    y_val: np.ndarray | None = None
    groups: np.ndarray | None = None


def for_task(raw: Raw, task: str) -> Raw:
    """Brings the inputs into the shape of a task.

    Args:
        raw: the data set; grey images as (n, height, width), colour images with
            a fourth axis, recorded signals as (n, steps, features).
        task: `"image"` adds the channel axis, `"sequence"` takes rows as steps.

    Returns:
        The data set with inputs of that shape.

    Raises:
        InvalidArgumentError: the data set does not fit the task.
    """
    if task == "sequence":
        if raw.x_train.ndim == 3:
            return raw
        raise InvalidArgumentError(
            "a data set of sequences or of grey images for task='sequence'",
            f"{raw.name}, whose images are {raw.x_train.shape[1:]}",
            "Use task='image', or for example uci_har or speech_commands.",
        )
    if raw.name == "uci_har":
        raise InvalidArgumentError(
            "a data set of images or of spectra for task='image'",
            f"{raw.name}, whose examples are signals of shape {raw.x_train.shape[1:]}",
            "Take images or spectra, such as fashion_mnist or speech_commands; signals "
            "are what `keras-diffmask demo --task sequence` trains on.",
        )
    if raw.x_train.ndim == 4:
        return raw
    val = None if raw.x_val is None else raw.x_val[..., None]
    return dataclasses.replace(
        raw, x_train=raw.x_train[..., None], x_val=val, x_test=raw.x_test[..., None]
    )


def with_validation(raw: Raw, seed: int, fraction: float = 0.1) -> Raw:
    """Takes a validation part out of the training part, where there is none.

    Args:
        raw: the data set.
        seed: seed of the choice.
        fraction: part of the training examples, 0 to 1; of the persons, twice
            as large a part, since a few persons say little.

    Returns:
        The data set with a validation part. With persons known, whole persons
        move: windows of one person in both parts would flatter the result.
    """
    if raw.x_val is not None:
        return raw
    generator = np.random.default_rng(seed)
    if raw.groups is not None:
        persons = generator.permutation(np.unique(raw.groups))
        count = max(1, round(2 * fraction * len(persons)))
        chosen = np.isin(raw.groups, persons[:count])
    else:
        wanted = round(fraction * len(raw.y_train))
        chosen = np.zeros(len(raw.y_train), bool)
        chosen[stratified(raw.y_train, wanted, generator)] = True
    return dataclasses.replace(
        raw,
        x_train=raw.x_train[~chosen],
        y_train=raw.y_train[~chosen],
        x_val=raw.x_train[chosen],
        y_val=raw.y_train[chosen],
        groups=None if raw.groups is None else raw.groups[~chosen],
    )


def stratified(
    y: np.ndarray, wanted: int, generator: np.random.Generator
) -> np.ndarray:
    """Chooses examples so that each class keeps its share.

    Args:
        y: labels.
        wanted: how many examples.
        generator: source of the choice.

    Returns:
        Indices of `wanted` examples, in ascending order; at least one of each
        class where `wanted` allows it.
    """
    # Each example gets its place within its class as a fraction; the smallest
    # fractions are the same share of every class.
    order = generator.permutation(len(y))
    place = np.empty(len(y))
    for label in np.unique(y):
        members = order[y[order] == label]
        place[members] = np.arange(len(members)) / len(members)
    ranked = order[np.argsort(place[order], kind="stable")]
    return np.sort(ranked[:wanted])


def limited(raw: Raw, limit: int, seed: int) -> Raw:
    """Cuts a data set down, keeping the shares of its classes.

    Args:
        raw: the data set, with a validation part.
        limit: examples left in the training part; half as many in the others.
        seed: seed of the choice.

    Returns:
        The smaller data set.

    Raises:
        InvalidArgumentError: fewer than two examples per class are asked for.
    """
    least = 2 * len(raw.classes)
    if limit < least:
        raise InvalidArgumentError(
            f"limit of at least {least}, two examples of each class of {raw.name}",
            f"limit={limit!r}",
            "Pass a larger limit, or leave it out.",
        )
    generator = np.random.default_rng(seed)
    x_val, y_val = _validation(raw)
    train = stratified(raw.y_train, limit, generator)
    val = stratified(y_val, limit // 2, generator)
    test = stratified(raw.y_test, limit // 2, generator)
    return dataclasses.replace(
        raw,
        x_train=raw.x_train[train],
        y_train=raw.y_train[train],
        x_val=x_val[val],
        y_val=y_val[val],
        x_test=raw.x_test[test],
        y_test=raw.y_test[test],
        groups=None,
    )


def _validation(raw: Raw) -> tuple[np.ndarray, np.ndarray]:
    if raw.x_val is None or raw.y_val is None:
        raise InvalidArgumentError(
            "a data set with a validation part", raw.name, "Call with_validation first."
        )
    return raw.x_val, raw.y_val


def scaled(raw: Raw) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scales the inputs of all parts with one rule.

    Args:
        raw: the data set, with a validation part.

    Returns:
        Training, validation and test inputs. Pixels lie in 0..1; features have
        mean 0 and deviation 1 over the training part, taken over examples and
        steps for each feature alone.
    """
    parts = (raw.x_train, _validation(raw)[0], raw.x_test)
    if raw.divisor is not None:
        train, val, test = (part / np.float32(raw.divisor) for part in parts)
        return train, val, test
    features = 2  # the axis after examples and steps, with or without channels
    axes = tuple(a for a in range(raw.x_train.ndim) if a != features)
    signal = raw.x_train.astype(np.float64)
    mean = signal.mean(axes, keepdims=True)
    # A feature that never changes stays at 0 instead of becoming noise.
    deviation = np.maximum(signal.std(axes, keepdims=True), 1e-6)
    train, val, test = ((part.astype(np.float64) - mean) / deviation for part in parts)
    return train, val, test
