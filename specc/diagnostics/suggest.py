"""Did you mean: the nearest name, for keys and values alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

_SHOWN = 12
_LONGEST = 64
_COMMON = frozenset({"max", "min", "num", "size"})  # words that say little about a name


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate that `name` is most likely a slip of, if any is near enough."""
    if not 0 < len(name) <= _LONGEST:
        return None
    folded = _folded(name)
    names = sorted(set(candidates))
    near = [(distance, c) for c in names if (distance := _slips(folded, _folded(c), divisor=3)) is not None]
    return min(near)[1] if near else _by_part(folded, names)


def did_you_mean(name: str, candidates: Sequence[str], what: str) -> str:
    """Return a help text: the nearest candidate, or all of them.

    Args:
        name: What the user wrote.
        candidates: What could stand there.
        what: Names the candidates in the plural: `keys`, `values`.
    """
    best = nearest(name, candidates)
    if best is not None:
        return f"did you mean `{best}`?"
    return f"{what}: {listed(candidates)}" if candidates else f"there are no {what}"


def listed(names: Sequence[str]) -> str:
    """Return names in backticks, at most a dozen of them."""
    shown = ", ".join(f"`{name}`" for name in names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"


def _folded(name: str) -> str:
    return name.lower().replace("-", "_")


def _by_part(name: str, candidates: Sequence[str]) -> str | None:
    """Match names that share words, slips included: `rope_tetha` with `theta`, `layers` with `num_layers`."""
    words = [word for word in name.split("_") if len(word) > 1 and word not in _COMMON]

    def shared(candidate: str) -> int:
        others = _folded(candidate).split("_")
        return sum(any(_alike(word, other) for other in others) for word in words)

    best = min(candidates, key=lambda c: (-shared(c), abs(len(c) - len(name)), c), default=None)
    return best if best and shared(best) else None


def _alike(word: str, other: str) -> bool:
    anagram = len(word) == len(other) > 3 and sorted(word) == sorted(other)
    return anagram or (min(len(word), len(other)) > 3 and _slips(word, other, divisor=4) is not None) or word == other


def _slips(a: str, b: str, divisor: int) -> int | None:
    """Return the distance of two names; None when it is more than one in `divisor` characters, or one at all."""
    limit = max(1, min(len(a), len(b)) // divisor)
    if abs(len(a) - len(b)) > limit:
        return None
    distance = _distance(a, b)
    return distance if distance <= limit else None


def _distance(a: str, b: str) -> int:
    """Count the insertions, deletions, substitutions and swaps of neighbours from `a` to `b`."""
    before: list[int] = []
    last = list(range(len(b) + 1))
    for i, x in enumerate(a, start=1):
        row = [i]
        for j, y in enumerate(b, start=1):
            cost = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        before, last = last, row
    return last[-1]
