"""The interface of a rule, and the table that finds the rule for a layer."""

from collections.abc import Callable, Iterator
from functools import singledispatch
from typing import Any

import numpy as np

from keras_diffmask.graph.step import Cut as Cut
from keras_diffmask.graph.step import Hold as Hold
from keras_diffmask.graph.step import Step as Step
from keras_diffmask.graph.step import Term as Term
from keras_diffmask.keras_internals import Call

BORDER = "a constant other than 0 meets zero padding"


class Rule:
    """How one family of layers treats channels.

    A rule answers for a layer without changing it. `trace` is always asked
    first; the other questions come with the `Step` that it filled.
    """

    #: Whether an output channel mixes input channels. Such a layer *reads*
    #: its input; a channelwise layer passes units through.
    reads = False
    #: Whether the output is the plain sum of the inputs.
    sums_inputs = False
    #: Whether the inputs meet channel by channel.
    merges = False
    #: Whether a 0 on any one input makes the output 0.
    absorbs = False
    #: Whether only a masked layer of its own can close its units, since they
    #: also act inside of it.
    acts_inside = False

    @property
    def writes(self) -> bool:
        """Whether the output channels are units of the layer's own."""
        return self.reads

    def of_call(self, call: Call) -> "Rule":
        """The rule for one call of the layer, where its calls differ in kind."""
        return self

    def trace(self, step: Step) -> list[np.ndarray]:
        """Ids of each output tensor; ties and pins units on the way."""
        raise NotImplementedError(f"{type(self).__name__} must define trace")

    def along_weights(self, step: Step) -> tuple[list[np.ndarray], ...]:
        """Ids along the axes of the weights, list by list: its calls share them."""
        return step.inputs, step.outputs, step.hidden

    def constants(self, step: Step, inputs: list[np.ndarray]) -> list[np.ndarray]:
        """Each output channel's value at inference, NaN where it varies.

        Args:
            step: the call.
            inputs: the same of each input tensor, shaped like its ids.
        """
        return [np.full(ids.shape, np.nan) for ids in step.outputs]

    def needed(self, step: Step, index: int, kept: np.ndarray) -> np.ndarray:
        """Which channels of input `index` the kept outputs depend on.

        Args:
            step: the call, of a rule that reads.
            index: which input.
            kept: bool per unit of the table.
        """
        return np.ones(step.inputs[index].shape, bool)

    def recurs(self, step: Step, kept: np.ndarray) -> np.ndarray:
        """Which channels of its own output the kept outputs depend on.

        None, but where a layer feeds its output back to itself.
        """
        return np.zeros(step.outputs[0].shape, bool)

    def takes(self, step: Step, rows: np.ndarray, kept: np.ndarray) -> np.ndarray:
        """Which channels of the first input are worth taking in.

        All that there are, but where a layer picks out those that it reads:
        worth a gather where the product with the kernel is large.

        Args:
            step: the call.
            rows: bool per channel of the first input: what is there.
            kept: bool per unit of the table.
        """
        return rows

    def holds(
        self,
        step: Step,
        kept: np.ndarray,
        inputs: list[np.ndarray],
        outputs: list[np.ndarray],
    ) -> Iterator[Hold]:
        """Units that cannot go as long as this step is there.

        Args:
            step: the call.
            kept: bool per unit of the table.
            inputs: the constants of each input, NaN where it varies.
            outputs: those of each output.
        """
        if not self.reads:
            return
        for index, (ids, values) in enumerate(zip(step.inputs, inputs, strict=True)):
            needed = self.needed(step, index, kept).reshape(-1)
            ids, values = ids.reshape(-1), values.reshape(-1)
            varies = np.isnan(values)
            yield Hold(ids[needed & varies])
            border = needed & ~varies & (values != 0)
            if border.any() and not self.foldable(step, index):
                yield Hold(ids[border], f"{BORDER} of {step.name}")
        fed_back = self.recurs(step, kept).reshape(-1)
        fed_back &= np.isnan(outputs[0].reshape(-1))
        yield Hold(step.outputs[0].reshape(-1)[fed_back])

    def settles(self, step: Step, zero: bool) -> bool:
        """Whether constant inputs give constant outputs, whatever the weights.

        Args:
            step: the call.
            zero: whether these constants are 0.
        """
        fill = np.zeros if zero else np.ones
        outputs = self.constants(step, [fill(ids.shape) for ids in step.inputs])
        return not any(np.isnan(values).any() for values in outputs)

    def foldable(self, step: Step, index: int) -> bool:
        """Whether constants other than 0 on input `index` fold into a bias."""
        return False

    def macs(self, step: Step) -> list[Term]:
        """Multiply-accumulates of one call for one example."""
        return []

    def counts_macs(self, step: Step) -> bool:
        """Whether `macs` has all of them; else the layer is named as not counted."""
        return True

    def parameters(self, step: Step) -> list[Term]:
        """Entries of the layer's weights."""
        return [Term(float(getattr(step.layer, "count_params", int)()))]

    def shrink(self, step: Step, cut: Cut) -> tuple[dict[str, Any], Any]:
        """Configuration and weights of the layer that is left.

        Args:
            step: the call.
            cut: what stays.

        Returns:
            Changes to the layer's configuration, and its weights: by name, or
            as a list in the layer's order. Empty where nothing changes.
        """
        return {}, {}

    def vanishes(self, step: Step, cut: Cut) -> bool:
        """Whether nothing is left for the layer to do on the kept channels."""
        return False

    def perform(
        self, step: Step, cut: Cut, call: Callable, args: tuple, kwargs: dict
    ) -> Any:
        """Make this call in the smaller model, and return its outputs.

        Args:
            step: the call.
            cut: what stays.
            call: calls the smaller layer on the arguments that it is given.
            args: positional arguments, with the smaller model's tensors.
            kwargs: keyword arguments, likewise.
        """
        return call(*args, **kwargs)

    def does_without(self, step: Step) -> bool:
        """Whether an input that has lost all of its channels may be left out."""
        return False

    def leak_free(self, step: Step) -> bool:
        """Whether closed inputs leave closed outputs at exactly 0."""
        return True


@singledispatch
def _by_class(layer: Any) -> Rule | None:
    return None


def rule_for(layer: Any) -> Rule | None:
    """The rule for a layer, found by its class; None: unknown.

    Subclasses inherit it unless they compute something else: then it would be a
    guess, and they need one of their own.
    """
    found = _by_class(layer)
    return None if found is None or _computes_otherwise(type(layer)) else found


#: What a subclass may have of its own and still compute what its parent does.
_HARMLESS = {
    *("__init__", "build", "get_config", "from_config", "get_build_config"),
    *("build_from_config", "compute_output_shape", "compute_output_spec"),
    *("save_own_variables", "load_own_variables", "__module__", "__doc__"),
    *("__qualname__", "__annotations__", "__firstlineno__", "__static_attributes__"),
}


def _computes_otherwise(kind: type) -> bool:
    """Whether a class below the one with the rule overrides what that one does."""
    registered = next(base for base in kind.__mro__ if base in _by_class.registry)
    below = kind.__mro__[: kind.__mro__.index(registered)]
    return any(
        hasattr(registered, name)
        for one in below
        if one.__module__.split(".")[0] not in ("keras", "keras_diffmask")
        for name in vars(one).keys() - _HARMLESS
    )


def register(*classes: type) -> Any:
    """Class decorator: this rule speaks for these layer classes.

    Example:

    >>> import keras, keras_diffmask as kd
    >>> from keras_diffmask import graph
    >>> class Halve(keras.layers.Layer):
    ...     def call(self, x):
    ...         return 0.5 * x
    >>> @graph.register(Halve)
    ... class HalveRule(graph.Channelwise):
    ...     def constants(self, step, inputs):
    ...         return [0.5 * inputs[0]]
    """

    def decorate(rule_class: type[Rule]) -> type[Rule]:
        rule = rule_class()
        for layer_class in classes:
            _by_class.register(layer_class)(lambda _layer, rule=rule: rule)
        return rule_class

    return decorate


class Channelwise(Rule):
    """Each output channel depends on the input channel at its place alone.

    For a layer of one input and one output of the same channels. A subclass
    says what it makes of a constant, and cuts its weights in `shrink`.
    """

    def trace(self, step: Step) -> list[np.ndarray]:
        return [step.inputs[0]]

    def leak_free(self, step: Step) -> bool:
        zeros = [np.zeros(ids.shape) for ids in step.inputs]
        return all(np.all(values == 0) for values in self.constants(step, zeros))
