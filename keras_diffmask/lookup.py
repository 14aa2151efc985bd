"""Turn what a user wrote (name, config, object) into a library object."""

from collections.abc import Mapping
from typing import Any, TypeVar

import keras

from keras_diffmask.errors import InvalidArgumentError, did_you_mean

T = TypeVar("T")


def get(identifier: Any, table: Mapping[str, type[T]], base: type[T], noun: str) -> T:
    """Resolve `identifier` against `table`, as `keras.regularizers.get` does.

    Args:
        identifier: an instance of `base`, a subclass of it, a name from
            `table`, or a serialized configuration.
        table: the known names.
        base: the class every result is an instance of.
        noun: what the thing is called in the error message.

    Returns:
        An instance of `base`.

    Raises:
        InvalidArgumentError: nothing known answers to `identifier`.
    """
    if isinstance(identifier, base):
        return identifier
    if isinstance(identifier, type) and issubclass(identifier, base):
        return identifier()
    if isinstance(identifier, str) and identifier in table:
        return table[identifier]()
    if isinstance(identifier, dict):
        restored = keras.saving.deserialize_keras_object(identifier)
        if isinstance(restored, base):
            return restored
    article = "an" if base.__name__[0] in "AEIOU" else "a"
    raise InvalidArgumentError(
        f"{noun} to be one of {', '.join(sorted(table))}, or {article} {base.__name__}",
        f"{identifier!r}",
        did_you_mean(
            identifier,
            table,
            f"Pass one of these names, or an instance of {base.__name__}.",
        ),
    )
