"""The measured tables of README and docs/figures.md, made of the committed JSON.

`python -m tests.readme` prints them, to be put there.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
README, FIGURES = ROOT / "README.md", ROOT / "docs" / "figures.md"
Rows = list[tuple[str, ...]]
CORES = ("A53", "A72", "A76")


def load(name: str) -> dict[str, Any]:
    """A committed file, by its path."""
    return json.loads((ROOT / name).read_text("utf-8"))


def million(count: float) -> str:
    """In millions, two places."""
    return f"{count / 1e6:.2f}"


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


def budgets(report: dict[str, Any]) -> Rows:
    """One row per budget: every method's accuracy, and what ours has left."""
    (table,) = report["tables"]
    (_, _, dense, *_), *others = table["rows"]
    of: dict[str, dict[str, tuple[str, ...]]] = {}
    for row in others:
        of.setdefault(row[0], {})[row[1]] = row
    methods = ("ours", "narrowed", "L1 norm")
    return [("dense", dense, *[""] * len(methods))] + [
        (share, *(rows[method][2] for method in methods), rows["ours"][4])
        for share, rows in of.items()
    ]


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


def peers_in_full(report: dict[str, Any]) -> Rows:
    """The same, with what is not on the README."""
    trained, files = report["tables"]
    return [
        (*short[:4], own[4], file[1], short[4], file[4].split(" ")[0], short[5], own[5])
        for short, own, file in zip(
            peers(report), trained["rows"], files["rows"], strict=True
        )
    ]


def lenet(report: dict[str, Any]) -> Rows:
    """The networks, and what their frozen features come to elsewhere."""
    networks, features = report["tables"]
    return [
        (f"{own[0]}, {own[1]}", *own[2:6], other[2])
        for own, other in zip(networks["rows"], features["rows"], strict=True)
    ]


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


def demo(report: dict[str, Any]) -> Rows:
    """One column per model; the times are over the dense one's of the same type."""
    dense, pruned, integers, scratch = report["rows"]

    def accuracy(of: dict[str, Any]) -> str:
        found = of["accuracy"]
        mean, low, high = (100 * found[name] for name in ("mean", "low", "high"))
        return f"{mean:.2f} ({low:.2f}..{high:.2f})"

    def both(of: dict[str, Any]) -> str:
        return f"{of['float_bytes']:,.0f} / {of['int8_bytes']:,.0f}"

    models = dense, pruned, integers, scratch
    return [
        ("accuracy % (lowest..highest)", *map(accuracy, models)),
        ("MACs", *(f"{one['macs']:,.0f}" for one in models)),
        (
            *("bytes float / int8", both(dense), f"{pruned['float_bytes']:,.0f}"),
            *(f"{integers['int8_bytes']:,.0f}", both(scratch)),
        ),
        (
            *("time over dense of the same type", "1"),
            *(f"{one['time_ratio']:.2f}" for one in (pruned, integers, scratch)),
        ),
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


def _budgets_header(label: str) -> tuple[str, ...]:
    methods = ("ours, or dense", "narrowed", "L1 norms")
    return (f"{label}, MACs", *methods, "MACs % of ours")


def _peers_header(label: str) -> tuple[str, ...]:
    figures = ("test accuracy %", "as int8 %", "MACs %", "bytes int8")
    return (label, *figures, "time int8 / dense")


def _peers_in_full_header(label: str) -> tuple[str, ...]:
    return (
        *(f"{label}, in full", "test accuracy %", "as int8 %", "MACs %", "parameters"),
        *("bytes float32", "bytes int8", "time float32 / dense", "time int8 / dense"),
        "s / epoch",
    )


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
        "docs/joint-cifar10.json",
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
    _budgets_header("ResNet-8 on CIFAR-10"): ("docs/budgets-cifar10.json", budgets),
    _budgets_header("ResNet-8 on Fashion-MNIST"): (
        "docs/budgets-fashion_mnist.json",
        budgets,
    ),
    ("digits", "dense", "pruned", "pruned int8", "same widths from scratch"): (
        "docs/demo.json",
        demo,
    ),
    _peers_header("2 LSTM of 64 on UCI HAR"): ("docs/peers-uci_har.json", peers),
    _peers_header("DS-CNN on Speech Commands"): (
        "docs/peers-speech_commands.json",
        peers,
    ),
    **{
        header(f"ResNet-8 on {data}"): (f"docs/peers-{name}.json", rows)
        for data, name in (
            ("CIFAR-10", "cifar10"),
            ("Fashion-MNIST", "fashion_mnist"),
        )
        for header, rows in (
            (_peers_header, peers),
            (_peers_in_full_header, peers_in_full),
        )
    },
    (
        *("MNIST, 40 epochs", "test error %", "weights left %", "units", "MACs %"),
        "features on Fashion-MNIST, error %",
    ): ("docs/lenet.json", lenet),
    (
        *("model", "gates", "MACs left at 30 / 50 / 70 % closed"),
        "largest float64 difference",
    ): ("tests/applications/results.json", applications),
}
