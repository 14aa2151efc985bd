"""The bundle's files compile, on this computer and for a Cortex-M, and hold
what they should."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from keras_diffmask import targets
from keras_diffmask.errors import ArtifactError
from keras_diffmask.export.artifact import Artifact
from keras_diffmask.export.firmware.cxx import comment, identifier, numbers, real
from keras_diffmask.export.firmware.op_methods import OP_METHODS, methods
from keras_diffmask.export.tflm import has_tflm
from tests.export.files_of_others import with_loop
from tests.export.firmware.conftest import KINDS

STRICT = ("-std=c++17", "-Wall", "-Wextra", "-Werror", "-fno-exceptions", "-fno-rtti")
COMPILERS = {"g++": (), "arm-none-eabi-g++": ("-mcpu=cortex-m4", "-mthumb", "-Os")}


def compiler(name):
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    return name


def call(*words, cwd=None):
    done = subprocess.run(
        list(map(str, words)), cwd=cwd, capture_output=True, text=True
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def bundles(artifacts, tmp_path_factory):
    """Kind -> folder, written when first asked for."""
    parent = tmp_path_factory.mktemp("bundles")

    def folder(kind):
        path = parent / kind
        if not path.exists():
            artifacts[kind].save_firmware(
                path, arena_bytes=None if has_tflm() else 50_000
            )
        return path

    return folder


@pytest.mark.parametrize("name", COMPILERS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_file_compiles(bundles, stubs, tmp_path, kind, name):
    gxx, folder = compiler(name), bundles(kind)
    for file in sorted(folder.glob("*.cc")):
        status, said = call(
            gxx, *STRICT, *COMPILERS[name], "-I", stubs, "-c", file,
            "-o", tmp_path / f"{file.stem}.o",
        )  # fmt: skip
        assert status == 0, said
    assert {file.name for file in folder.glob("*.cc")} == {
        "golden.cc",
        "main.cc",
        "model_data.cc",
    }


@pytest.mark.parametrize("kind", ["conv", "float"])
def test_the_array_is_the_file(bundles, artifacts, tmp_path, kind):
    gxx, folder = compiler("g++"), bundles(kind)
    space = identifier(artifacts[kind].name)
    (tmp_path / "dump.cc").write_text(
        f"""
#include <cstdint>
#include <cstdio>
#include "model_data.h"
#include "golden.h"
int main() {{
  if (reinterpret_cast<std::uintptr_t>({space}::kModel) % 16 != 0) return 1;
  std::fwrite({space}::kModel, 1, {space}::kModelBytes, stdout);
  std::fwrite({space}::kGoldenInput0, 1, sizeof({space}::kGoldenInput0), stdout);
  return 0;
}}
"""
    )
    program = tmp_path / "dump"
    status, said = call(
        gxx, *STRICT, "-I", folder, tmp_path / "dump.cc", folder / "model_data.cc",
        folder / "golden.cc", "-o", program,
    )  # fmt: skip
    assert status == 0, said
    written = subprocess.run([program], capture_output=True, check=True).stdout
    content = artifacts[kind].content
    assert written[: len(content)] == content
    example = np.frombuffer(written[len(content) :], artifacts[kind].inputs[0].dtype)
    assert example.size == 128 and np.unique(example).size > 50


FAKE = """
#include "golden.h"
#include "tensorflow/lite/micro/micro_interpreter.h"
namespace {{
{buffers}
}}
TfLiteStatus Allocate(TfLiteTensor* ins, TfLiteTensor* outs, std::uint8_t*, size_t) {{
{sizes}
  return kTfLiteOk;
}}
TfLiteStatus Answer(TfLiteTensor* ins, TfLiteTensor* outs, int call) {{
{answers}
  return kTfLiteOk;
}}
"""


def fake(artifact, space, off, only_last):
    """An interpreter that refuses any other input, and answers the golden output,
    with `off` added to the first value (of the last call)."""
    buffers, sizes, answers = [], [], []
    for kind, specs in (("Input", artifact.inputs), ("Output", artifact.outputs)):
        for i, _ in enumerate(specs):
            one = f"{kind}{i}"
            list_ = "ins" if kind == "Input" else "outs"
            size = f"{space}::k{one}Elements"
            golden = f"{space}::kGolden{one} + call * {size}"
            buffers.append(f"{space}::{one}Type {one}[{size}];")
            sizes.append(
                f"  {list_}[{i}].data.data = {one}; {list_}[{i}].bytes = sizeof({one});"
            )
            if kind == "Input":
                answers.append(
                    f"  if (std::memcmp({one}, {golden}, sizeof({one})) != 0) "
                    "return kTfLiteError;"
                )
            else:
                answers.append(f"  std::memcpy({one}, {golden}, sizeof({one}));")
    when = f"call == {space}::kGoldenCalls - 1" if only_last else "true"
    answers.append(f"  if ({when}) Output0[0] += Output0[0] > 0 ? -({off}) : ({off});")
    answers.append('  std::printf("call\\n"); (void)ins; (void)outs;')
    return FAKE.format(
        buffers="\n".join(buffers), sizes="\n".join(sizes), answers="\n".join(answers)
    )


def run_main(gxx, folder, artifact, stubs, work, off, only_last=False):
    space = identifier(artifact.name)
    (work / "fake.cc").write_text(fake(artifact, space, off, only_last))
    status, said = call(
        gxx, "-std=c++17", "-I", folder, "-I", stubs, *sorted(folder.glob("*.cc")),
        work / "fake.cc", "-o", work / "main",
    )  # fmt: skip
    assert status == 0, said
    return call(work / "main")


@pytest.mark.parametrize(
    ("kind", "allowed", "calls", "resets"),
    [("conv", 0, 1, 0), ("pair", 0, 1, 0), ("lstm", 2, 1, 1), ("streaming", 2, 4, 1)],
)
def test_the_program_tells_right_from_wrong(
    bundles, artifacts, stubs, tmp_path, kind, allowed, calls, resets
):
    """With a stand-in for the interpreter, whose answers are known."""
    gxx, folder, artifact = compiler("g++"), bundles(kind), artifacts[kind]
    allowed = allowed if allowed or has_tflm() else 1
    status, said = run_main(gxx, folder, artifact, stubs, tmp_path, allowed)
    assert status == 0 and said.endswith("PASS\n"), said
    assert said.count("call\n") == calls and said.count("reset\n") == resets
    status, said = run_main(gxx, folder, artifact, stubs, tmp_path, allowed + 1, True)
    assert status == 1 and said.endswith("FAIL\n")
    assert "1 of " in said and "outputs are wrong" in said


@pytest.mark.parametrize("off", ["1e-2f", "0.0f / 0.0f"])
def test_the_program_sees_wrong_floats(bundles, artifacts, stubs, tmp_path, off):
    gxx, artifact = compiler("g++"), artifacts["float"]
    folder = bundles("float")
    assert run_main(gxx, folder, artifact, stubs, tmp_path, "1e-6f")[0] == 0
    assert run_main(gxx, folder, artifact, stubs, tmp_path, off)[0] == 1


def test_makefile(bundles, stubs, tmp_path):
    compiler("g++"), compiler("make")
    folder = shutil.copytree(bundles("conv"), tmp_path / "bundle")
    status, said = call("make", "objects", cwd=folder)
    assert status != 0 and "Pass TFLM_DIR=" in said
    status, said = call("make", "objects", f"TFLM_DIR={stubs}", cwd=folder)
    assert status == 0, said
    assert {file.stem for file in folder.glob("*.o")} == {
        "golden",
        "main",
        "model_data",
    }
    assert call("make", "clean", cwd=folder)[0] == 0
    assert not list(folder.glob("*.o"))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_the_real_thing(bundles, tmp_path, kind):
    """Against TFLM's own sources, with its library built."""
    tree = os.environ.get("TFLM_DIR")
    if not tree:
        pytest.skip("TFLM_DIR names no source tree of TFLM")
    folder = shutil.copytree(bundles(kind), tmp_path / "bundle")
    status, said = call("make", "check", f"TFLM_DIR={Path(tree).resolve()}", cwd=folder)
    assert status == 0 and "PASS" in said, said


def test_every_operator_of_the_target_has_a_method():
    assert targets.CORTEX_M.allowed_ops == OP_METHODS.keys()
    assert len(set(OP_METHODS.values())) == len(OP_METHODS)
    assert all(re.fullmatch(r"Add[A-Z][A-Za-z0-9]*", m) for m in OP_METHODS.values())


def test_methods_come_once_and_in_order():
    ops = ("CONV_2D", "RESHAPE", "CONV_2D", "ARG_MAX", "SPLIT_V")
    assert methods(ops) == ("AddArgMax", "AddConv2D", "AddReshape", "AddSplitV")
    with pytest.raises(ArtifactError, match="operators that TFLM has; received GELU"):
        methods(("CONV_2D", "GELU"))
    with pytest.raises(ArtifactError, match="VAR_HANDLE, which needs resource"):
        methods(("VAR_HANDLE",))


def test_resolver_has_exactly_the_operators(bundles, artifacts):
    text = (bundles("lstm") / "op_resolver.h").read_text()
    called = re.findall(r"resolver\.(\w+)\(\)", text)
    assert called == sorted({OP_METHODS[op] for op in artifacts["lstm"].ops})
    assert f"MicroMutableOpResolver<{len(called)}>" in text


def test_resolver_has_the_operators_of_all_subgraphs(tmp_path):
    artifact = Artifact.from_content(with_loop(), "loop")
    assert artifact.ops == ("WHILE",)
    artifact.save_firmware(tmp_path / "fw", arena_bytes=65_536)
    text = (tmp_path / "fw" / "op_resolver.h").read_text()
    called = re.findall(r"resolver\.(\w+)\(\)", text)
    assert {"AddWhile", "AddLess", "AddSin", "AddTanh", "AddMul", "AddAdd"} == set(
        called
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("resnet8", "resnet8"),
        ("2-layer net (v1.0)", "model_2_layer_net_v1_0"),
        ("__a__b__", "a_b"),
        ("class", "class_model"),
        ("index", "index_model"),
        ("sinf", "sinf_model"),
        ("NULL", "NULL_model"),
        ("clock_t", "clock_t_model"),
        ("indexed", "indexed"),
        ("Net_2", "Net_2"),
        ("", "model"),
        ("\u00e4\u00f6", "model"),
        ("../../x", "x"),
        ("a" * 300, "a" * 60),
    ],
)
def test_identifiers(name, expected):
    assert identifier(name) == expected


def test_namespaces_do_not_clash_with_the_c_library(tmp_path):
    gxx = compiler("g++")
    names = "index sin sinf log gamma y1 NULL EOF time signal errno linux tm M_PIf stat"
    headers = ("cmath", "cstring", "cstdio", "cstdlib", "csignal", "cerrno", "ctime")
    lines = [f"#include <{header}>" for header in headers]
    lines += [f"namespace {identifier(n)} {{ int k; }}" for n in names.split()]
    (tmp_path / "names.cc").write_text("\n".join(lines) + "\n")
    status, said = call(gxx, "-std=gnu++17", "-fsyntax-only", tmp_path / "names.cc")
    assert status == 0, said


def test_comments_and_numbers():
    assert comment("a\\\n*/ \u00e4") == "// a??*/ ?"
    assert [real(v) for v in (1.0, 0.1, 1e-30, -2.5)] == [
        "1.0f",
        "0.100000001f",
        "1.00000000e-30f".replace("1.00000000e", "1e"),
        "-2.5f",
    ]
    assert np.float32(real(1 / 3)[:-1]) == np.float32(1 / 3)
    assert numbers(np.array([-128, 127], "int8")) == "    -128, 127,"
    assert numbers(np.array([True, False])) == "    true, false,"
