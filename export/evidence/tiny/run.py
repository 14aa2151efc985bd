"""MLPerf Tiny's shapes, dense and stripped, on a microcontroller's interpreter."""

from keras_diffmask.export.demo.folder import results_folder
from keras_diffmask.export.demo.reporter import Reporter
from keras_diffmask.export.evidence.report import Report, Table, report_of
from keras_diffmask.export.evidence.settings import Settings
from keras_diffmask.export.evidence.tiny.networks import NETWORKS
from keras_diffmask.export.evidence.tiny.trial import ACCELERATOR, run_trial
from keras_diffmask.export.runs import Figures, Runs
from keras_diffmask.export.tflm import check_tflm

NAME = "tiny"
SHARE, EXAMPLES = 0.3, 100
QUICK_NETWORKS, QUICK_EXAMPLES = ("DS-CNN", "2 LSTM"), 8
HEADER = (
    *("network", "MACs", "file", "weights", "arena"),
    *("Vela cycles", "estimated ms", "TFLM = LiteRT", "max LSB"),
)


def tiny(settings: Settings, reporter: Reporter) -> Report:
    """Exports every network as int8 and runs it in TFLM.

    Args:
        settings: what to do; nothing is trained, and no data is read.
        reporter: shows the progress.

    Returns:
        The `Report`. In the folder `settings.out` lie `tiny.json` and the figures
        of each network under `runs`.

    Raises:
        DiffmaskError: TFLM is not installed, or the folder cannot be used.
    """
    check_tflm()
    runs = Runs(results_folder(settings.out) / "runs")
    names = QUICK_NETWORKS if settings.quick else tuple(NETWORKS)
    examples = QUICK_EXAMPLES if settings.quick else EXAMPLES
    found: dict[str, dict[str, Figures]] = {}
    with reporter.phase("networks", 2 * len(names)) as advance:
        for name in names:
            found[name] = {}
            for form, share in (("dense", None), ("stripped", SHARE)):
                found[name][form] = _once(runs, name, share, examples)
                advance(f"{name}, {form}")
    report = _report(settings, found, examples)
    report.save(results_folder(settings.out))
    return report


def _once(runs: Runs, network: str, share: float | None, examples: int) -> Figures:
    about = {"evidence": NAME, "network": network, "share": share}
    return runs.once(
        {**about, "examples": examples}, lambda _: run_trial(network, share, examples)
    )


def _report(
    settings: Settings, found: dict[str, dict[str, Figures]], examples: int
) -> Report:
    rows = [
        _row(f"{name}, {form}", figures)
        for name, forms in found.items()
        for form, figures in forms.items()
    ]
    every = [figures for forms in found.values() for figures in forms.values()]
    return report_of(
        name=NAME,
        settings=settings,
        title=(
            f"MLPerf Tiny's shapes and an LSTM, int8 for a Cortex-M, dense and with "
            f"{SHARE:.0%} of the MACs.",
            "Weights and the channels that stay are random: sizes, arena and cycles do "
            "not depend on them, and accuracy is not the question here.",
        ),
        tables=(Table(HEADER, tuple(rows)),),
        notes=_notes(every, examples),
        figures=found,
        files=(),
        seconds=sum(figures["seconds"] for figures in every),
    )


def _row(label: str, figures: Figures) -> tuple[str, ...]:
    estimate = figures["vela"]
    return (
        label,
        f"{figures['macs']:,}",
        f"{figures['file_bytes']:,}",
        f"{figures['weight_bytes']:,}",
        f"{figures['arena']:,}",
        f"{estimate['total_cycles']:,}" if estimate else "",
        f"{estimate['inference_ms']:.3f}" if estimate else "",
        f"{figures['exact']:.2%}",
        str(figures["max_lsb"]),
    )


def _notes(every: list[Figures], examples: int) -> tuple[str, ...]:
    notes = [
        "Bytes. Arena: TFLM's interpreter on this 64-bit computer, without a margin.",
        f"TFLM = LiteRT: outputs equal to those of LiteRT's reference kernels, on "
        f"{examples} random inputs. Convolutions are equal bit for bit; a Dense layer "
        "is a step off now and then, for LiteRT 2 rounds its sums once and TFLM twice, "
        "and ten of them in a row add that up.",
    ]
    estimate = next((figures["vela"] for figures in every if figures["vela"]), None)
    if estimate is None:
        return (*notes, f"Without Vela: no estimate for {ACCELERATOR}.")
    left = sum(len(figures["vela"]["cpu_ops"]) for figures in every)
    return (
        *notes,
        f"Cycles and time are Vela's estimate for {estimate['configuration']}; "
        f"{left or 'no'} operators fall back to the CPU.",
    )
