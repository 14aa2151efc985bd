"""The cores that can be emulated, as data."""

from dataclasses import dataclass

from keras_diffmask.errors import InvalidArgumentError

_V8_0 = "fp asimd evtstrm aes pmull sha1 sha2 crc32 cpuid"
_V8_2 = _V8_0 + " atomics fphp asimdhp asimdrdm lrcpc dcpop asimddp"


@dataclass(frozen=True)
class Core:
    """One kind of Arm core.

    LiteRT picks its kernels by what `/proc/cpuinfo` says of the core. QEMU shows
    a guest the host's file, in which no Arm core is found and LiteRT crashes; so
    each core brings a text of its own, which must promise nothing that the
    emulated core lacks.

    Args:
        name: QEMU's name, for `-cpu`.
        part: Arm's part number.
        variant: major revision.
        features: Linux' names of the instruction set's extensions.
    """

    name: str
    part: int
    variant: int
    features: str

    def cpuinfo(self) -> str:
        """The text of `/proc/cpuinfo` on a machine with one such core."""
        rows = {
            "processor\t": "0",
            "BogoMIPS\t": "100.00",
            "Features\t": self.features,
            "CPU implementer\t": "0x41",
            "CPU architecture": "8",
            "CPU variant\t": f"{self.variant:#x}",
            "CPU part\t": f"{self.part:#x}",
            "CPU revision\t": "1",
        }
        return "".join(f"{key}: {value}\n" for key, value in rows.items()) + "\n"


#: A little core of 2014, a big one of 2016, and one of 2018 with int8 dot products.
CORES = {
    core.name: core
    for core in (
        Core("cortex-a53", 0xD03, 0x0, _V8_0),
        Core("cortex-a72", 0xD08, 0x0, _V8_0),
        Core("cortex-a76", 0xD0B, 0x4, _V8_2),
    )
}


def find_core(name: str) -> Core:
    """The core of that name, with or without `cortex-`.

    Raises:
        InvalidArgumentError: there is none.
    """
    for core in CORES.values():
        if str(name).lower() in (core.name, core.name.removeprefix("cortex-")):
            return core
    raise InvalidArgumentError(
        f"a core as one of {', '.join(CORES)}",
        f"core={name!r}",
        "Use one of these; what their instruction counts say holds for no other.",
    )
