"""The README's measured tables and sentences, made of the committed JSON.

`python -m tests.readme` prints them, to be put into the README.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
Rows = list[tuple[str, ...]]
CORES = ("A53", "A72", "A76")


def load(name: str) -> dict[str, Any]:
    """A committed file, by its path."""
    return json.loads((ROOT / name).read_text("utf-8"))


def million(count: float) -> str:
    """In millions, two places."""
    return f"{count / 1e6:.2f}"


# -- tables ---------------------------------------------------------------------------


def tiny(report: dict[str, Any]) -> Rows:
    """Dense to stripped; of the agreement the worse."""
    rows = []
    for name, forms in report["figures"].items():
        dense, slim = forms["dense"], forms["stripped"]
        exact = min(dense["exact"], slim["exact"])
        of_vela = [form["vela"]["total_cycles"] for form in (dense, slim)]
        rows.append((
            name.replace("2 LSTM", "2 LSTM of 64"),
            f"{million(dense['macs'])} to {million(slim['macs'])} M",
            f"{dense['file_bytes']:,} to {slim['file_bytes']:,}",
            f"{dense['arena']:,} to {slim['arena']:,}",
            f"{of_vela[0]:,} to {of_vela[1]:,}",
            f"{'100' if exact == 1 else f'{100 * exact:.1f}'} %, "
            f"{max(dense['max_lsb'], slim['max_lsb'])}",
        ))  # fmt: skip
    return rows


def arm64_networks(report: dict[str, Any]) -> Rows:
    """Thousands of instructions of int8 files."""
    found = report["figures"]["networks"]
    names = [name.split(",")[0] for name in found if name.endswith("dense, int8")]
    rows = []
    for name in names:
        cells = []
        for core in CORES:
            slim, dense = (
                found[f"{name}, {form}, int8"]["instructions"][
                    f"cortex-{core.lower()}"
                ][0]
                for form in ("stripped", "dense")
            )
            cells.append(
                f"{slim / 1000:,.0f} / {dense / 1000:,.0f} ({slim / dense:.2f})"
            )
        rows.append((name.replace("depthwise", "depthwise net"), *cells))
    return rows


def arm64_widths(report: dict[str, Any], widths: tuple[str, ...]) -> Rows:
    """Thousands of instructions where all layers have one width."""
    found = report["figures"]["widths"]
    return [
        (
            core,
            *(
                f"{found[w]['instructions'][f'cortex-{core.lower()}'][0] / 1000:,.0f}"
                for w in widths
            ),
        )
        for core in CORES
    ]


def joint(report: dict[str, Any]) -> Rows:
    """As the command prints it, less the share of the MACs."""
    (table,) = report["tables"]
    return [(row[0], row[1], row[2], row[4]) for row in table["rows"]]


def compare(report: dict[str, Any]) -> Rows:
    """One row per estimator: on channels, then on weights, the best first."""
    found = sorted(
        report["rows"],
        key=lambda row: ("(" in row["method"], "weights" in row["method"],
                         -row["accuracy"]["mean"]),
    )  # fmt: skip
    rows = []
    for row in found:
        accuracy, macs = row["accuracy"], row["macs"]["mean"]
        middle = f"{100 * accuracy['mean']:.2f}"
        span = f"{100 * accuracy['low']:.2f}..{100 * accuracy['high']:.2f}"
        name, _, what = row["method"].rstrip(")").partition(" (")
        lost = 100 * (found[0]["accuracy"]["mean"] - accuracy["mean"])
        slow = ", and no faster" if macs == 1 else ""
        rows.append((
            f"`{name}`, {what}" if what else name,
            f"{middle} ({span})",
            *(f"{100 * row[part]['mean']:.1f}".replace("100.0", "100")
              for part in ("units", "weights", "macs")),
            f"{lost:.2f}{slow}" if what else "",
        ))  # fmt: skip
    return rows


def har(report: dict[str, Any]) -> Rows:
    """As the command prints it, less the pruned network in floats."""
    (table,) = report["tables"]
    return [
        (row[0], row[1], *row[4:]) for row in table["rows"] if row[0] != "pruned float"
    ]


def peers(report: dict[str, Any]) -> Rows:
    """Of both printed tables what tells the networks apart."""
    trained, files = report["tables"]
    rows = []
    for own, file in zip(trained["rows"], files["rows"], strict=True):
        assert own[0] == file[0]
        accuracies = (cell.split(" (")[0] for cell in (own[1], file[3]))
        macs = own[3].split(" ")[0]
        rows.append((own[0], *accuracies, macs, file[2], file[5]))
    return rows


def ptb(report: dict[str, Any]) -> Rows:
    """Ours, and two of the published rows."""
    (table,) = report["tables"]
    dense, ours, large, iss = table["rows"][:4]
    assert large[0].startswith("published: dense") and iss[0] == "published: ISS"

    def row(of: tuple[str, ...], name: str, fewer: str, faster: str) -> tuple[str, ...]:
        neurons = of[3].replace(" ", ", ")
        return name, f"{of[1]} / {of[2]}", neurons, of[5] + fewer, faster

    return [
        row(dense, dense[0], "", ""),
        row(ours, ours[0], f", {ours[6]} fewer", f"{ours[7]} / {ours[8]}"),
        row(large, "published: dense, 2 x 1500", "", ""),
        row(iss, "published: ISS, 2 x 1500", f", {iss[6]} fewer", iss[7]),
    ]


def applications(report: dict[str, Any]) -> Rows:
    """Each model once, over all shares closed."""
    rows, by_model = [], {}
    for row in report["rows"]:
        by_model.setdefault(row["model"], []).append(row)
    for name, of in by_model.items():
        left = " / ".join(f"{100 * row['macs'][1] / row['macs'][0]:.1f}" for row in of)
        furthest = max(row["float64"] for row in of)
        rows.append((name, str(of[0]["gates"]), f"{left} %", f"{furthest:.0e}"))
    return [(*row[:3], row[3].replace("e-0", "e-")) for row in rows]


def _peers_header(label: str) -> tuple[str, ...]:
    figures = ("test accuracy %", "as int8 %", "MACs %", "bytes int8")
    return (label, *figures, "time int8 / dense")


_WIDTHS = ("8", "15", "16", "17", "24", "25", "32", "33")

#: The header's cells -> the file, and what makes the rows of it.
TABLES: dict[tuple[str, ...], tuple[str, Callable[[dict[str, Any]], Rows]]] = {
    (
        *("int8, dense to stripped", "MACs", "file", "TFLM arena", "Vela cycles"),
        "TFLM = LiteRT, LSB",
    ): ("docs/tiny.json", tiny),
    ("30 % of the MACs, stripped / dense", *CORES): ("docs/arm64.json", arm64_networks),
    ("all layers this wide", *_WIDTHS): (
        "docs/arm64.json",
        lambda report: arm64_widths(report, _WIDTHS),
    ),
    ("", "test accuracy %", "points to dense float", "bytes"): (
        "docs/joint.json",
        joint,
    ),
    (
        *("30 % of the MACs", "test accuracy % (lowest..highest)", "kept %"),
        *("weights left %", "MACs %", "points below dense"),
    ): ("docs/compare.json", compare),
    (
        *("UCI HAR, rebuilt windows", "test accuracy % (lowest..highest)", "MACs"),
        *("int8 file", "TFLM arena"),
    ): ("docs/har.json", har),
    (
        *("2 LSTM layers", "valid / test perplexity", "embedding, hidden neurons"),
        *("mult-adds", "latency ratio, batch 1 / 20"),
    ): ("docs/ptb-small.json", ptb),
    _peers_header("2 LSTM of 64 on UCI HAR"): ("docs/peers-uci_har.json", peers),
    _peers_header("DS-CNN on Speech Commands"): (
        "docs/peers-speech_commands.json",
        peers,
    ),
    (
        *("model", "gates", "MACs left at 30 / 50 / 70 % closed"),
        "largest float64 difference",
    ): ("tests/applications/results.json", applications),
}


# -- sentences ------------------------------------------------------------------------


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
    return [
        f"Of {len(report['models'])} randomly pruned ResNet-8",
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
    return [f"`{_ESTIMATORS[found['ours']]}`", *said]


_ESTIMATORS = {
    "ours": "differentiable_mask",
    "ours, hard concrete": "hard_concrete",
}


def about_joint(report: dict[str, Any]) -> list[str]:
    """Files against their simulations."""
    int8, int4 = (
        report["figures"]["trials"][name][0]["files"]["learned"]["agreement"]
        for name in ("joint int8", "joint int4")
    )
    return [
        f"{100 * int8['within_1']:.2f} % of the outputs at most one integer apart, the "
        f"same class in {100 * int8['class']:.2f} %, or "
        f"{100 * int8['class_within_1']:.2f} % where classes one step apart",
        f"Of the int4 file {100 * int4['within_1']:.0f} % are at most one apart, the "
        f"class is the same in {100 * int4['class']:.2f} %",
    ]


#: The file -> the sentences, or parts of sentences, that the README makes of it.
SENTENCES: dict[str, Callable[[dict[str, Any]], list[str]]] = {
    "docs/har.json": about_har,
    "docs/speech-lstm.json": about_speech,
    "docs/handwritten.json": about_handwritten,
    "docs/resnet50.json": about_resnet50,
    "docs/lstm-int8.json": about_lstm_int8,
    "docs/latency_resnet8.json": about_latency,
    "docs/training_step.json": about_steps,
    "docs/training_step_recurrent.json": about_recurrent_steps,
    "docs/training_step_budget.json": about_budget_steps,
    "docs/joint.json": about_joint,
    "docs/peers-uci_har.json": about_peers,
    "docs/peers-speech_commands.json": about_peers,
}
