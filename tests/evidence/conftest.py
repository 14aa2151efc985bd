"""Tiny data sets in the layouts of the real ones."""

from pathlib import Path

import numpy as np
import pytest

WORDS = ("the", "cat", "saw", "a", "dog", "N", "times", "<unk>")


def write_text(path: Path, lines: int, seed: int) -> None:
    """Sentences in which each word mostly follows from the one before."""
    generator = np.random.default_rng(seed)
    sentences = []
    for _ in range(lines):
        at, sentence = int(generator.integers(len(WORDS))), []
        for _ in range(int(generator.integers(3, 9))):
            sentence.append(WORDS[at])
            at = (at + int(generator.choice([1, 3], p=[0.8, 0.2]))) % len(WORDS)
        sentences.append(" ".join(sentence))
    path.write_text("".join(f" {sentence} \n" for sentence in sentences))


@pytest.fixture(scope="session")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder above `ptb`, with three texts."""
    root = tmp_path_factory.mktemp("texts")
    (root / "ptb").mkdir()
    for seed, (part, lines) in enumerate((("train", 90), ("valid", 20), ("test", 25))):
        write_text(root / "ptb" / f"ptb.{part}.txt", lines, seed)
    return root


@pytest.fixture(scope="session")
def motion(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ten persons' windows of 12 steps, in three classes."""
    root = tmp_path_factory.mktemp("motion")
    generator = np.random.default_rng(0)
    for part, count in (("train", 120), ("test", 60)):
        y = np.arange(count) % 3
        x = generator.standard_normal((count, 12, 4)) + y[:, None, None]
        np.savez(
            root / f"har_{part}.npz",
            x=x.astype(np.float16),
            y=y.astype(np.uint8),
            subject=(np.arange(count) // 3 % 10).astype(np.uint8),
            classes=np.array(["walk", "sit", "lie"]),
        )
    return root
