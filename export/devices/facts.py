"""What a device is, as far as it tells."""

import dataclasses

from keras_diffmask.errors import InvalidArgumentError


@dataclasses.dataclass(frozen=True)
class DeviceFacts:
    """A phone or a board; what it does not tell is None or empty.

    Args:
        model: such as `"Google Pixel 8"`.
        system: such as `"Android 14"` or `"Debian GNU/Linux 12 (bookworm)"`.
        sdk: Android's API level.
        soc: such as `"Google Tensor G3"`.
        abis: what its programs may be made for, the best first: Android's
            names (`"arm64-v8a"`), or `"linux-aarch64"` and its like.
        governors: of the cores' frequencies, each once.
        core_mhz: highest frequency of each core in MHz, in the cores' order.
    """

    model: str | None
    system: str | None
    sdk: int | None
    soc: str | None
    abis: tuple[str, ...]
    governors: tuple[str, ...]
    core_mhz: tuple[int | None, ...]

    def big_cores(self) -> str:
        """The mask of the fastest cores.

        Returns:
            Bits in hexadecimal, core 0 the lowest, as `taskset` takes them.

        Raises:
            InvalidArgumentError: the device does not tell its frequencies.

        Example:
            >>> facts.core_mhz
            (1704, 1704, 1704, 1704, 2367, 2367, 2367, 2367, 2914)
            >>> facts.big_cores()
            '100'
        """
        known = [mhz for mhz in self.core_mhz if mhz is not None]
        if not known:
            raise InvalidArgumentError(
                'cores="big" on a device that tells its cores\' frequencies',
                "one that does not",
                'Give the cores as a mask, such as cores="f0", or leave them out.',
            )
        fastest = max(known)
        bits = [1 << i for i, mhz in enumerate(self.core_mhz) if mhz == fastest]
        return f"{sum(bits):x}"
