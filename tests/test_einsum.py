"""The axes an EinsumDense equation ties together, against Keras and NumPy."""

import string

import keras
import numpy as np
import pytest

from keras_diffmask.einsum import EinsumAxes, parse
from keras_diffmask.errors import InvalidArgumentError

#: Equation, input shape, output shape as EinsumDense takes it, and the answer.
KNOWN = [
    ("ab,bc->ac", (2, 3), 4, EinsumAxes(((1, 0),), ((1, 1),), (), ((0, 0),), ())),
    (
        "abc,cd->abd",
        (2, 3, 4),
        (3, 5),
        EinsumAxes(((2, 0),), ((2, 1),), (), ((0, 0), (1, 1)), ()),
    ),
    (
        "...x,xy->...y",
        (2, 3, 4, 5),
        6,
        EinsumAxes(((3, 0),), ((3, 1),), (), ((0, 0), (1, 1), (2, 2)), ()),
    ),
    ("...x,xy->...y", (2, 3), 6, EinsumAxes(((1, 0),), ((1, 1),), (), ((0, 0),), ())),
    (
        "ab...,bc->ac...",
        (2, 3, 4, 5),
        6,
        EinsumAxes(((1, 0),), ((1, 1),), (), ((0, 0), (2, 2), (3, 3)), ()),
    ),
    (  # the projections of an attention, there and back
        "abc,cde->abde",
        (2, 3, 4),
        (3, 5, 6),
        EinsumAxes(((2, 0),), ((2, 1), (3, 2)), (), ((0, 0), (1, 1)), ()),
    ),
    (
        "abcd,cde->abe",
        (2, 3, 4, 5),
        (3, 6),
        EinsumAxes(((2, 0), (3, 1)), ((2, 2),), (), ((0, 0), (1, 1)), ()),
    ),
    (  # one matrix per group g
        "abgc,dgc->abgd",
        (2, 3, 4, 5),
        (3, 4, 6),
        EinsumAxes(((3, 2),), ((3, 0),), ((2, 1, 2),), ((0, 0), (1, 1)), ()),
    ),
    (  # a scale per channel writes nothing
        "abc,c->abc",
        (2, 3, 4),
        (3, 4),
        EinsumAxes((), (), ((2, 0, 2),), ((0, 0), (1, 1)), ()),
    ),
    (  # b is summed out of the input, and the output is transposed
        "abcd,de->aec",
        (2, 3, 4, 5),
        (6, 4),
        EinsumAxes(((3, 0),), ((1, 1),), (), ((0, 0), (2, 2)), (1,)),
    ),
]


known = pytest.mark.parametrize(
    ("equation", "shape", "output_shape", "expected"),
    KNOWN,
    ids=[f"{equation} of rank {len(shape)}" for equation, shape, _, _ in KNOWN],
)


@known
def test_axes_are_those_worked_out_by_hand(
    equation: str, shape: tuple, output_shape: object, expected: EinsumAxes
) -> None:
    assert parse(equation, len(shape)) == expected


@known
def test_equation_written_back_from_the_axes_is_the_same_function(
    equation: str, shape: tuple, output_shape: object, expected: EinsumAxes
) -> None:
    layer = keras.layers.EinsumDense(equation, output_shape)
    x = np.random.default_rng(0).normal(size=shape).astype("float32")
    outputs = keras.ops.convert_to_numpy(layer(x))
    axes = parse(equation, len(shape))
    assert axes.output_rank == outputs.ndim
    kernel = keras.ops.convert_to_numpy(layer.kernel)
    back = np.einsum(_written_back(axes, x.ndim, kernel.ndim), x, kernel)
    np.testing.assert_allclose(back, outputs, rtol=1e-5, atol=1e-6)


def _written_back(axes: EinsumAxes, input_rank: int, kernel_rank: int) -> str:
    letters = iter(string.ascii_letters)
    terms = [""] * input_rank, [""] * kernel_rank, [""] * axes.output_rank
    ties = [
        *((i, k, None) for i, k in axes.contracted),
        *((None, k, o) for o, k in axes.written),
        *axes.shared,
        *((i, None, o) for i, o in axes.passed),
        *((i, None, None) for i in axes.summed),
    ]
    for tie in ties:
        letter = next(letters)
        for term, axis in zip(terms, tie, strict=True):
            if axis is not None:
                assert term[axis] == "", "each axis has one label"
                term[axis] = letter
    inputs, kernel, outputs = ("".join(term) for term in terms)
    assert len(inputs) == input_rank and len(kernel) == kernel_rank
    return f"{inputs},{kernel}->{outputs}"


@pytest.mark.parametrize(
    ("equation", "rank", "expected"),
    [
        ("ab,bc", 2, "Expected an equation"),
        ("...ab,bc->ac", 3, "Expected an equation"),
        ("...ab...,bc->...ac...", 3, "Expected an equation"),
        ("abc,cd->abd", 2, "Expected an input of the rank of 'abc'"),
        ("abc,cd->abd", 4, "Expected an input of the rank of 'abc'"),
        ("...abc,cd->...abd", 2, "Expected an input of the rank of 'abc'"),
        ("aab,bc->ac", 3, "Expected each label at most once in a term"),
        ("ab,bcd->ac", 2, "Expected the kernel's labels in another term"),
        ("ab,bc->acd", 2, "Expected the output's labels in another term"),
    ],
)
def test_other_equations_are_refused_in_a_sentence(
    equation: str, rank: int, expected: str
) -> None:
    with pytest.raises(InvalidArgumentError) as error:
        parse(equation, rank)
    sentence = str(error.value)
    assert sentence.startswith(expected)
    assert f"equation={equation!r} for an input of rank {rank}" in sentence
