"""Where the command line writes: results to stdout, all else to stderr."""

import contextlib
import json as json_module
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TextIO

# Without a terminal, a phase is mentioned when it is still going on after so many
# seconds; remarks on its parts come at least so far apart.
PATIENCE = 20.0
BETWEEN_REMARKS = 10.0


class Console:
    """Results, progress and errors of one command.

    On a terminal a phase is a progress bar; elsewhere, lines now and then. It
    fits `keras_diffmask.export.demo.reporter.Reporter`.

    Args:
        json: results are JSON.
    """

    def __init__(self, json: bool = False) -> None:
        self.json = json
        # Kept from before anybody redirects them.
        self._out: TextIO = sys.stdout
        self._err: TextIO = sys.stderr
        self._pending: list[str] = []

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody but this console is heard, not even native libraries.

        TensorFlow 2.21 greets with ten lines about oneDNN and CUDA before it has
        read TF_CPP_MIN_LOG_LEVEL, and LiteRT with one about XNNPACK. They write
        to file descriptor 2, past `sys.stderr`. Python's stdout goes to stderr.
        """
        self._err.flush()
        with contextlib.ExitStack() as stack:
            stack.enter_context(contextlib.redirect_stdout(sys.stderr))
            if _descriptor(self._err) == 2:
                real = os.dup(2)
                stack.callback(os.close, real)
                self._err = stack.enter_context(
                    open(real, "w", encoding="utf-8", buffering=1, closefd=False)
                )
                stack.callback(setattr, self, "_err", sys.stderr)
                stack.callback(os.dup2, real, 2)
                with open(os.devnull, "wb") as nowhere:
                    os.dup2(nowhere.fileno(), 2)
            yield

    def result(self, data: dict[str, Any], text: Callable[[], str]) -> None:
        """Takes the command's result, once.

        Args:
            data: for `--json`.
            text: makes what is shown otherwise.
        """
        if self.json:
            self._pending.append(json_module.dumps(data, indent=1, allow_nan=False))
        else:
            self._pending.append(text())

    def flush(self) -> None:
        """Writes the results."""
        for text in self._pending:
            print(text, file=self._out)
        self._out.flush()
        self._pending.clear()

    def say(self, line: str) -> None:
        """Writes one line to stderr, whatever line breaks it had."""
        print(" ".join(line.split()), file=self._err, flush=True)

    def error(self, sentence: str) -> None:
        """Writes what went wrong, in one line."""
        self.say(f"keras-diffmask: {sentence}")

    @contextlib.contextmanager
    def phase(self, name: str, total: int = 1) -> Iterator[Callable[[str], None]]:
        """Shows the progress of one phase.

        Args:
            name: what is being done.
            total: number of its parts.

        Returns:
            A context whose value is called after each part, with a remark.
        """
        if self._err.isatty() and (bar := _bar(self._err)) is not None:
            with bar:
                task = bar.add_task(name, total=total, remark="")
                yield lambda remark: bar.update(task, advance=1, remark=remark)
        else:
            lines = _Lines(self.say, name, total)
            try:
                yield lines.advance
                lines.finish()
            finally:
                lines.stop()


def _descriptor(stream: TextIO) -> int | None:
    try:
        return stream.fileno()
    except (OSError, AttributeError):  # a notebook's or a test's own stream
        return None


class _Lines:
    """Progress in plain lines, for logs."""

    def __init__(self, say: Callable[[str], None], name: str, total: int) -> None:
        self._say, self._name, self._total = say, name, total
        self._done = 0
        self._started = self._spoken = time.monotonic()
        self._has_spoken = False
        self._timer = threading.Timer(PATIENCE, self._speak, [f"{name} ..."])
        self._timer.daemon = True
        self._timer.start()

    def _speak(self, line: str) -> None:
        self._has_spoken = True
        self._spoken = time.monotonic()
        self._say(line)

    def advance(self, remark: str) -> None:
        self._done += 1
        is_due = time.monotonic() - self._spoken >= BETWEEN_REMARKS
        if self._total > 1 and (is_due or self._done == self._total):
            self._timer.cancel()
            self._speak(f"{self._name}: {self._done} of {self._total}, {remark}")

    def finish(self) -> None:
        if self._has_spoken and self._total == 1:
            self._say(f"{self._name}: {time.monotonic() - self._started:.0f} s")

    def stop(self) -> None:
        self._timer.cancel()


def _bar(file: TextIO) -> Any:
    """A progress bar, or None where rich is not installed."""
    try:
        from rich import progress
        from rich.console import Console as RichConsole
    except ImportError:
        return None
    return progress.Progress(
        progress.SpinnerColumn(),
        progress.TextColumn("{task.description}"),
        progress.BarColumn(bar_width=24),
        progress.MofNCompleteColumn(),
        progress.TimeElapsedColumn(),
        progress.TextColumn("{task.fields[remark]}"),
        console=RichConsole(file=file),
    )
