"""Any valid spec compiles to sound text, the same bytes each time. Text only: no model is run."""

from __future__ import annotations

import difflib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings

from specc.catalog.family import family_of
from specc.emit.assemble import python_modules
from specc.emit.fileset import FileSet
from specc.emit.format import format_python
from specc.verify.static import UnsoundOutput, verify_static
from tests.conftest import PROOF
from tests.emitted import compiled, decide
from tests.spec_space import FIXED, SpecValues, specs

EXAMPLES = 3000 if PROOF else 250


@settings(max_examples=EXAMPLES)
@given(specs())
def test_any_spec_compiles_to_sound_output(values: SpecValues) -> None:
    files = compiled(values)
    verify_static(files)
    sections = {
        "train.py": "train" in values,
        "prepare_data.py": "data" in values,
        "train_tokenizer.py": "tokenizer" in values,
        "generate.py": "tokenizer" in values,
        "drawn/convert.py": True,
        "drawn/hf/modeling_drawn.py": family_of(decide(values).resolved.network) is None,
    }
    assert {path: path in files for path in sections} == sections


@pytest.mark.parametrize("values", FIXED, ids=lambda values: values["name"])
def test_output_is_the_same_in_every_process_and_folder(values: SpecValues, tmp_path: Path) -> None:
    code = "import sys; from tests.emitted import compiled; from tests.spec_space import FIXED\n"
    code += "print(compiled(next(v for v in FIXED if v['name'] == sys.argv[1])).digest())"
    root = str(Path(__file__).parents[1])
    digests = {
        subprocess.run(
            [sys.executable, "-c", code, values["name"]],
            cwd=folder,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": root},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed, folder in (("1", root), ("2", tmp_path))
    }
    assert digests == {compiled(values).digest() + "\n"}


def test_formatting_changes_nothing_twice() -> None:
    for values in FIXED:
        modules = {path: data.decode() for path, data in compiled(values).items() if path.endswith(".py")}
        own = {path: text for path, text in modules.items() if not path.startswith("tests/reference/")}
        assert format_python(own) == own


@pytest.mark.parametrize("values", FIXED, ids=lambda values: values["name"])
def test_templates_are_written_as_they_read(values: SpecValues) -> None:
    """The formatter is a check, not a broom: it changes at most 2% of the lines."""
    raw = python_modules(decide(values))
    formatted = format_python(raw)
    changed = sum(changed_lines(raw[path], formatted[path]) for path in raw)
    assert changed <= 0.02 * sum(text.count("\n") for text in formatted.values())


def changed_lines(old: str, new: str) -> int:
    blocks = difflib.SequenceMatcher(None, old.splitlines(), new.splitlines(), autojunk=False).get_opcodes()
    return sum(max(high - low, top - start) for what, low, high, start, top in blocks if what != "equal")


def test_unsound_output_is_refused() -> None:
    for text in ("import os\n", "def f(:\n", "import specc\n\nprint(specc)\n", "x = 1\n" * 451):
        with pytest.raises(UnsoundOutput):
            verify_static(FileSet.of({"a.py": text}))
    verify_static(FileSet.of({"a.py": "x = 1\n"}))


@pytest.mark.parametrize("values", FIXED, ids=lambda values: values["name"])
def test_the_longest_name_compiles_as_well(values: SpecValues) -> None:
    verify_static(compiled({**values, "name": "w" * 63}))
