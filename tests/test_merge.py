"""No line that a user or the build added is ever lost in a merge."""

from pathlib import Path
from string import ascii_lowercase

from hypothesis import given, settings
from hypothesis import strategies as st

from specc.emit.fileset import FileSet
from specc.emit.merge import has_markers, merge
from specc.emit.write import write
from tests.building import in_memory

LINES = [f"line {number}\n" for number in range(12)]

edits = st.lists(st.tuples(st.integers(0, 30), st.sampled_from(["insert", "delete", "replace"])), max_size=8)


def edited(lines: list[str], how: list[tuple[int, str]], author: str) -> list[str]:
    """Return the lines after some edits; every added line is unlike any other."""
    lines = list(lines)
    for count, (place, kind) in enumerate(how):
        at = place % (len(lines) + 1)
        added = [f"{author} {count}"] if kind != "delete" else []
        lines[at : at + (kind != "insert")] = added
    return lines


@given(
    st.lists(st.sampled_from(ascii_lowercase[:4]), max_size=25),
    edits,
    edits,
    st.sampled_from(["\n", "\r\n"]),
    st.tuples(st.booleans(), st.booleans(), st.booleans()),
)
@settings(max_examples=500)
def test_a_merge_keeps_every_line_that_was_added(
    base: list[str],
    ours: list[tuple[int, str]],
    theirs: list[tuple[int, str]],
    newline: str,
    ended: tuple[bool, bool, bool],
) -> None:
    def joined(lines: list[str], newline: str, last: bool) -> bytes:
        return (newline.join(lines) + (newline if last and lines else "")).encode()

    yours_lines, new_lines = edited(base, ours, "user"), edited(base, theirs, "build")
    old = joined(base, "\n", ended[0])
    yours, new = joined(yours_lines, newline, ended[1]), joined(new_lines, "\n", ended[2])
    merged = merge(old, yours, new)
    lines = merged.data.decode().splitlines()
    assert {line for line in (*yours_lines, *new_lines) if " " in line} <= set(lines)
    assert has_markers(merged.data) == (not merged.clean)
    assert [line for line in lines if line.startswith("user")] == [
        line for line in yours_lines if line.startswith("user")
    ]
    assert merge(old, yours, old).data == yours
    assert merge(old, old, new).data == new
    assert merge(old, yours, yours).data == yours


@given(st.lists(st.tuples(st.sampled_from(["a.py", "b/c.py"]), edits, edits), min_size=1, max_size=6))
@settings(max_examples=40)
def test_rebuilds_keep_every_edit(
    steps: list[tuple[str, list[tuple[int, str]], list[tuple[int, str]]]],
) -> None:
    with in_memory() as folder:
        _rebuild(folder / "tiny", steps)


def _rebuild(root: Path, steps: list[tuple[str, list[tuple[int, str]], list[tuple[int, str]]]]) -> None:
    output = {"a.py": LINES, "b/c.py": LINES}
    write(FileSet.of({path: "".join(lines) for path, lines in output.items()}), root)
    mine: set[str] = set()
    for number, (path, ours, theirs) in enumerate(steps):
        found = (root / path).read_text().splitlines(keepends=True)
        inserts = [(place, "insert") for place, _ in ours]
        text = "\n".join(line.rstrip("\n") for line in edited(found, inserts, f"user {number}"))
        (root / path).write_text(text + "\n" if text else "")
        mine |= {f"user {number} {count}" for count in range(len(inserts))}
        output[path] = [f"{line.rstrip()}\n" for line in edited(output[path], theirs, f"build {number}")]
        report = write(FileSet.of({name: "".join(lines) for name, lines in output.items()}), root)
        everything = {line for name in output for line in (root / name).read_text().splitlines()}
        assert mine <= everything
        if not report.ok:
            return
