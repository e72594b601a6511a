"""Diagnostics as text and JSON; hostile text stays text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from specc.diagnostics import CompileFailed, as_json, render
from specc.spec import load, load_text
from tests.specs import MINIMAL, MODEL, only, problems, write


def test_rendering_with_a_place_in_another_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write("base.yaml", MODEL)
    with pytest.raises(CompileFailed) as caught:
        load(write("tiny.yaml", "specc: 1\nname: tiny\nnaem: 2\nextends: base\n"), ["model.num_heads.x=1"])
    expected = """\
error[unknown-key]: `naem` is not a key of the top level
 --> tiny.yaml:3:1
  |
3 | naem: 2
  | ^^^^ unknown key
  |
  = help: did you mean `name`?

error[bad-override]: `model.num_heads` is the single value `4`; nothing can be set inside of it
 --> --set model.num_heads.x=1:1:1
  |
1 | model.num_heads.x=1
  | ^^^^^^^^^^^^^^^^^
 --> base.yaml:4:14
  |
4 |   num_heads: 4
  |              - written here
  |
  = help: set `model.num_heads` as a whole

error: 2 errors
"""
    assert render(caught.value.diagnostics, colour=False) == expected


def test_far_related_places_are_joined_by_dots() -> None:
    text = render(problems(f"{MINIMAL}name: again\n"), colour=False)
    assert "2 | name: tiny\n  | ---- first given here\n...\n7 | name: again\n  | ^^^^\n" in text


def test_json_follows_the_contract() -> None:
    (found,) = problems(f"{MINIMAL}name: again\n")
    document = json.loads(json.dumps(as_json(found)))
    related = [{"message": "first given here", "file": "tiny.yaml", "line": 2, "column": 1}]
    assert document.pop("note") is None
    assert document == {
        "code": "duplicate-key",
        "severity": "error",
        "path": "name",
        "file": "tiny.yaml",
        "line": 7,
        "column": 1,
        "message": "`name` is given twice",
        "help": "delete one of them",
        "related": related,
    }


@pytest.mark.parametrize("hostile", ['"\\x1b[31m"', '"\\u202e"', '"a\\nb"', '"\\r"', '"\\0"'])
def test_control_characters_never_reach_the_terminal(hostile: str) -> None:
    text = f"{MINIMAL}{hostile}: 1\ntokenizer: {hostile}\n"
    shown = render(problems(text, f"a={hostile}"), colour=False)
    assert all(line.isprintable() for line in shown.split("\n"))


@pytest.mark.parametrize("text", ["{{ 7 * 7 }}", "{% raw %}", "${x}", "`id`", "$(id)", "'; import os"])
def test_template_text_is_just_text(text: str) -> None:
    source = f"data: {{sources: [{{name: {json.dumps(text)}, path: x}}]}}\n"
    data = load_text(MINIMAL + source, "tiny.yaml").spec.data
    assert data is not None
    assert data.sources[0].name == text


@pytest.mark.parametrize("name", ["torch", "class", "tests", "../up", "A", "a_b", "1a", "", "a" * 64, "a\\nb"])
def test_names_that_no_project_can_have(name: str) -> None:
    diagnostic = only(MINIMAL.replace("name: tiny", f'name: "{name}"'))
    assert (diagnostic.code, diagnostic.path, diagnostic.primary.span.line) == ("bad-name", "name", 2)


def test_long_lines_are_cut_around_the_caret() -> None:
    text = f"{MINIMAL}train: {{{'seed: 1, ' * 30}bogus: 1}}\n"
    shown = render([d for d in problems(text) if d.code == "unknown-key"], colour=False)
    excerpt = next(line for line in shown.split("\n") if "bogus" in line and line.startswith("7"))
    carets = next(line for line in shown.split("\n") if "^" in line)
    assert len(excerpt) < 140
    assert excerpt.index("bogus") == carets.index("^")


def test_carets_stand_below_wide_characters_and_tabs() -> None:
    shown = render(problems(f"{MINIMAL}a:\t{{日本: 1, é: 2, 日本: 3}}\n")[1:], colour=False)
    assert "7 | a:    {日本: 1, é: 2, 日本: 3}\n  |                       ^^^^\n" in shown


def test_colour_only_when_asked() -> None:
    found = problems("")
    assert "\x1b[" in render(found, colour=True)
    assert "\x1b[" not in render(found, colour=False)
