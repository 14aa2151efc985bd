"""Penn Treebank as word ids."""

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_diffmask.errors import ArtifactError, InvalidArgumentError

PARTS = ("train", "valid", "test")
NAME = "Penn Treebank, word level, in Mikolov's form"
END, RARE = "<eos>", "<unk>"


@dataclass(frozen=True, eq=False)
class Corpus:
    """Three texts over one vocabulary.

    Args:
        train, valid, test: int32 word ids, in the order of the text.
        vocabulary: how many different ids there are.
    """

    train: np.ndarray
    valid: np.ndarray
    test: np.ndarray
    vocabulary: int

    def facts(self) -> dict[str, object]:
        """Name and sizes, for a report."""
        sizes = {part: len(getattr(self, part)) for part in PARTS}
        return {"name": NAME, "vocabulary": self.vocabulary, "tokens": sizes}


def load(
    data_dir: str | os.PathLike[str] | None,
    words: int | None = None,
    limit: int | None = None,
) -> Corpus:
    """Reads `ptb.train.txt`, `ptb.valid.txt` and `ptb.test.txt`.

    Args:
        data_dir: the folder with these files, or the one above it, there named
            `ptb`.
        words: keep only so many words of the training text, the most frequent;
            the others become `<unk>`. By default all.
        limit: at most so many tokens of each text.

    Returns:
        The `Corpus`. Line ends are the word `<eos>`; ids are in the words'
        alphabetical order.

    Raises:
        InvalidArgumentError: no folder with these files was given.
        ArtifactError: a file cannot be read, or has a word that the training
            text has not.

    Example:
        >>> corpus = load("data/ptb")
        >>> len(corpus.train), corpus.vocabulary
        (929589, 10000)
    """
    folder = _folder(data_dir)
    texts = {part: _tokens(folder / f"ptb.{part}.txt")[:limit] for part in PARTS}
    counts = Counter(texts["train"])
    kept = {word for word, _ in counts.most_common(words)}
    if len(kept) < len(counts) or limit is not None:
        kept |= {RARE, END}
    ids = {word: index for index, word in enumerate(sorted(kept))}
    coded = {part: _coded(text, ids, part) for part, text in texts.items()}
    return Corpus(**coded, vocabulary=len(ids))


def segments(
    ids: np.ndarray, batch_size: int, steps: int
) -> tuple[np.ndarray, np.ndarray]:
    """Cuts a text into equally long streams that are read side by side.

    Args:
        ids: the text.
        batch_size: number of streams.
        steps: words of each stream that are read at once.

    Returns:
        Inputs and the words that follow, `(segments * batch_size, steps)`: row
        `i * batch_size + b` is the i-th segment of stream b. A rest that fills
        no segment is left out.

    Raises:
        InvalidArgumentError: the text is too short for one segment.
    """
    length = len(ids) // batch_size
    count = (length - 1) // steps
    if count < 1:
        raise InvalidArgumentError(
            f"at least {batch_size * (steps + 1)} tokens, one segment of {steps} "
            f"for each of {batch_size} streams",
            f"{len(ids)}",
            "Pass a longer text.",
        )
    streams = ids[: batch_size * length].reshape(batch_size, length)

    def cut(start: int) -> np.ndarray:
        part = streams[:, start : start + count * steps]
        part = part.reshape(batch_size, count, steps).transpose(1, 0, 2)
        return np.ascontiguousarray(part.reshape(count * batch_size, steps))

    return cut(0), cut(1)


def _folder(data_dir: str | os.PathLike[str] | None) -> Path:
    roots = [] if data_dir is None else [Path(data_dir), Path(data_dir) / "ptb"]
    for root in roots:
        if all((root / f"ptb.{part}.txt").is_file() for part in PARTS):
            return root
    files = ", ".join(f"ptb.{part}.txt" for part in PARTS)
    raise InvalidArgumentError(
        f"a folder with the files {files}",
        "no folder" if data_dir is None else f"{str(data_dir)!r}, without them",
        "Pass --data-dir or data_dir with the folder that holds them.",
    )


def _tokens(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ArtifactError(
            "a whole file of the data set",
            f"{str(path)!r} ({type(error).__name__})",
            "Copy the file again.",
        ) from error
    return text.replace("\n", f" {END} ").split()


def _coded(tokens: list[str], ids: dict[str, int], part: str) -> np.ndarray:
    other = ids.get(RARE)
    coded = [ids.get(token, other) for token in tokens]
    if None in coded:
        word = tokens[coded.index(None)]
        raise ArtifactError(
            f"a {part} text in words of the training text",
            f"the word {word!r}, and no {RARE} to stand for it",
            "Use the three files of one preparation.",
        )
    return np.array(coded, np.int32)
