"""How TFLM lays buffers out in its arena: its greedy memory planner."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Buffer:
    """Bytes that are taken from the first to the last of some operators."""

    size: int
    first: int
    last: int

    def meets(self, other: "Buffer") -> bool:
        """Whether both are in memory at some operator."""
        return self.first <= other.last and other.first <= self.last


def peak(buffers: list[Buffer]) -> int:
    """The end of the arena that TFLM's `GreedyMemoryPlanner` gets by with.

    From the largest buffer to the smallest (of equal ones, the last first),
    each goes into the first gap that is large enough among those it meets.
    That may leave gaps: more than any sum of live buffers.
    """
    order = sorted(range(len(buffers)), key=lambda k: (-buffers[k].size, -k))
    placed: list[tuple[int, Buffer]] = []
    for index in order:
        wanted = buffers[index]
        offset = 0
        for start, other in placed:
            if not wanted.meets(other):
                continue
            if start - offset >= wanted.size:
                break
            offset = max(offset, start + other.size)
        at = next((k for k, (s, _) in enumerate(placed) if s > offset), len(placed))
        placed.insert(at, (offset, wanted))
    return max((offset + buffer.size for offset, buffer in placed), default=0)
