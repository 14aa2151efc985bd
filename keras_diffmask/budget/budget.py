"""Budget: what the device affords, said by the user."""

from dataclasses import dataclass, fields, replace
from numbers import Real

from keras_diffmask.budget.charge import ALL, CHARGED
from keras_diffmask.budget.units import UNITS, WANTS_UNIT, amount, example, is_number
from keras_diffmask.costs import NAMES, LatencyTable, Measured
from keras_diffmask.costs.latency import no_table
from keras_diffmask.errors import BudgetError, InvalidArgumentError

# What a board's kernels may need beyond those of the computer, measured for
# Cortex-M4 to M55 with CMSIS-NN: up to 16 %, and 3.3 kB where that is less.
_LEAST_MARGIN = 8192


@dataclass(frozen=True)
class Budget:
    """What the stripped model may cost, instead of a penalty to tune.

    A number up to 1.0 is a fraction of the dense model's cost, a whole number
    above 1 is the cost itself, and `flash` and `ram` may be written with a
    unit. Several may be given; all of them hold. There is nothing else that
    has to be set: inside `fit` the gates search for the first `search` of the
    steps, under a target that falls from the dense cost to the budget; then
    they are decided such that the integer cost meets every budget, and the
    rest of the steps trains the decided network.

    `flash` and `ram` are those of the int8 .tflite file and of its arena in
    TFLM's own interpreter on a computer (`costs.Flash`, `costs.Ram`). Kernels
    made for a board and its pointers of 4 bytes take more, or less: of a `ram`
    in bytes a margin is taken off first, so that an arena r on the computer is
    one of at most r + max(8 KiB, margin x r) on the board:

        r <= min(ram - 8 KiB, ram / (1 + margin))

    `latency` is the time of one inference, foretold from what the operators of
    the dense model take on a device at several numbers of channels
    (`costs.Latency`): measure them with `export.measure_latency` first.

    Args:
        macs: multiply-accumulates per example, in (0, 1] or a whole number.
        parameters: entries of all weights, in (0, 1] or a whole number.
        flash: bytes of the int8 .tflite file as `target="cortex-m"` has it, or of
            that with the integers of `quantization=`: in (0, 1], a whole number, or
            text such as `"256 KiB"`. For `"host"`, where a Dense kernel has a scale
            per unit, plain models come out some bytes longer per unit.
        ram: bytes of TFLM's arena for one example, written likewise.
        latency: time of one inference: in (0, 1], or text such as `"10 ms"`
            (units s, ms, us and ns). It needs a `latency_table`.
        search: float in (0, 1), the share of the steps of `fit` spent searching; of
            those that are ahead of `initial_epoch`.
        ramp: float in (0, 1], the share of the search after which the target
            is the budget.
        warmup: float in [0, 1), the share of the ramp before the target begins
            to fall: weights that have learnt nothing yet say little
            about which channels are needed.
        margin: float >= 0, the share of the arena that is kept free for a
            board, and at least 8 KiB; 0 for nothing at all, where `ram` is the
            arena on the computer. It does not concern a `ram` in (0, 1].
        measured: what `export.measure_dense` found for the dense model, which
            `flash` and `ram` then agree with; without it, TensorFlow's usual.
        latency_table: what `export.measure_latency` found for the dense model.
        charged: who pays while the cost is above the target: `"all"` units, as a
            Lagrangian has it, or the `"lowest"`, those alone that the target would
            close, so that the others keep what they have learnt.

    Raises:
        BudgetError: no cost was named, one is not positive, or `latency` has
            no table.
        InvalidArgumentError: `search`, `ramp`, `warmup`, `charged` or `margin` is
            outside its range.

    Example:

    >>> import keras_diffmask as kd
    >>> kd.Budget(macs=0.3).limits({"macs": 1000.0})
    {'macs': 300.0}
    >>> kd.Budget(ram="64 KiB").limits({"ram": 90000.0})
    {'ram': 54613.333333333336}

    Reference:
        The controller follows Wang, Wohlwend and Lei, arXiv:1910.04732
        (ramped target), and Gallego-Posada et al., arXiv:2208.04425
        (Lagrange multiplier by gradient ascent).
    """

    macs: float | None = None
    parameters: float | None = None
    flash: float | str | None = None
    ram: float | str | None = None
    latency: float | str | None = None
    search: float = 0.5
    ramp: float = 0.7
    warmup: float = 0.0
    margin: float = 0.2
    measured: Measured | None = None
    latency_table: LatencyTable | None = None
    charged: str = ALL

    def __new__(cls, *args: object, **given: object) -> "Budget":
        # What a dataclass says of a cost that there is not: a bare TypeError.
        known = {one.name for one in fields(cls)}
        for name in given:
            if name not in known:
                raise BudgetError(
                    f"costs among {', '.join(NAMES)}",
                    f"{name}={given[name]!r}",
                    "Write for example Budget(macs=0.3).",
                )
        return super().__new__(cls)

    def __post_init__(self) -> None:
        given = self.costs
        if not given:
            raise BudgetError(
                f"at least one of {', '.join(NAMES)}",
                "an empty Budget()",
                "Write for example Budget(macs=0.3).",
            )
        if not isinstance(self.margin, Real) or not 0 <= self.margin < float("inf"):
            raise InvalidArgumentError(
                "margin to be a number of at least 0",
                f"margin={self.margin!r}",
                "Leave it out for 0.2, or pass 0 for none.",
            )
        for name, value in given.items():
            self._check(name, value)
        for name in ("search", "ramp"):
            if not 0 < getattr(self, name) <= 1:
                raise InvalidArgumentError(
                    f"{name} in (0, 1]",
                    f"{name}={getattr(self, name)!r}",
                    "Leave it out for the default.",
                )
        if self.charged not in CHARGED:
            raise InvalidArgumentError(
                f"charged to be {' or '.join(map(repr, CHARGED))}",
                f"charged={self.charged!r}",
                "Leave it out for the default.",
            )
        if not 0 <= self.warmup < 1:
            raise InvalidArgumentError(
                "warmup in [0, 1)",
                f"warmup={self.warmup!r}",
                "Leave it out for the default.",
            )

    @property
    def costs(self) -> dict[str, float | str]:
        """The costs that were given, as they were."""
        given = {name: getattr(self, name) for name in NAMES}
        return {name: value for name, value in given.items() if value is not None}

    def _check(self, name: str, value: object) -> None:
        if isinstance(value, str) and name in UNITS:
            amount(name, value)
        elif isinstance(value, bool) or not isinstance(value, Real):
            raise _bad(name, value)
        elif not is_number(value, name):
            raise _bad(name, value)
        if name == "latency" and self.found.latency is None:
            raise no_table()
        if name == "ram" and self._bytes("ram"):
            self._off_margin()

    @property
    def found(self) -> Measured:
        """All that was measured on the dense model."""
        found = self.measured or Measured()
        table = self.latency_table
        return found if table is None else replace(found, latency=table)

    def _bytes(self, name: str) -> float | None:
        """The cost itself, or None where it is a fraction, or not given."""
        value = getattr(self, name)
        if isinstance(value, str):
            return amount(name, value)
        return float(value) if value is not None and value > 1 else None

    def _off_margin(self) -> float:
        """The most that the arena may be on a computer."""
        total = self._bytes("ram") or 0.0
        if not self.margin:
            return total
        left = min(total - _LEAST_MARGIN, total / (1 + self.margin))
        if left <= 0:
            raise BudgetError(
                "ram of more than the margin of 8 KiB that a board may need",
                f"ram={self.ram!r}",
                "Pass margin=0 for an arena on the computer, or raise ram=.",
            )
        return left

    def limits(self, dense: dict[str, float]) -> dict[str, float]:
        """The absolute limit of each cost that was given.

        Args:
            dense: name -> cost of the dense model.
        """
        limits = {}
        for name in NAMES:
            value, absolute = getattr(self, name), self._bytes(name)
            if name == "ram" and absolute is not None:
                limits[name] = self._off_margin()
            elif absolute is not None:
                limits[name] = absolute
            elif value is not None:
                limits[name] = float(value) * dense[name]
        return limits


def _bad(name: str, value: object) -> BudgetError:
    text = f'text such as "{example(name)}"' if name in UNITS else ""
    absolute = "" if name in WANTS_UNIT else " or a whole number above 1"
    return BudgetError(
        f"{name} as a fraction in (0, 1]{absolute}{text and ', or ' + text}",
        f"{name}={value!r}",
        f"Write {name}=0.3 for 30 % of the dense model.",
    )
