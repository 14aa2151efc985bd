"""Tables of operations: by their headers, of every release; and damaged files."""

import struct

import pytest

from keras_diffmask.errors import ArtifactError, DeviceError
from keras_diffmask.export.benchmark_model import (
    Request,
    find_binary,
    read_ops,
    read_result,
    spelled,
)
from keras_diffmask.export.benchmark_model.binary import abi_of
from keras_diffmask.export.benchmark_model.proto import read_profile
from tests.devices.phone import elf

RUNS = "INFO: Operator-wise Profiling Info for Regular Benchmark Runs:\n"
ORDER = "=" * 30 + " Run Order " + "=" * 30 + "\n"
TOP = "=" * 30 + " Top by Computation Time " + "=" * 30 + "\n"
OLD = "\t[node type]\t[start]\t[first]\t[avg ms]\t[%]\t[cdf%]\t[mem KB]\t[times called]\t[Name]\n"  # noqa: E501
OLD_CSV = "node type, start, first, avg_ms, %, cdf%, mem KB, times called, name\n"


def test_an_older_table_has_a_column_more() -> None:
    text = (
        f"{RUNS}{ORDER}{OLD}"
        "\tCONV_2D\t0.000\t7.019\t3.843\t30%\t30%\t0.0\t1\t[a;b]\n"
        "\tMEAN\t7.1\t0.5\t0.25\t1%\t100%\t0.0\t1\t[c]\n\n"
        f"{TOP}{OLD}\tMEAN\t7.1\t0.5\t0.9\t1%\t100%\t0.0\t1\t[never]\n\n"
    )
    rows = [(row.kind, row.mean_us, row.name) for row in read_ops(text)]
    assert rows == [("CONV_2D", 3843.0, "[a;b]"), ("MEAN", 250.0, "[c]")]


def test_older_csv_and_a_name_with_commas() -> None:
    text = f"{RUNS}{ORDER}{OLD_CSV}ADD, 0, 2, 1.5, 50%, 50%, 0, 1, [a\t b]:0\n"
    (row,) = read_ops(text)
    assert (row.kind, row.mean_us, row.name) == ("ADD", 1500.0, "[a, b]:0")


def test_columns_in_another_order() -> None:
    text = f"{RUNS}{ORDER}avg_ms, node type, name\n0.5, ADD, x\n"
    (row,) = read_ops(text)
    assert (row.kind, row.mean_us, row.name) == ("ADD", 500.0, "x")


def test_a_delegate_is_looked_into() -> None:
    header = "node type, first, avg_ms, %, cdf%, mem KB, times called, name\n"
    graph = (
        "QUANTIZE, 0, 0.5, 1%, 1%, 0, 1, [q]:0\n"
        "TfLiteXNNPackDelegate, 0, 3, 1%, 1%, 0, 1, [x]:9\n"
        "SOFTMAX, 0, 0.25, 1%, 1%, 0, 1, [s]:8\n\n"
    )
    inside = "Convolution (NHWC, QC8) IGEMM, 0, 2, 1%, 1%, 0, 1, conv\n"
    text = f"{RUNS}{ORDER}{header}{graph}Delegate internal: \n{ORDER}{header}"
    # In CSV the tool writes the commas of names as tabs, those of types as well.
    rows = read_ops(text + inside.replace("NHWC, QC8", "NHWC\t QC8") + "\n")
    assert [row.mean_us for row in rows] == [500, 2000, 250]
    assert [row.name for row in rows] == ["[q]:0", "conv", "[s]:8"]
    # Without its inside, the delegate's own row has to do.
    alone = read_ops(f"{RUNS}{ORDER}{header}{graph}")
    assert [row.kind for row in alone] == [
        "QUANTIZE",
        "TfLiteXNNPackDelegate",
        "SOFTMAX",
    ]


@pytest.mark.parametrize(
    "text", ["", "x", RUNS, RUNS + ORDER, RUNS + ORDER + "a, b\n1"]
)
def test_no_table(text: str) -> None:
    assert read_ops(text) == ()


def test_damaged_binary_results() -> None:
    whole = bytes([2 << 3 | 2, 5, 1 << 3 | 5]) + struct.pack("<f", 1.5)
    assert read_result(whole) == {"mean_us": 1500.0}
    for end in range(1, len(whole)):
        with pytest.raises(DeviceError, match="a damaged one"):
            read_result(whole[:end])
    with pytest.raises(DeviceError, match="a damaged one"):
        read_profile(b"\xff" * 20)
    assert read_result(b"") == {} and read_profile(b"") == ()


def test_what_a_program_was_built_for(tmp_path) -> None:
    assert abi_of(elf(183)) == ("arm64-v8a", "linux-aarch64")
    assert abi_of(elf(183, b"/system/bin/linker64")) == ("arm64-v8a",)
    assert abi_of(elf(183, b"/lib/ld-linux-aarch64.so.1")) == ("linux-aarch64",)
    assert abi_of(elf(7)) == ("ELF machine 7",)
    assert abi_of(b"PK\x03\x04") is abi_of(b"\x7fELF") is None
    tool = tmp_path / "benchmark_model"
    tool.write_bytes(elf(183))
    assert find_binary(tool, ("arm64-v8a",)).bytes == len(tool.read_bytes())
    with pytest.raises(DeviceError, match="built for arm64-v8a or linux-aarch64"):
        find_binary(tool, ("armeabi-v7a",))
    tool.write_text("hello")
    with pytest.raises(ArtifactError, match="an ELF file.*which is none"):
        find_binary(tool, ("arm64-v8a",))
    with pytest.raises(ArtifactError, match="none for riscv64: build it"):
        find_binary(tmp_path / "nowhere", ("riscv64",))


def test_every_word_is_quoted() -> None:
    request = Request("a b; rm -rf $HOME.tflite", delegate="none")
    line = spelled("/data/local/tmp/x y", request, "f0")
    assert line.startswith("cd '/data/local/tmp/x y' && taskset f0 ./benchmark_model ")
    assert "'--graph=a b; rm -rf $HOME.tflite'" in line
    assert "--use_xnnpack=false" in line
