"""Selection: which layers a user means, by name, expression, class or function."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import keras

from keras_diffmask import estimators, granularity
from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.estimators import Estimator
from keras_diffmask.graph import Group

_KINDS = "a layer's name, a compiled regular expression, a layer class, a function"


class Selector:
    """Whether a layer is meant.

    Args:
        wanted: a layer's name; a compiled regular expression that is searched
            for in names; a layer class; a function layer -> bool; or a list
            of these, of which any may match.
        model: the model, whose layers a name must be one of.
        argument: name of the argument, for the error message.
        origins: name of a layer -> that of the model's which it is a part of, and
            is asked for in its place.

    Raises:
        InvalidArgumentError: of another kind, or a name that no layer has.
    """

    def __init__(
        self,
        wanted: Any,
        model: keras.Model,
        argument: str,
        origins: Mapping[str, Any] | None = None,
    ) -> None:
        is_list = isinstance(wanted, list | tuple | set | frozenset)
        listed = list(wanted) if is_list else [wanted]
        self._argument = argument
        self._names = [one for one in listed if isinstance(one, str)]
        self._tests = [self._test(one, model, argument) for one in listed]
        self._origins = origins or {}

    def __call__(self, layer: Any) -> bool:
        whole = self._origins.get(layer.name, layer)
        return any(test(whole) for test in self._tests)

    def require_named(self, chosen: Iterable[str], level: str) -> None:
        """Refuse a name whose layer gets no gate: it was asked for in vain.

        Args:
            chosen: names of the layers that get one.
            level: the granularity.

        Raises:
            InvalidArgumentError: naming the layer.
        """
        chosen = set(chosen)
        for name in self._names:
            if name not in chosen:
                raise InvalidArgumentError(
                    f"{self._argument} to name layers that can have a gate at "
                    f"granularity {level!r}",
                    f"{name!r}, which gets none",
                    "Leave it out; keras_diffmask.export.plan(model) says what holds "
                    "each layer's channels.",
                )

    def _test(
        self, wanted: Any, model: keras.Model, argument: str
    ) -> Callable[[Any], bool]:
        if isinstance(wanted, str):
            names = [operation.name for operation in model.operations]
            if wanted not in names:
                raise InvalidArgumentError(
                    f"{argument} to name a layer of {model.name!r}",
                    f"{wanted!r}",
                    f"Its layers are {', '.join(names)}; for a pattern, pass "
                    "re.compile(...).",
                )
            return lambda layer: layer.name == wanted
        if isinstance(wanted, re.Pattern):
            return lambda layer: wanted.search(layer.name) is not None
        if isinstance(wanted, type):
            return lambda layer: isinstance(layer, wanted)
        if callable(wanted):
            return lambda layer: bool(wanted(layer))
        raise InvalidArgumentError(
            f"{argument} to be {_KINDS}, or a list of these",
            f"{argument}={wanted!r}",
            "Pass for example exclude=['conv1', re.compile('head')].",
        )


class Selection:
    """Which layers get gates, and with which estimator.

    Args:
        model: the flat Functional model.
        estimator: a name or `Estimator` for all, or a dictionary of selectors
            (see `Selector`) and estimators, of which the first that matches
            holds; what none matches gets `"hard_concrete"`.
        include: selector of the layers to gate, or None for all.
        exclude: selector of the layers to leave alone, or None.
        origins: name of a layer -> that of the model's which it is a part of.

    Attributes:
        told: those of `include` and `exclude` that were given, in words.
    """

    def __init__(
        self,
        model: keras.Model,
        estimator: Any,
        include: Any,
        exclude: Any,
        origins: Mapping[str, Any] | None = None,
    ) -> None:
        self._origins = origins
        everything: Callable[[Any], bool] = lambda layer: True  # noqa: E731
        self._include, self._exclude = everything, None
        self._is_partial = include is not None
        self.told = tuple(
            f"{argument}={value!r}"
            for argument, value in (("include", include), ("exclude", exclude))
            if value is not None
        )
        self._asked_for: list[Selector] = []
        if include is not None:
            self._include = self._asked(include, model, "include")
        if exclude is not None:
            self._exclude = Selector(exclude, model, "exclude", origins)
        self._estimators: list[tuple[Callable[[Any], bool], Estimator]] = []
        # A serialized estimator is a dictionary as well.
        if isinstance(estimator, dict) and "class_name" not in estimator:
            for wanted, value in estimator.items():
                selector = self._asked(wanted, model, "estimator")
                self._estimators.append((selector, estimators.get(value)))
            estimator = "hard_concrete"
        self._estimators.append((everything, estimators.get(estimator)))

    def _asked(self, wanted: Any, model: keras.Model, argument: str) -> Selector:
        self._asked_for.append(Selector(wanted, model, argument, self._origins))
        return self._asked_for[-1]

    def require_gates(self, layers: Iterable[Any], level: str) -> None:
        """Refuse a layer that was asked for by its name and gets no gate.

        Args:
            layers: those that get one.
            level: the granularity.

        Raises:
            InvalidArgumentError: naming the layer and the argument.
        """
        names = [layer.name for layer in layers]
        for selector in self._asked_for:
            selector.require_named(names, level)

    def require(self, level: str) -> None:
        """Refuse estimators that mean nothing at a granularity.

        Raises:
            InvalidArgumentError: naming those at which they do.
        """
        for _, estimator in self._estimators:
            estimator.require_granularity(level, granularity.NAMES)

    def takes(self, layer: Any) -> bool:
        """Whether a layer of its own gates gets them."""
        is_excluded = self._exclude is not None and self._exclude(layer)
        return self._include(layer) and not is_excluded

    def takes_group(self, group: Group) -> bool:
        """Whether a gate is given to tied layers.

        It is if one of them is included and none excluded: what is left alone
        stays whole, and so do the layers that it is tied to.
        """
        layers = [step.layer for step in group.writers]
        if self._exclude is not None and any(map(self._exclude, layers)):
            return False
        return any(map(self._include, layers))

    def is_explicit(self, layers: Iterable[Any]) -> bool:
        """Whether a gate of these layers was asked for, and not just of all."""
        *chosen, _ = self._estimators
        pairs = [(matches, layer) for matches, _ in chosen for layer in layers]
        return self._is_partial or any(matches(layer) for matches, layer in pairs)

    def estimator_of(self, layers: Iterable[Any]) -> Estimator:
        """The estimator for a gate of these layers."""
        layers = list(layers)
        return next(
            value for matches, value in self._estimators if any(map(matches, layers))
        )
