"""The figures that Vela gives, and how they are read from what it writes."""

import csv
import dataclasses
import io
import re
from typing import Any

from keras_diffmask.errors import ArtifactError

_PLACED = re.compile(r"^\s*(CPU|NPU): (\S+) = (.*?)(?: \(outputs .*)?$", re.M)


@dataclasses.dataclass(frozen=True, repr=False)
class VelaEstimate:
    """Vela's estimate: computed from a model of the chip, not measured.

    Args:
        name: the artifact's name.
        accelerator: what was compiled for, such as "Ethos_U55_128".
        system: Vela's system configuration, which says how fast memories are.
        memory_mode: where Vela puts weights and activations.
        clock_mhz: clock of the accelerator.
        vela: version of Vela.
        npu_cycles: cycles in which the accelerator computes.
        total_cycles: cycles with its waits for memory; operators on the CPU are
            not in them.
        inference_ms: `total_cycles` at this clock.
        sram_kib: SRAM that activations (and buffered weights) take.
        flash_kib: flash that weights and commands take.
        macs: multiplications of the network.
        ops: number of operators of the file, in all of its subgraphs.
        cpu_ops: (operator, tensor it writes) of those that fall back to the CPU.
        inner_ops: how many operators are in subgraphs that WHILE, IF or CALL_ONCE
            run. Where there are some, Vela counts each once, however often it runs,
            and lists neither those three nor all of what falls back inside.
    """

    name: str
    accelerator: str
    system: str
    memory_mode: str
    clock_mhz: float
    vela: str
    npu_cycles: int
    total_cycles: int
    inference_ms: float
    sram_kib: float
    flash_kib: float
    macs: int
    ops: int
    cpu_ops: tuple[tuple[str, str], ...]
    inner_ops: int = 0

    def __str__(self) -> str:
        return self.table()

    def __repr__(self) -> str:
        return f"<VelaEstimate of {self.name!r} on {self.accelerator}>"

    @property
    def npu_share(self) -> float:
        """Share of the file's operators that run on the accelerator, 0 to 1.

        With `inner_ops` it is at most that.
        """
        return max(0.0, 1.0 - len(self.cpu_ops) / max(1, self.ops))

    @property
    def configuration(self) -> str:
        """What the estimate holds for, in one line."""
        return (
            f"{self.accelerator} at {self.clock_mhz:g} MHz, {self.system}, "
            f"{self.memory_mode}, Vela {self.vela}"
        )

    def table(self) -> str:
        """The figures, with what they hold for, as text."""
        lines = [
            f"{self.name}: an estimate by Vela, not a measurement",
            f"  {self.configuration}",
            f"  NPU cycles       {self.npu_cycles:>12,}",
            f"  total cycles     {self.total_cycles:>12,}",
            f"  inference        {self.inference_ms:>12.3f} ms",
            f"  SRAM             {self.sram_kib:>12.1f} KiB",
            f"  flash            {self.flash_kib:>12.1f} KiB",
            f"  operators on NPU {self.npu_share:>12.1%}"
            f"{' at most' * (self.inner_ops > 0)}",
        ]
        lines += [f"  on the CPU: {op} ({tensor})" for op, tensor in self.cpu_ops]
        if self.cpu_ops:
            lines.append("  What runs on the CPU is not in the cycles.")
        if self.inner_ops:
            lines.append(
                f"  {self.inner_ops} of {self.ops} operators are run by WHILE, IF or "
                "CALL_ONCE: cycles are of one pass through each, and what falls back "
                "there is not all listed."
            )
        if not self.npu_share:
            lines.append("  Nothing runs on the NPU: this says nothing of its time.")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain data, for JSON."""
        return {
            **dataclasses.asdict(self),
            "npu_share": self.npu_share,
            "kind": "an estimate by Vela, not a measurement",
        }


def read_estimate(
    name: str, summary: str, said: str, writers: dict[str, str], version: str
) -> VelaEstimate:
    """Reads Vela's summary file and its report.

    Args:
        name: the artifact's name.
        summary: the .csv file.
        said: standard output, with the operators and where each went.
        writers: tensor name -> operator of the file that writes it.
        version: of Vela.

    Raises:
        ArtifactError: they are not as expected.
    """
    try:
        row = next(csv.DictReader(io.StringIO(summary)))
        placed = _PLACED.findall(said)
        if not placed:
            raise ValueError("no operators in the report")
        # Vela calls what it leaves alone Passthrough.
        left = [(writers.get(at, op), at) for where, op, at in placed if where == "CPU"]
        return VelaEstimate(
            name=name,
            accelerator=row["accelerator_configuration"],
            system=row["system_config"],
            memory_mode=row["memory_mode"],
            clock_mhz=float(row["core_clock"]) / 1e6,
            vela=version,
            npu_cycles=round(float(row["cycles_npu"])),
            total_cycles=round(float(row["cycles_total"])),
            inference_ms=1e3 * float(row["inference_time"]),
            sram_kib=float(row["sram_memory_used"]),
            flash_kib=float(row["off_chip_flash_memory_used"])
            + float(row["on_chip_flash_memory_used"])
            + float(row["dram_memory_used"]),
            macs=round(float(row["nn_macs"])),
            ops=len(writers),
            cpu_ops=tuple(left),
        )
    except (StopIteration, KeyError, ValueError) as error:
        raise ArtifactError(
            "Vela's summary as version 5 writes it",
            f"another one of version {version} ({error})",
            "Install it with `pip install 'ethos-u-vela>=5,<6'`.",
        ) from error
