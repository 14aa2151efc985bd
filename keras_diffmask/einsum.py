"""Which axes of input, kernel and output an EinsumDense equation ties together."""

import re
from dataclasses import dataclass

from keras_diffmask.errors import InvalidArgumentError

# The three forms that Keras takes; an ellipsis stands for axes the kernel lacks.
_FORM = re.compile(
    r"(?P<left>\.\.\.)?(?P<input>[a-zA-Z]+)(?P<right>\.\.\.)?"
    r",(?P<kernel>[a-zA-Z]+)"
    r"->(?(left)\.\.\.)(?P<output>[a-zA-Z]+)(?(right)\.\.\.)"
)

Pairs = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class EinsumAxes:
    """What each label of an equation ties together, in ascending order.

    Axes count from 0, the batch included.

    Attributes:
        contracted: (input axis, kernel axis) of the labels that are summed over.
        written: (output axis, kernel axis) of the labels that the input lacks.
        shared: (input axis, kernel axis, output axis) of the labels in all three.
        passed: (input axis, output axis) of the labels that the kernel lacks.
        summed: input axes of the labels that are nowhere else.
    """

    contracted: Pairs
    written: Pairs
    shared: tuple[tuple[int, int, int], ...]
    passed: Pairs
    summed: tuple[int, ...]

    @property
    def output_rank(self) -> int:
        """How many axes the output has."""
        return len(self.written) + len(self.shared) + len(self.passed)


def parse(equation: str, input_rank: int) -> EinsumAxes:
    """Read an equation of `keras.layers.EinsumDense`.

    Args:
        equation: `"ab,bc->ac"`, `"...b,bc->...c"` or `"ab...,bc->ac..."`.
        input_rank: how many axes the input has, the batch included.

    Returns:
        The axes that each label ties together.

    Raises:
        InvalidArgumentError: the equation is of another form, names a label
            twice in one term, or does not fit the rank.

    Example:

    >>> parse("abc,cd->abd", 3).written
    ((2, 1),)
    """
    form = _FORM.fullmatch(equation)
    if form is None or (form["left"] and form["right"]):
        forms = "[X],[Y]->[Z], ...[X],[Y]->...[Z] or [X]...,[Y]->[Z]..."
        raise _wrong(f"an equation {forms}", equation, input_rank)
    inputs, kernel, outputs = form["input"], form["kernel"], form["output"]
    elided = input_rank - len(inputs)
    dotted = form["left"] or form["right"]
    for is_right, expected in (
        (elided == 0 or (elided > 0 and dotted), f"an input of the rank of {inputs!r}"),
        (
            all(len(set(term)) == len(term) for term in (inputs, kernel, outputs)),
            "each label at most once in a term",
        ),
        (set(kernel) <= {*inputs, *outputs}, "the kernel's labels in another term"),
        (set(outputs) <= {*inputs, *kernel}, "the output's labels in another term"),
    ):
        if not is_right:
            raise _wrong(expected, equation, input_rank)
    return _tie(inputs, kernel, outputs, elided, on_left=bool(form["left"]))


def _tie(
    inputs: str, kernel: str, outputs: str, elided: int, on_left: bool
) -> EinsumAxes:
    skip = elided if on_left else 0
    i = {label: skip + axis for axis, label in enumerate(inputs)}
    k = {label: axis for axis, label in enumerate(kernel)}
    o = {label: skip + axis for axis, label in enumerate(outputs)}
    first = (0, 0) if on_left else (len(inputs), len(outputs))
    elided_axes = [(first[0] + n, first[1] + n) for n in range(elided)]
    passed = [(i[x], o[x]) for x in inputs if x in o and x not in k]
    return EinsumAxes(
        contracted=tuple((i[x], k[x]) for x in inputs if x in k and x not in o),
        written=tuple((o[x], k[x]) for x in outputs if x in k and x not in i),
        shared=tuple((i[x], k[x], o[x]) for x in inputs if x in k and x in o),
        passed=tuple(sorted([*passed, *elided_axes])),
        summed=tuple(i[x] for x in inputs if x not in k and x not in o),
    )


def _wrong(expected: str, equation: str, input_rank: int) -> InvalidArgumentError:
    return InvalidArgumentError(
        expected,
        f"equation={equation!r} for an input of rank {input_rank}",
        "Write it as keras.layers.EinsumDense documents.",
    )
