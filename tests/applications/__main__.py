"""Law 3 on every model of `keras.applications`: `python -m tests.applications`."""

import argparse
import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.applications import table
from tests.applications.table import Row, Rows

ROOT = Path(__file__).resolve().parents[2]
CLOSED = (0.3, 0.5, 0.7)
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}


def parser() -> argparse.ArgumentParser:
    """The words that the command knows."""
    words = argparse.ArgumentParser(prog="python -m tests.applications")
    words.description = (
        "Masks each model, closes random units, strips, and holds it to law 3. "
        "Status 1 where the law fails, or a row lost more MACs in the committed table."
    )
    words.add_argument("names", nargs="*", help="models; by default all")
    words.add_argument(
        "--closed", type=float, nargs="+", default=CLOSED,
        help="shares of each gate to close; default: 0.3 0.5 0.7",
    )  # fmt: skip
    words.add_argument(
        "--out", type=Path, default=table.COMMITTED,
        help="the .json file to go on with; default: the committed one",
    )  # fmt: skip
    words.add_argument(
        "--again", action="store_true", help="also what the file holds already"
    )
    words.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    return words


def main(argv: list[str] | None = None) -> int:
    """Run what is asked for; 1 where anything failed or fell."""
    words = parser()
    arguments = words.parse_args(argv)
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    from tests.applications.models import MODELS

    names = arguments.names or list(MODELS)
    unknown = [name for name in names if name not in MODELS]
    if unknown:
        words.error(f"{', '.join(unknown)}: no such model; there are {list(MODELS)}")
    if not all(0 <= closed < 1 for closed in arguments.closed):
        words.error("--closed takes shares of at least 0 and below 1")
    if arguments.child:
        return _be_the_child(names[0], arguments.closed)
    return _run_all(names, arguments, list(MODELS))


def _run_all(names: list[str], arguments: argparse.Namespace, order: list[str]) -> int:
    from keras_diffmask.export.machine import machine

    committed, rows = table.load(table.COMMITTED), table.load(arguments.out)
    shown: list[Row] = []
    for name in names:
        todo = [c for c in arguments.closed if arguments.again or _due(rows, name, c)]
        for row in _rows_of(name, todo) if todo else ():
            worse = table.fell(row, committed)
            row["failures"] += [worse] if worse else []
            shown.append(row)
            # What was good stays in the file until something as good comes.
            if not row["failures"] or _due(rows, name, row["closed"]):
                rows[name, row["closed"]] = row
        kept = [c for c in arguments.closed if c not in todo]
        shown += [rows[name, closed] for closed in kept]
        if todo:
            table.save(arguments.out, rows, dataclasses.asdict(machine()), order)
            print(table.render(shown[-len(arguments.closed) :]), flush=True)
    print(f"\n{table.render(shown)}")
    return int(any(row["failures"] for row in shown))


def _due(rows: Rows, name: str, closed: float) -> bool:
    return (name, closed) not in rows or bool(rows[name, closed]["failures"])


def _rows_of(name: str, closed: list[float]) -> Iterator[Row]:
    """One model in a process of its own, whose memory goes when it ends."""
    shares = [str(share) for share in closed]
    command = [sys.executable, "-m", "tests.applications", name, "--child"]
    child = subprocess.run(
        [*command, "--closed", *shares], capture_output=True, text=True, cwd=ROOT
    )
    lines = [line for line in child.stdout.splitlines() if line.startswith("{")]
    found = {row["closed"]: row for row in map(json.loads, lines)}
    for share in closed:
        yield found.get(share) or {
            "model": name,
            "closed": share,
            "failures": [f"status {child.returncode}: {_last_line(child.stderr)}"],
        }


def _last_line(text: str) -> str:
    return next((line for line in text.splitlines()[::-1] if line.strip()), "")[:300]


def _be_the_child(name: str, closed: list[float]) -> int:
    from tests.applications.checks import Bench

    bench = Bench(name)
    for share in closed:
        print(json.dumps(_plain(bench.row(share))), flush=True)
    return 0


def _plain(row: Row) -> Any:
    return json.loads(json.dumps(row, default=float))


if __name__ == "__main__":
    sys.exit(main())
