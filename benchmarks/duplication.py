"""How much text stands more than once: the share of lines inside a run of equal lines."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

WINDOW = 7
"""Lines in a row that must be equal to count ("more than six")."""


def significant(file: Path) -> list[str]:
    """Return the lines that say something: no blanks, comments or imports, which are alike everywhere."""
    lines = (line.strip() for line in file.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line and not line.startswith(("#", "import ", "from "))]


def duplicated_share(files: Iterable[Path]) -> float:
    """Return the share of significant lines that belong to a run of `WINDOW` or more found elsewhere too."""
    texts = [significant(file) for file in files]
    places: dict[tuple[str, ...], list[tuple[int, int]]] = defaultdict(list)
    for index, lines in enumerate(texts):
        for start in range(len(lines) - WINDOW + 1):
            places[tuple(lines[start : start + WINDOW])].append((index, start))
    repeated = {
        (index, start + offset)
        for found in places.values()
        if len(found) > 1
        for index, start in found
        for offset in range(WINDOW)
    }
    total = sum(map(len, texts))
    return len(repeated) / total if total else 0.0
