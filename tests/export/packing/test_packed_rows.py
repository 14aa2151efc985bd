"""Rows, bits and files of packed weights, on arrays."""

import struct
import zlib

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_diffmask.errors import ArtifactError, InvalidArgumentError
from keras_diffmask.export.packing import Packed, PackedTensor
from keras_diffmask.export.packing.file import decode, encode
from keras_diffmask.export.packing.rows import RowLayout, pack_bits, unpack_bits

DTYPES = ("float32", "float16", ml_dtypes.bfloat16, "float64", "int8")


@st.composite
def kernels(draw):
    """A kernel of rows with at most k places, its layout, and what is kept."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count, length, width = (draw(st.integers(1, most)) for most in (5, 40, 3))
    kept = draw(st.integers(1, length))
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    rows = np.zeros((count, length, width), dtype)
    keep = np.zeros((count, length), bool)
    for row in range(count):
        places = generator.permutation(length)[:kept]
        keep[row, places] = True
        rows[row, places] = (generator.normal(size=(kept, width)) * 9).astype(dtype)
        rows[row, places[0]] = generator.choice([0.0, -0.0])  # kept, and yet zero
    order = draw(st.permutations(range(3)))
    layout = RowLayout(tuple(np.argsort(order).tolist()), length, width)
    return rows.transpose(order), layout, keep


def same_bits(one, other):
    assert one.dtype == other.dtype and one.shape == other.shape
    assert one.tobytes() == other.tobytes()


@settings(max_examples=60, deadline=None, derandomize=True)
@given(kernels())
def test_every_bit_comes_back(case):
    kernel, layout, keep = case
    tensor = PackedTensor.of_rows("a/kernel", kernel, layout, keep)
    same_bits(tensor.array(), np.ascontiguousarray(kernel))
    (read,) = decode(encode((tensor,)))
    same_bits(read.array(), np.ascontiguousarray(kernel))
    assert (read.name, read.kept, read.layout) == (tensor.name, tensor.kept, layout)
    assert read.nbytes == tensor.nbytes
    if tensor.is_packed:
        # What is kept is stored where it was, be it 0 or not.
        assert tensor.kept == keep.sum(axis=1).max()
        np.testing.assert_array_equal(
            tensor.places, [np.flatnonzero(row) for row in keep]
        )


@pytest.mark.parametrize(
    ("rows", "n", "k", "width", "dtype", "expected"),
    [
        # 300 rows of 16 float32, and 16 indices of 10 bits: 20 bytes.
        (300, 784, 16, 1, "float32", 300 * (16 * 4 + 20)),
        # 3 indices of 5 bits: 15 bits, so 2 bytes.
        (8, 32, 3, 1, "float16", 8 * (3 * 2 + 2)),
        # Kernels of 9 values each; 2 indices of 6 bits.
        (4, 33, 2, 9, "float32", 4 * (2 * 9 * 4 + 2)),
        # One of two needs one bit, and a row still a byte.
        (7, 2, 1, 1, "float64", 7 * (8 + 1)),
    ],
)
def test_sizes_by_hand(rows, n, k, width, dtype, expected):
    kernel = np.zeros((rows, n, width), dtype)
    kernel[:, -k:] = 1
    layout = RowLayout((0, 1, 2), n, width)
    tensor = PackedTensor.of_rows("a", kernel, layout)
    assert tensor.is_packed
    assert tensor.nbytes == expected
    assert tensor.dense_nbytes == kernel.nbytes
    content = encode((tensor,))
    # 32 of header, 40 of record, shape and axes and name, each part to 8 bytes.
    assert len(content) - expected <= 32 + 40 + 16 + 3 * 8


def test_indices_bit_by_bit():
    packed = pack_bits(np.array([[1, 6], [0, 5]]), 3)
    # 001 and 110, the lowest bit first: 1 + 6 * 8 = 49; 0 + 5 * 8 = 40.
    np.testing.assert_array_equal(packed, [[49], [40]])
    np.testing.assert_array_equal(unpack_bits(packed, 2, 3), [[1, 6], [0, 5]])


def test_a_row_of_one_place_needs_no_index():
    layout = RowLayout((0, 1), 1, 1)
    tensor = PackedTensor.of_rows("a", np.ones((4, 1), "float32"), layout)
    assert not tensor.is_packed and tensor.nbytes == 16


def test_rows_that_keep_too_much_stay_dense():
    kernel = np.ones((4, 8), "float32")
    kernel[:, 0] = 0
    # 7 of 8: 7 * 4 + ceil(21 / 8) = 31 bytes; 8 of 8 would be 35 and not 32.
    layout = RowLayout((0, 1), 8, 1)
    assert PackedTensor.of_rows("a", kernel, layout).nbytes == 4 * 31
    kernel[0, 0] = 1
    tensor = PackedTensor.of_rows("a", kernel, layout)
    assert not tensor.is_packed and tensor.kept == 8
    assert Packed((tensor,)).left_dense == (tensor,)
    assert "left dense: a, whose longest row keeps 8 of 8" in str(Packed((tensor,)))


def test_types_that_the_file_has_not():
    tensor = PackedTensor.dense("a/kernel", np.zeros(2, "complex64"))
    with pytest.raises(InvalidArgumentError, match="'a/kernel' of complex64"):
        encode((tensor,))


@pytest.fixture
def content() -> bytes:
    kernel = np.zeros((4, 16), "float32")
    kernel[:, [3, 9]] = 1.5
    tensor = PackedTensor.of_rows("a/kernel", kernel, RowLayout((0, 1), 16, 1))
    return encode((tensor, PackedTensor.dense("a/bias", np.ones(4, "float32"))))


def test_the_layout_that_is_written_down(content):
    """A reader of its own, from the tables in `packing.file`."""
    assert content[:8] == b"kdpacked"
    version, crc, length, count, zero = struct.unpack_from("<IIQII", content, 8)
    assert (version, length, count, zero) == (1, len(content), 2, 0)
    assert crc == zlib.crc32(content[16:])
    head = struct.unpack_from("<BBBBHHIIIIQQ", content, 32)
    assert head == (1, 0, 2, 4, 8, 0, 4, 16, 2, 1, 32, 4)
    assert struct.unpack_from("<2I2B8s", content, 72) == (4, 16, 0, 1, b"a/kernel")
    assert content[90:96] == bytes(6)
    np.testing.assert_array_equal(np.frombuffer(content, "<f4", 8, 96), 1.5)
    assert content[128:136] == bytes([3 + 9 * 16] * 4 + [0] * 4)


def test_a_file_cut_short_or_changed_is_one_error(content, tmp_path):
    path = tmp_path / "a.packed"
    for end in (0, 7, 31, 40, len(content) - 1):
        path.write_bytes(content[:end])
        with pytest.raises(ArtifactError, match="Expected a whole file of packed"):
            Packed.load(path)
    for place in range(len(content)):
        damaged = bytearray(content)
        damaged[place] ^= 1
        with pytest.raises(ArtifactError, match="Expected a whole file of packed"):
            decode(bytes(damaged))


@pytest.mark.parametrize(
    "place", [32, 33, 34, 35, 36, 41, 44, 48, 52, 56, 64, 72, 80, 128, 131]
)
def test_a_file_that_contradicts_itself_is_one_error(content, place):
    """The checksum fits: somebody wrote it so."""
    wrong = bytearray(content)
    wrong[place] = 0xFF if place < 128 else 0x33
    wrong[12:16] = struct.pack("<I", zlib.crc32(bytes(wrong[16:])))
    with pytest.raises(ArtifactError, match="contradicts itself"):
        decode(bytes(wrong))


def test_a_missing_file_is_one_error(tmp_path):
    with pytest.raises(ArtifactError, match="No such file"):
        Packed.load(tmp_path / "none.packed")
    with pytest.raises(ArtifactError, match="a path that can be written"):
        Packed(()).save(tmp_path / "no" / "folder.packed")
