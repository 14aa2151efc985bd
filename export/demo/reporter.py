"""What the demo tells about its progress, and to whom."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Protocol

Advance = Callable[[str], None]


class Reporter(Protocol):
    """Whoever shows progress: the command line, a notebook, nobody."""

    def phase(
        self, name: str, total: int = 1
    ) -> contextlib.AbstractContextManager[Advance]:
        """Opens a phase of `total` equal parts.

        Args:
            name: what is being done.
            total: number of parts.

        Returns:
            A context whose value is called after each part, with a remark on
            it; the phase is over when the context ends.
        """


class Silent:
    """A reporter that says nothing."""

    @contextlib.contextmanager
    def phase(self, name: str, total: int = 1) -> Iterator[Advance]:
        """Takes every remark and shows none."""
        yield lambda remark: None
