"""What the emulation consists of, without QEMU."""

import importlib
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from keras_diffmask import export
from keras_diffmask.errors import (
    ArtifactError,
    InvalidArgumentError,
    MissingDependencyError,
)
from keras_diffmask.export import emulation
from keras_diffmask.export.cli import main
from keras_diffmask.export.emulation import environment, measure
from keras_diffmask.export.emulation.cores import CORES, find_core
from keras_diffmask.export.emulation.result import CoreCount, ModelCounts
from keras_diffmask.export.machine import machine
from keras_diffmask.export.reporting.timing import timings_of
from tests.export.files_of_others import with_variable


def counted(name: str, thousands: int, differing: int = 0) -> ModelCounts:
    counts = tuple(
        CoreCount(core, "xnnpack", 1000 * thousands * (k + 1), differing, 80, 2.0, 0.1)
        for k, core in enumerate(CORES)
    )
    return ModelCounts(name, 10 * thousands, counts)


@pytest.fixture
def found() -> emulation.InstructionCounts:
    return emulation.InstructionCounts(
        models=(counted("dense", 40), counted("pruned", 10)),
        examples=8,
        qemu="7.2.22",
        machine=machine(),
        created="2026-11-29T00:00:00+00:00",
    )


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder that looks prepared, and a QEMU that answers its version."""
    (tmp_path / "root/usr/bin").mkdir(parents=True)
    (tmp_path / "root/usr/bin/python3.11").touch()
    (tmp_path / environment.PLUGIN).touch()
    (tmp_path / environment.VERSION).write_text("0.0.1\n")
    qemu = tmp_path / "bin" / "qemu-aarch64"
    qemu.parent.mkdir()
    qemu.write_text('#!/bin/sh\necho "qemu-aarch64 version 7.2.22 (Debian)"\n')
    qemu.chmod(0o755)
    monkeypatch.setenv("PATH", f"{qemu.parent}:/bin:/usr/bin")
    monkeypatch.setenv(environment.VARIABLE, str(tmp_path))
    monkeypatch.setattr("platform.system", lambda: "Linux")
    return tmp_path


@pytest.mark.parametrize("core", CORES.values(), ids=lambda core: core.name)
def test_cpuinfo_says_what_litert_reads(core):
    fields = dict(
        line.split(":", 1) for line in core.cpuinfo().splitlines() if line.strip()
    )
    read = {key.strip(): value.strip() for key, value in fields.items()}
    assert read["CPU implementer"] == "0x41"
    assert int(read["CPU part"], 16) == core.part
    # Kernels with int8 dot products are picked by this word.
    assert ("asimddp" in read["Features"].split()) == (core.name == "cortex-a76")


def test_cores_have_short_names():
    assert find_core("a76") is find_core("cortex-A76") is CORES["cortex-a76"]
    with pytest.raises(InvalidArgumentError, match="one of cortex-a53, .*core='m4'"):
        find_core("m4")


def test_without_qemu_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingDependencyError, match="apt-get install qemu-user"):
        emulation.count_instructions({"model": b""})


def test_elsewhere_it_says_so(monkeypatch):
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    with pytest.raises(MissingDependencyError, match="received Darwin"):
        environment.find_qemu()


def test_unprepared_it_names_the_command(folder):
    (folder / environment.PLUGIN).unlink()
    with pytest.raises(MissingDependencyError, match="benchmark --device .* --prepare"):
        environment.find_emulator()


def test_another_litert_is_refused(folder):
    pytest.importorskip("ai_edge_litert")
    with pytest.raises(ArtifactError, match=r"received 0\.0\.1 in .*--force"):
        environment.find_emulator()


def test_command_line_survives_commas(folder):
    (folder / environment.VERSION).write_text(
        environment.importlib.metadata.version("ai-edge-litert")
    )
    emulator = environment.find_emulator()
    assert emulator.version == "7.2.22"
    command = emulator.command(CORES["cortex-a53"], Path("/a,b/c"), "guest.py", "job")
    assert command[command.index("-cpu") + 1] == "cortex-a53"
    assert command[-3:] == [str(folder / "root/usr/bin/python3.11"), "guest.py", "job"]
    plugin = command[command.index("-plugin") + 1]
    assert plugin.endswith(",out=/a,,b/c,marker=173")


def test_prepare_leaves_a_folder_that_is_there(folder):
    before = sorted(folder.rglob("*"))
    if any(shutil.which(tool) is None for tool in ("apt-get", "dpkg", "gcc")):
        pytest.skip("apt-get, dpkg or gcc is not installed")
    with pytest.raises(ArtifactError, match="pass --force"):
        emulation.prepare()
    assert sorted(folder.rglob("*")) == before


def test_prepare_replaces_only_what_it_made(tmp_path, monkeypatch):
    made_by = importlib.import_module("keras_diffmask.export.emulation.prepare")

    def fill(made, progress):
        for name in (environment.PLUGIN, environment.VERSION):
            (made / name).touch()

    monkeypatch.setattr(made_by, "find_qemu", lambda: None)
    monkeypatch.setattr(shutil, "which", lambda tool: f"/bin/{tool}")
    monkeypatch.setattr(made_by, "_fill", fill)
    home = tmp_path / "home"
    home.mkdir()
    for _ in range(2):
        emulation.prepare(home, force=True)
    (home / "thesis.txt").write_text("years")
    with pytest.raises(ArtifactError, match="home', which holds 'thesis.txt'"):
        emulation.prepare(home, force=True)
    (home / environment.VERSION).unlink()
    (home / "thesis.txt").rename(home / "root")
    with pytest.raises(ArtifactError, match="which is another. .*nothing was changed"):
        emulation.prepare(home, force=True)
    assert (home / "root").read_text() == "years"


def test_bad_arguments_end_before_anything_runs():
    for wrong in ({"cores": ()}, {"examples": 0}, {"kernels": ("fast",)}):
        with pytest.raises(InvalidArgumentError, match="kernels of xnnpack, reference"):
            emulation.count_instructions({"model": b""}, **wrong)


def test_resource_variables_begin_anew_with_each_example():
    rows = [np.ones((3, 4), "float32")]
    for kernels in measure.KERNELS:
        (found,) = measure._answers(with_variable(), rows, kernels)
        np.testing.assert_array_equal(found, np.full((3, 4), 2.0))


def test_differences_are_counted_by_bits():
    ours = [np.array([1.0, np.nan, 0.0, 4.0], np.float32)]
    theirs = [np.array([1.0, np.nan, -0.0, 3.0], np.float32)]
    differing, values, largest, relative = measure._differences(ours, theirs)
    assert (differing, values, largest, relative) == (2, 4, 1.0, 0.25)
    steps = [np.array([-128, 3], np.int8)], [np.array([127, 3], np.int8)]
    assert measure._differences(*steps)[:3] == (1, 2, 255.0)


def test_ratios_and_table(found):
    assert found.equal
    assert found.ratio("pruned", "dense", "cortex-a72") == 0.25
    text = found.table()
    assert "40,000" in text and "0.250" in text and "none of 80" in text
    assert "it is not a ratio of times" in text
    assert " ms" not in text and "seconds" not in text
    with pytest.raises(InvalidArgumentError, match="'dense' on cortex-a53"):
        found.count("dense", "cortex-a53", "reference")


def test_differing_answers_show(found):
    wrong = counted("pruned", 10, differing=3)
    other = emulation.InstructionCounts(
        (wrong,), 8, found.qemu, found.machine, found.created
    )
    assert not other.equal
    assert "3 of 80, by at most 1e-01" in other.table()


def test_json_reads_back(found, tmp_path):
    path = found.save(tmp_path / "counts.json")
    assert emulation.InstructionCounts.from_json(path.read_text()) == found
    with pytest.raises(ArtifactError, match="document of instruction counts"):
        emulation.InstructionCounts.from_json("{}")


@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")
def test_the_counter_compiles_without_a_warning(tmp_path):
    source = Path(emulation.__file__).with_name("insncount.c")
    subprocess.run(
        ["gcc", "-O2", "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror"]
        + ["-o", str(tmp_path / "insncount.so"), str(source)],
        check=True,
    )


def test_benchmark_refuses_what_is_about_times():
    for wrong in ({"rounds": 3}, {"per_op": True}, {"threads": 2}, {"delegate": "gpu"}):
        (name,) = wrong
        with pytest.raises(InvalidArgumentError, match=f"no {name} where instructions"):
            export.benchmark({"model": b""}, device="arm64-emulated", **wrong)


def test_command_line_prepares_nothing_else(capsys):
    assert main(["benchmark", "--prepare"]) != 0
    assert "--prepare with --device arm64-emulated" in capsys.readouterr().err


def test_a_report_does_not_take_instructions_for_times(found):
    with pytest.raises(InvalidArgumentError, match="counts of instructions, which are"):
        timings_of(found, ())
