"""Sets of files, and the archive that remembers the last one."""

import hashlib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specc.emit.base_zip import pack, unpack
from specc.emit.fileset import FileSet


@pytest.mark.parametrize(
    "paths",
    [
        ["/etc/passwd"],
        [""],
        ["a/../../b"],
        ["./a"],
        ["a//b"],
        ["a/"],
        ["a\\b"],
        ["a\nb"],
        ["a\0b"],
        [".specc/base.zip"],
        [".SPECC/base.zip"],
        ["readme.md", "README.md"],
        ["é", "e\u0301"],
        ["a", "a/b"],
        ["a/b", "A"],
    ],
)
def test_a_file_set_refuses_paths_that_are_not_safe_everywhere(paths: list[str]) -> None:
    with pytest.raises(ValueError, match=r"`|backslash"):
        FileSet.of(dict.fromkeys(paths, ""))


def test_a_file_set_refuses_executables_that_it_does_not_hold() -> None:
    with pytest.raises(ValueError, match=r"run\.sh"):
        FileSet.of({}, executable=["run.sh"])


def test_a_file_set_is_sorted_bytes_with_a_digest_of_everything() -> None:
    files = FileSet.of({"b": "é", "a": b"\xff"})
    assert list(files.items()) == [("a", b"\xff"), ("b", "é".encode())]
    assert files.digest() == FileSet.of({"a": b"\xff", "b": "é"}).digest()
    others = [{"a": "", "b": "ab"}, {"a": "a", "b": "b"}, {"a": "ab", "b": ""}, {"ab": ""}]
    sets = [files, *map(FileSet.of, others), FileSet.of({"ab": ""}, ["ab"])]
    assert len({each.digest() for each in sets}) == len(sets)


def test_the_base_archive_has_the_same_bytes_everywhere() -> None:
    files = FileSet.of({"é/b.txt": "text\n" * 100, "run.sh": ""}, executable=["run.sh"])
    assert unpack(pack(files)) == files
    expected = "ebe77c972d758c322a653c7259f4070fc330e776cd608767b3fb2cfa6a59aa57"
    assert hashlib.sha256(pack(files)).hexdigest() == expected


@given(st.data())
def test_a_damaged_base_archive_is_an_error_or_harmless(data: st.DataObject) -> None:
    good = pack(FileSet.of({"a": "text\n" * 20, "b/c": "text\n"}))
    place = data.draw(st.integers(0, len(good) - 1))
    byte = data.draw(st.binary(max_size=1))
    with suppress(ValueError):
        assert all(isinstance(text, bytes) for text in unpack(good[:place] + byte + good[place + 1 :]).values())
