"""How long ResNet50 is masked, stripped and converted, beside the converter alone."""

from collections.abc import Sequence

from keras_diffmask.export.demo.folder import results_folder
from keras_diffmask.export.demo.reporter import Reporter
from keras_diffmask.export.evidence.report import Report, Sample, Table, report_of
from keras_diffmask.export.evidence.resnet50.trial import (
    ALONE,
    DENSE,
    OURS,
    STRIPPED,
    run_trial,
)
from keras_diffmask.export.evidence.settings import Settings
from keras_diffmask.export.runs import Figures, Runs

NAME = "resnet50"
CLOSED, ROUNDS, EXAMPLES = 0.5, 3, 16
NETWORK, QUICK_NETWORK = "ResNet50", "ResNet-8"
KINDS, QUICK_KINDS = ("float32", "int8"), ("float32",)
FORMS, QUICK_FORMS = (DENSE, STRIPPED), (STRIPPED,)


def resnet50(settings: Settings, reporter: Reporter) -> Report:
    """Times every step from the stock ResNet50 to a file, in turns.

    Args:
        settings: what to do; nothing is trained, and no data is read.
        reporter: shows the progress.

    Returns:
        The `Report`. In the folder `settings.out` lie `resnet50.json` and the
        times of each round under `runs`.

    Raises:
        DiffmaskError: the folder cannot be used, or a conversion fails.
    """
    runs = Runs(results_folder(settings.out) / "runs")
    network = QUICK_NETWORK if settings.quick else NETWORK
    kinds = QUICK_KINDS if settings.quick else KINDS
    forms = QUICK_FORMS if settings.quick else FORMS
    count = 1 if settings.quick else ROUNDS
    rounds: list[Figures] = []
    with reporter.phase("rounds", count) as advance:
        for number in range(count):
            about = {
                "evidence": NAME, "network": network, "closed": CLOSED, "kinds": kinds,
                "forms": forms, "examples": EXAMPLES, "round": number,
            }  # fmt: skip
            rounds.append(
                runs.once(
                    about,
                    lambda job: run_trial(network, CLOSED, kinds, forms, EXAMPLES, job),
                )
            )
            advance(f"round {number + 1}")
    report = _report(settings, network, rounds)
    report.save(results_folder(settings.out))
    return report


def _report(settings: Settings, network: str, rounds: Sequence[Figures]) -> Report:
    first = rounds[0]
    steps = [
        (step, _seconds([one["steps"][step] for one in rounds]))
        for step in first["steps"]
    ]
    files = [(name, *_conversion(name, rounds)) for name in first["conversions"]]
    macs, parameters = first["macs"], first["parameters"]
    return report_of(
        name=NAME,
        settings=settings,
        title=(
            f"{network}, {parameters[DENSE]:,} parameters and {macs[DENSE]:,} MACs; "
            f"{CLOSED:.0%} of every gate closed at random leave "
            f"{parameters[STRIPPED]:,} and {macs[STRIPPED]:,}.",
            f"Seconds, {len(rounds)} rounds, in each every step once.",
        ),
        tables=(
            Table(("step", "seconds"), tuple(steps)),
            Table(("file", OURS, ALONE, "ratio", "bytes", ALONE), tuple(files)),
        ),
        notes=(
            f"{OURS}: with the child process, Keras starting there, and all checks "
            f"of the file. {ALONE}: `TFLiteConverter.from_keras_model` and `convert` "
            "with the same calibration, in a process that has started; nothing is "
            "checked.",
        ),
        figures={"rounds": list(rounds)},
        files=(),
        seconds=sum(one["seconds"] for one in rounds),
    )


def _seconds(values: Sequence[float]) -> str:
    return Sample(tuple(values)).written(".1f")


def _conversion(name: str, rounds: Sequence[Figures]) -> tuple[str, ...]:
    found = [one["conversions"][name] for one in rounds]
    ours, alone = ([one["seconds"][who] for one in found] for who in (OURS, ALONE))
    ratios = tuple(a / b for a, b in zip(ours, alone, strict=True))
    sizes = (f"{found[0]['bytes'][who]:,}" for who in (OURS, ALONE))
    return (_seconds(ours), _seconds(alone), Sample(ratios).written(), *sizes)
