"""`python -m tests.readme`: what the committed figures make of the README."""

from tests.readme.sentences import SENTENCES
from tests.readme.tables import TABLES, load


def main() -> None:
    """Print every table and sentence."""
    for header, (path, rows_of) in TABLES.items():
        print(f"\n{path}\n")
        for row in (header, ("---",) * len(header), *rows_of(load(path))):
            print(f"| {' | '.join(row)} |".replace("  ", " "))
    for path, told in SENTENCES.items():
        print(f"\n{path}\n", *told(load(path)), sep="\n- ")


if __name__ == "__main__":
    main()
