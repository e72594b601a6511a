"""Three-way merge of one file: the last output, the user's version of it, and the new output.

Lines end at LF and are compared as bytes. Two properties of the user's file are merged apart from its
lines, so that neither makes every line a conflict: CRLF line ends throughout, and a missing last newline.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from merge3 import Merge3

YOURS = b"<<<<<<< yours"
_BASE = b"||||||| last build"
_MIDDLE = b"======="
NEW = b">>>>>>> specc"


@dataclass(frozen=True)
class Merged:
    """The merged bytes, and whether they hold no conflict."""

    data: bytes
    clean: bool


def is_text(data: bytes) -> bool:
    """Return whether `data` can be merged by lines: UTF-8 without a NUL byte."""
    if b"\0" in data:
        return False
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def has_markers(data: bytes) -> bool:
    """Return whether `data` still holds a conflict that `merge` wrote."""
    marked = (b"\n" + data.replace(b"\r\n", b"\n") + b"\n").find
    return marked(b"\n" + YOURS + b"\n") >= 0 and marked(b"\n" + NEW + b"\n") >= 0


def merge(base: bytes, yours: bytes, new: bytes) -> Merged:
    """Return `yours` with what changed from `base` to `new`.

    Where both changed the same lines in different ways, all three versions stand between markers, as
    `git merge` writes them in its diff3 style. All arguments must be text (`is_text`).
    """
    crlf = _is_crlf(yours) and not _is_crlf(base)
    if crlf:
        yours, new = yours.replace(b"\r\n", b"\n"), new.replace(b"\r\n", b"\n")
    merged = _merge_lines(base, yours, new)
    return Merged(merged.data.replace(b"\n", b"\r\n"), merged.clean) if crlf else merged


def _is_crlf(data: bytes) -> bool:
    """Return whether every line end of `data` is CRLF, and there is one."""
    return 0 < data.count(b"\n") == data.count(b"\r\n")


def _merge_lines(base: bytes, yours: bytes, new: bytes) -> Merged:
    """Merge the lines, then the last newline."""
    ended = _is_ended(yours) if _is_ended(yours) != _is_ended(base) else _is_ended(new)
    groups = Merge3(_lines(base), _lines(yours), _lines(new), sequence_matcher=_ExactMatcher).merge_groups()
    blocks = []
    clean = True
    for kind, *texts in groups:
        blocks.append(b"".join(_marked(*texts) if kind == "conflict" else texts[0]))
        clean &= kind != "conflict"
    data = b"".join(blocks)
    if not ended and not data.endswith(NEW + b"\n"):
        data = data.removesuffix(b"\n")
    return Merged(data, clean)


def _is_ended(data: bytes) -> bool:
    return not data or data.endswith(b"\n")


def _lines(data: bytes) -> list[bytes]:
    """Return the lines of `data`, each with its LF, the last one too."""
    return [line + b"\n" for line in data.removesuffix(b"\n").split(b"\n")] if data else []


def _marked(base: Sequence[bytes], yours: Sequence[bytes], new: Sequence[bytes]) -> Iterator[bytes]:
    """Yield the lines of one conflict."""
    for marker, lines in ((YOURS, yours), (_BASE, base), (_MIDDLE, new)):
        yield marker + b"\n"
        yield from lines
    yield NEW + b"\n"


class _ExactMatcher:
    """difflib's matcher without its shortcut, which ignores frequent lines in long files."""

    def __init__(
        self,
        isjunk: Callable[[bytes], bool] | None = None,
        a: Sequence[bytes] = (),
        b: Sequence[bytes] = (),
    ) -> None:
        self._matcher = SequenceMatcher(isjunk, a, b, autojunk=False)

    def get_matching_blocks(self) -> list[tuple[int, int, int]]:
        """Return (start in a, start in b, length) of each run of equal lines."""
        return [(block.a, block.b, block.size) for block in self._matcher.get_matching_blocks()]
