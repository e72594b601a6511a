"""What fine-tuning refuses, before anything starts: the row, the reason, the fix."""

from __future__ import annotations

import importlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.emitted import imported
from tests.sft import PACKAGE, make_tuner, start, tune
from tests.trainer import once

USER = {"role": "user", "content": "sea?"}
ANSWER = {"role": "assistant", "content": "blue."}
GOOD = {"messages": [USER, ANSWER]}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with data and a checkpoint; tests must not change it."""
    return once(tmp_path_factory, "tuner", make_tuner)


@pytest.fixture
def chat(project: Path) -> Iterator[Any]:
    with imported(PACKAGE, project):
        yield importlib.import_module(f"{PACKAGE}.chat")


def said_of(*turns: object) -> str:
    return json.dumps({"messages": turns})


def turn(role: str, content: Any) -> dict[str, Any]:
    return {"role": role, "content": content}


# The second line of a file, and what is said of it.
ROWS = {
    "no JSON": ("{", "no JSON"),
    "no object": ("[1]", "no JSON object"),
    "other columns": ('{"text": "x", "id": 1}', "needs the column messages or instruction, and has text, id"),
    "no column": ("{}", "needs the column messages or instruction, and has none"),
    "messages of another type": ('{"messages": "hello"}', "its messages are no list of objects"),
    "no messages": ('{"messages": []}', "no assistant turn"),
    "unknown role": (said_of(turn("bot", "x"), ANSWER), "turn 1 has the role 'bot': write one of system, user"),
    "late system turn": (said_of(USER, turn("system", "x"), ANSWER), "turn 2 is a system turn: it can only be"),
    "no text": (said_of(USER, turn("assistant", None)), r"turn 2 \(assistant\) has no text"),
    "empty response": (said_of(USER, turn("assistant", " \n")), r"turn 2 \(assistant\) is empty: remove the row"),
    "no answer": (said_of(USER), "no assistant turn: there is nothing to learn"),
    "alpaca, no output": ('{"instruction": "a", "input": ""}', r"turn 2 \(assistant\) has no text"),
    "alpaca, empty output": ('{"instruction": "a", "output": ""}', r"turn 2 \(assistant\) is empty"),
    "alpaca, a number": ('{"instruction": 7, "output": "x"}', r"turn 1 \(user\) has no text"),
}


@pytest.mark.parametrize(("row", "said"), list(ROWS.values()), ids=list(ROWS))
def test_a_row_that_teaches_nothing_is_named(chat: Any, tmp_path: Path, row: str, said: str) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text(f"{json.dumps(GOOD)}\n{row}\n", encoding="utf-8")
    with pytest.raises(chat.DataError, match=f"rows.jsonl:2: .*{said}"):
        chat.read_rows([file])


def encoded(chat: Any, checkpoint: Path, *messages: dict[str, Any], longest: int = 200) -> Any:
    return chat.encode(chat.open_tokenizer(checkpoint), [chat.checked("rows.jsonl:7", list(messages))], longest)


def test_a_row_longer_than_a_sequence_is_named(chat: Any, project: Path) -> None:
    ((tokens, _),) = encoded(chat, project / "checkpoint", USER, ANSWER)
    assert len(encoded(chat, project / "checkpoint", USER, ANSWER, longest=len(tokens) - 1)) == 1
    with pytest.raises(chat.DataError, match=r"rows.jsonl:7: \d+ tokens do not fit a sequence of \d+: shorten the row"):
        encoded(chat, project / "checkpoint", USER, ANSWER, longest=len(tokens) - 2)


def test_a_row_with_a_special_token_is_named(chat: Any, project: Path) -> None:
    with pytest.raises(chat.DataError, match=r"rows.jsonl:7: a turn contains the special token <\|im_end\|>"):
        encoded(chat, project / "checkpoint", turn("user", "a<|im_end|>b"), ANSWER)


LOOP = "{% for m in messages %}"
HEADER = '{{ "<|im_start|>" + m.role + "\\n" }}'
SAID = '{% generation %}{{ m.content + "<|im_end|>" }}{% endgeneration %}'
TEMPLATES = {
    "drops the system turn": (
        f'{LOOP}{{% if m.role != "system" %}}{HEADER}{SAID}{{% endif %}}{{% endfor %}}',
        "rows.jsonl:7: the chat template drops the system turn: remove the turn, or let",
    ),
    "refuses the system turn": (
        f'{LOOP}{{% if m.role == "system" %}}{{{{ raise_exception("no system") }}}}{{% endif %}}'
        f"{HEADER}{SAID}{{% endfor %}}",
        "rows.jsonl:7: the chat template refuses this: no system",
    ),
    "marks nothing": (
        f'{LOOP}{HEADER}{{{{ m.content + "<|im_end|>" }}}}{{% endfor %}}',
        "does not mark what the assistant says: put it between {% generation %} and {% endgeneration %}",
    ),
    "leaves the end out": (
        f'{LOOP}{HEADER}{{% generation %}}{{{{ m.content }}}}{{% endgeneration %}}{{{{ "<|im_end|>" }}}}{{% endfor %}}',
        "without the special token that ends them: the model would never learn to stop",
    ),
}


@pytest.mark.parametrize(("template", "said"), list(TEMPLATES.values()), ids=list(TEMPLATES))
def test_a_chat_template_that_loses_something_is_refused(
    chat: Any, project: Path, tmp_path: Path, template: str, said: str
) -> None:
    checkpoint = shutil.copytree(project / "checkpoint", tmp_path / "checkpoint")
    (checkpoint / "chat_template.jinja").write_text(template, encoding="utf-8")
    with pytest.raises(chat.DataError) as caught:
        encoded(chat, checkpoint, turn("system", "Be brief."), USER, ANSWER)
    assert said in str(caught.value)


# Arguments of a stage in a folder with the rows `good.jsonl` and the checkpoint `bare`, and what is said of them.
ARGUMENTS = {
    "no rows": (["--data", "empty.jsonl"], "error: no rows in empty.jsonl"),
    "no file": (["--data", "missing.jsonl"], "missing.jsonl"),
    "rows alike": (["--data", "good.jsonl"], "error: good.jsonl:1: too few different rows to hold one out"),
    "no tokenizer": (["--model", "bare"], "error: bare holds no tokenizer.json: it cannot be taught conversations"),
    "no checkpoint": (["--model", "words"], "error: words is no checkpoint: manifest.json is missing"),
    "too long": (["--set", "sft.sequence_length=999"], "--set sft.sequence_length=112"),
    "unknown size": (["--set", "sft.rank=2"], "sft.rank is no size; these are: sft.epochs, sft.steps"),
    "no step": (["--steps", "0"], "sft.steps=0: '0' is no whole number above 0"),
}


@pytest.mark.parametrize(("arguments", "said"), list(ARGUMENTS.values()), ids=list(ARGUMENTS))
def test_a_stage_that_cannot_start_says_why_and_writes_nothing(
    project: Path, tmp_path: Path, arguments: list[str], said: str
) -> None:
    folder = shutil.copytree(project, tmp_path / "project")
    (folder / "good.jsonl").write_text(f"{json.dumps(GOOD)}\n" * 3, encoding="utf-8")
    (folder / "empty.jsonl").write_text("\n", encoding="utf-8")
    shutil.copytree(folder / "checkpoint", folder / "bare")
    (folder / "bare" / "tokenizer.json").unlink()
    manifest = json.loads((folder / "bare" / "manifest.json").read_text(encoding="utf-8"))
    del manifest["sha256"]["tokenizer.json"]
    (folder / "bare" / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    status, found = start(folder, "sft", folder / "run", *arguments).end()

    assert status == 1
    assert found.startswith("error: ")
    assert said in found
    assert found.count("\n") == 1
    assert not (folder / "run").exists()


def test_a_run_goes_on_from_its_own_start_only(project: Path, tmp_path: Path) -> None:
    tune(project, "adapters", tmp_path / "run", "--steps", "2")
    other = tmp_path / "run" / "checkpoints" / "step-2"
    status, said = start(project, "adapters", tmp_path / "run", "--model", str(other), "--steps", "4").end()

    assert status == 1
    assert "step-2 was trained with start " in said
