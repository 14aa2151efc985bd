"""What the README says of measurements in sentences, made of the committed JSON."""

from collections.abc import Callable
from typing import Any

import numpy as np


def _spread(values: list[float], form: str = ".2f") -> str:
    return f"{np.mean(values):{form}} ± {np.std(values, ddof=1):{form}}"


def about_har(report: dict[str, Any]) -> list[str]:
    """How far below, and how much smaller."""
    found = report["figures"]["summary"]
    below = [-points for points in found["points_pruned_int8_to_dense_float"]]
    low, high = -max(below), -min(below)
    return [
        f"{_spread(below)} points below the dense float one ({low:+.2f}..{high:+.2f})",
        f"its file is {np.mean(found['int8_bytes_ratio']):.2f}, its arena "
        f"{np.mean(found['arena_bytes_ratio']):.2f} of the dense int8 model's",
    ]


def about_speech(report: dict[str, Any]) -> list[str]:
    """The same, of spoken words."""
    figures = report["figures"]
    found, trials = figures["summary"], figures["trials"]

    def accuracy(model: str, kind: str) -> str:
        return _spread([100 * one["test"][kind] for one in trials[model]])

    below = [-points for points in found["points_pruned_int8_to_dense_float"]]
    return [
        f"{accuracy('dense', 'float')} dense float, {accuracy('pruned', 'int8')} "
        f"pruned int8, paired {_spread(below)} points below",
        f"MACs {np.mean(found['macs_ratio']):.2f}, file "
        f"{np.mean(found['int8_bytes_ratio']):.2f}, arena "
        f"{np.mean(found['arena_bytes_ratio']):.3f}",
    ]


def about_handwritten(report: dict[str, Any]) -> list[str]:
    """The largest differences of all."""
    found = report["figures"].values()
    assert all(
        one["operators"]["stripped"] == one["operators"]["written by hand"]
        and one["differing"] == 0
        for one in found
    )
    ratios = []
    for one in found:
        slim, hand = (one["instructions"][of] for of in ("stripped", "written by hand"))
        ratios += [slim[core] / hand[core] - 1 for core in slim]
    sizes = [one["bytes"].values() for one in found]
    longer = max(abs(slim / hand - 1) for slim, hand in sizes)
    values = sum(one["values"] for one in found)
    return [
        f"all {values:,} answers are equal bit for bit",
        f"sizes are at most {100 * longer:.1f} % apart",
        f"instructions at most {100 * max(map(abs, ratios)):.3f} %",
    ]


def about_resnet50(report: dict[str, Any]) -> list[str]:
    """Means over the rounds."""
    rounds = report["figures"]["rounds"]

    def step(name: str) -> str:
        return f"{np.mean([one['steps'][name] for one in rounds]):.1f} s"

    def file(name: str) -> str:
        times = [one["conversions"][name]["seconds"].values() for one in rounds]
        ours, alone = np.mean([list(pair) for pair in times], axis=0)
        return f"{ours:.0f} s, the converter alone {alone:.0f} s"

    return [
        f"masked in {step('mask_model')}, planned in {step('plan')} and stripped in "
        f"{step('strip')}",
        *(
            f"{form} {kind}: `to_tflite` {file(f'{form}, {kind}')}"
            for form in ("dense", "stripped")
            for kind in ("float32", "int8")
        ),
    ]


def about_lstm_int8(report: dict[str, Any]) -> list[str]:
    """Integers apart in TFLM, over all networks."""
    networks = report["tables"][1]["rows"]
    equal, one = (np.mean([float(row[at]) for row in networks]) for at in (6, 7))
    found = report["figures"]["summary"]
    more = 100 * found["share_above_2"]
    return [
        f"{equal:.1f} % of the outputs are equal, {one:.1f} % one integer apart, "
        f"{more:.2f} % more than two (at most {found['largest_difference']},",
        f"of the median sequence it is at most "
        f"{100 * found['largest_median_error']:.1f} %",
    ]


def about_latency(report: dict[str, Any]) -> list[str]:
    """Predicted against measured."""
    network = {"resnet8": "ResNet-8", "depthwise": "depthwise networks"}
    return [
        f"{len(report['models'])} randomly pruned {network[report['network']]}",
        f"a median error of {100 * report['median_error']:.1f} %, and their order with "
        f"a rank correlation of {report['rank_correlation']:.2f}, where MACs alone "
        f"reach {report['rank_correlation_of_macs']:.2f}",
    ]


def about_steps(report: dict[str, Any]) -> list[str]:
    """What masks cost, by network and granularity."""

    def ratios(network: str, granularity: str, but: str = "") -> list[float]:
        return [
            one["ratio"]["median"]
            for one in report["times"]
            if (one["network"], one["granularity"]) == (network, granularity)
            and one["estimator"] != but
        ]

    def span(values: list[float], form: str, to: str) -> str:
        return f"{min(values):{form}} {to} {max(values):{form}}"

    (sorts,) = (
        one["ratio"]
        for one in report["times"]
        if (one["network"], one["granularity"], one["estimator"])
        == ("resnet8", "weight", "top_k")
    )
    small = ratios("lenet_300_100", "weight", "top_k")
    most = max(ratios("lenet_300_100", "weight"))
    return [
        f"between {span(ratios('resnet8', 'channel'), '.2f', 'and')} times on channels",
        f"on weights {span(ratios('resnet8', 'weight', 'top_k'), '.2f', 'to')}, and "
        f"{sorts['median']:.2f} ({sorts['p5']:.2f}..{sorts['p95']:.2f}) for `top_k`",
        f"weights {span(small, '.1f', 'to')} times, under `top_k` {most:.0f} times",
    ]


def about_recurrent_steps(report: dict[str, Any]) -> list[str]:
    """What masks cost recurrent layers."""
    layers = [
        one["ratio"]["median"]
        for one in report["times"]
        if one["network"] == "two_lstm"
    ]
    return [f"cost {min(layers):.2f} to {max(layers):.2f} times Keras' own"]


def about_budget_steps(report: dict[str, Any]) -> list[str]:
    """What a budget adds."""
    ratio = report["ratio"]
    return [
        f"adds {100 * (ratio['median'] - 1):.1f} % to a step "
        f"({ratio['p5']:.2f}..{ratio['p95']:.2f}"
    ]


def about_quantization_steps(report: dict[str, Any]) -> list[str]:
    """What quantizers add."""
    ratio = report["ratio"]
    return [
        f"make it {ratio['median']:.2f} times as long",
        f"({ratio['p5']:.2f}..{ratio['p95']:.2f}, [training_step_quantization.json]",
    ]


def about_peers(report: dict[str, Any]) -> list[str]:
    """Who the validation part prefers, and how far from the others that is."""
    found = report["figures"]["summary"]
    points = {name: of["float"] for name, of in found["points"].items()}

    def away(name: str) -> str:
        mean = np.mean(points[name])
        word = "ahead of" if mean > 0 else "behind"
        spread = _spread([abs(mean) / mean * value for value in points[name]])
        return f"{spread} points {word}"

    others = ("narrowed", "L1 norm", "Torch-Pruning BN scale")
    said = [away(name) for name in others if name in points]
    return [f"`{_WAYS[found['ours']]}`", *said]


def about_peers_on_images(report: dict[str, Any]) -> list[str]:
    """The same of every other network, and who is first in the mean."""
    points = {
        name: np.asarray(of["float"])
        for name, of in report["figures"]["summary"]["points"].items()
    }
    sentences = about_peers(report)
    for name in ("Torch-Pruning group norm", "tfmot magnitude"):
        spread = _spread(list(np.sign(points[name].mean()) * points[name]))
        word = "ahead of" if points[name].mean() > 0 else "behind"
        sentences.append(f"{spread} points {word}")
    pruned = [name for name in points if name not in ("dense", "tfmot magnitude")]
    assert all(points[name].mean() > 0 for name in pruned), "ours is not the first"
    return sentences


_WAYS = {
    "ours": "differentiable_mask",
    "ours, the lowest charged": 'Budget(charged="lowest")',
    "ours, hard concrete": "hard_concrete",
}


def about_budgets(report: dict[str, Any]) -> list[str]:
    """How far ahead ours is at each budget, and how near to it."""
    found = report["figures"]["summary"]

    def span(other: str) -> str:
        ahead = [points for of in found.values() for points in of[f"points_to_{other}"]]
        return f"{min(ahead):.2f} to {max(ahead):.2f}"

    least = min(min(of["macs_share"]) / float(share) for share, of in found.items())
    assert all(max(of["macs_share"]) <= float(share) for share, of in found.items())
    return [
        f"{span('narrowed')} points ahead of the narrowed network",
        f"{span('L1_norm')} ahead of L1 norms",
        f"at least {100 * least:.1f} % of the budget and never above it",
    ]


def about_joint(report: dict[str, Any]) -> list[str]:
    """Files against what the model answers in Keras."""
    sentences = []
    for bits in ("int8", "int4"):
        close = [
            one["files"]["learned"]["agreement"]
            for one in report["figures"]["trials"][f"ours with {bits}"]
        ]
        mean = {key: 100 * sum(x[key] for x in close) / len(close) for key in close[0]}
        sentences.append(
            f"{bits} {mean['exact']:.2f} % of the outputs the very integer, "
            f"{mean['within_1']:.2f} % at most one apart, the same class in "
            f"{mean['class']:.2f} %"
        )
    return sentences


def about_joint_together(report: dict[str, Any]) -> list[str]:
    """Together against one after the other, and files against the models."""
    found, sentences = report["figures"]["summary"], about_joint(report)
    for bits in ("int8", "int4"):
        together, after = (
            100 * np.asarray(found[row])
            for row in (f"pruned and {bits} together", f"pruned, then {bits}")
        )
        ahead = together - after
        error = np.std(ahead, ddof=1) / np.sqrt(len(ahead))
        sentences.append(
            f"{np.mean(ahead):.2f} points with {bits} (standard error {error:.2f})"
        )
    return sentences


#: The file -> the sentences, or parts of sentences, that the README makes of it.
SENTENCES: dict[str, Callable[[dict[str, Any]], list[str]]] = {
    "docs/har.json": about_har,
    "docs/speech-lstm.json": about_speech,
    "docs/handwritten.json": about_handwritten,
    "docs/resnet50.json": about_resnet50,
    "docs/lstm-int8.json": about_lstm_int8,
    "docs/latency_resnet8.json": about_latency,
    "docs/latency_depthwise.json": about_latency,
    "docs/training_step.json": about_steps,
    "docs/training_step_recurrent.json": about_recurrent_steps,
    "docs/training_step_budget.json": about_budget_steps,
    "docs/training_step_quantization.json": about_quantization_steps,
    "docs/budgets-cifar10.json": about_budgets,
    "docs/budgets-fashion_mnist.json": about_budgets,
    "docs/joint-fashion_mnist.json": about_joint,
    "docs/joint-cifar10.json": about_joint_together,
    "docs/peers-uci_har.json": about_peers,
    "docs/peers-speech_commands.json": about_peers,
    "docs/peers-fashion_mnist.json": about_peers_on_images,
    "docs/peers-cifar10.json": about_peers_on_images,
}
