"""Measuring on a phone or a board: the rounds, and what is taken beside them."""

from keras_diffmask.errors import DeviceError, DiffmaskError
from keras_diffmask.export.benchmark_model import (
    Figures,
    Request,
    read_ops,
)
from keras_diffmask.export.benchmarking.connection import connect
from keras_diffmask.export.benchmarking.device_session import (
    OPS,
    RESULT,
    Session,
    open_session,
)
from keras_diffmask.export.benchmarking.device_settings import DeviceSettings
from keras_diffmask.export.benchmarking.interleave import Progress, order_of
from keras_diffmask.export.benchmarking.records import Tool
from keras_diffmask.export.benchmarking.remote_result import Found, Setting, result_of
from keras_diffmask.export.benchmarking.result import BenchmarkResult
from keras_diffmask.export.devices.conditions import cool_down, read_conditions


def measure_remote(
    models: dict[str, bytes],
    device: str,
    settings: DeviceSettings,
    progress: Progress | None = None,
) -> BenchmarkResult:
    """Runs Google's benchmark_model on a device, the models in turns.

    Args:
        models: bytes by name.
        device: an address, see `open_shell`.
        settings: how to measure.
        progress: called with (rounds done, rounds in all).

    Returns:
        The result.

    Raises:
        DeviceError: the device refuses, or was lost; `partial` is what had been
            measured. A KeyboardInterrupt has that attribute too.
        DiffmaskError: see `benchmark`.
    """
    connection = connect(device, settings)
    shell, binary, cores = connection.shell, connection.binary, connection.cores
    files = {name: f"model_{i}.tflite" for i, name in enumerate(models)}
    pushed = {files[name]: content for name, content in models.items()}
    found = Found()
    tool = Tool(
        "", str(binary.path), binary.sha256, binary.bytes, settings.delegate, cores
    )
    setting = Setting(shell, connection.facts, tool, settings, models, files)
    try:
        with open_session(shell, binary, pushed, cores, settings.timeout) as session:
            setting.folder = session.folder
            found.conditions.append(read_conditions(shell))
            setting.tool_kind = _kind(session, settings, *next(iter(files.items())))
            _rounds(session, setting, found, progress)
            _aside(session, setting, found)
    except (DiffmaskError, KeyboardInterrupt) as error:
        why = str(error) if isinstance(error, DiffmaskError) else "Interrupted."
        if any(found.rounds.values()):
            # KeyboardInterrupt declares no such attribute.
            setattr(error, "partial", result_of(setting, found, why))  # noqa: B010
        raise
    return result_of(setting, found)


def _kind(session: Session, settings: DeviceSettings, name: str, file: str) -> str:
    """Which of the two tools it is: one inference shows it."""
    request = Request(
        file, threads=settings.threads, runs=1, seconds=0, warmup=1, warmup_seconds=0
    )
    figures, _ = session.run(request, name)
    return figures.tool


def _rounds(
    session: Session, setting: Setting, found: Found, progress: Progress | None
) -> None:
    settings = setting.settings
    for turn in range(settings.rounds):
        cool_down(session.shell, found.conditions[-1])
        for name in order_of(list(setting.files), turn):
            request = settings.timed(setting.files[name], setting.tool_kind, RESULT)
            figures, _ = session.run(request, name)
            _check_delegate(settings.delegate, figures)
            found.rounds.setdefault(name, []).append(figures)
        found.conditions.append(read_conditions(session.shell))
        if progress is not None:
            progress(turn + 1, settings.rounds)


def _aside(session: Session, setting: Setting, found: Found) -> None:
    """Memory and operations, in runs of their own: both disturb the times."""
    settings, kind = setting.settings, setting.tool_kind
    for name, file in setting.files.items():
        figures, _ = session.run(settings.aside(file, kind, memory=True), name)
        found.memory[name] = figures
        if settings.per_op:
            request = settings.aside(file, kind, ops=OPS)
            figures, answer = session.run(request, name)
            table = session.fetch(OPS).decode("utf-8", "replace")
            # Older tools, and the newer one, print it.
            rows = read_ops(table) or read_ops(answer.text)
            found.ops[name] = (rows, figures.mean_us)


def _check_delegate(delegate: str, figures: Figures) -> None:
    flag = {"gpu": "--use_gpu", "none": "--use_xnnpack"}.get(delegate)
    if flag is not None and any(word.startswith(flag) for word in figures.ignored):
        raise DeviceError(
            f"a benchmark_model that knows {flag}, for delegate={delegate!r}",
            "one that ignores it",
            "Take a newer one, or another delegate.",
        )
