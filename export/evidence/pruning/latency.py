"""How long the files of several networks take, in turns on this computer."""

from collections.abc import Mapping

from keras_diffmask.export.artifact import Artifact
from keras_diffmask.export.benchmarking import host
from keras_diffmask.export.runs import Figures

#: Turns, and seconds for each file over all of them.
ROUNDS, SECONDS, WARMUP = 40, 2.0, 20
QUICK_ROUNDS, QUICK_SECONDS = 5, 0.05


def measure_latency(
    files: Mapping[tuple[str, str], Artifact], baseline: str, is_quick: bool
) -> Figures:
    """Times all files in one process, each round all of them.

    Args:
        files: (network, name of its file) -> the file.
        baseline: the network that the others are compared with, file by file.
        is_quick: only to see that it works.

    Returns:
        Name of a file -> network -> its median in microseconds, and its time over
        the baseline's: median over the rounds, 5 % and 95 %.
    """
    rounds, seconds = (QUICK_ROUNDS, QUICK_SECONDS) if is_quick else (ROUNDS, SECONDS)
    contents = {_key(*which): file.content for which, file in files.items()}
    result = host.measure(contents, 1, rounds, seconds, WARMUP, None)
    figures: Figures = {}
    for network, name in files:
        ratio = result.ratio(_key(network, name), _key(baseline, name))
        figures.setdefault(name, {})[network] = {
            "median_us": result[_key(network, name)].median_us,
            "ratio": ratio.median,
            "p5": ratio.p5,
            "p95": ratio.p95,
        }
    return figures


def _key(network: str, name: str) -> str:
    return f"{network} as {name}"
