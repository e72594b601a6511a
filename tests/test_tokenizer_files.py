"""The tokenizer of a checkpoint, as other programs read it: `AutoTokenizer` of the `transformers` library."""

from __future__ import annotations

import importlib
import shutil
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer
from transformers import AutoTokenizer

from tests.emitted import compiled, imported, lay_out
from tests.first_light import TINY, must

TURNS = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "What is 2 + 2?"},
    {"role": "assistant", "content": " Four ,  I think ."},
    {"role": "user", "content": "And 2 + 3?"},
    {"role": "assistant", "content": "Five."},
]
WRITTEN = """<|im_start|>system
Be brief.<|im_end|>
<|im_start|>user
What is 2 + 2?<|im_end|>
<|im_start|>assistant
 Four ,  I think .<|im_end|>
<|im_start|>user
And 2 + 3?<|im_end|>
<|im_start|>assistant
Five.<|im_end|>
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with all files of a tokenizer that an emitted project has trained."""
    root = tmp_path_factory.mktemp("tokenizer")
    values = {**TINY, "tokenizer": {**TINY["tokenizer"], "chat_template": "chatml"}}
    project = lay_out(compiled(values), root / "project")
    must(project, "train_tokenizer.py", "--input", str(Path(__file__).parent), "--out", "data")
    folder = root / "files"
    folder.mkdir()
    with imported("tiny_model", project):
        files = importlib.import_module("tiny_model.tokenizer").tokenizer_files(project / "data" / "tokenizer.json")
    for file in files:
        shutil.copy(file, folder)
    return folder


@pytest.fixture(scope="module")
def theirs(folder: Path) -> Any:
    return AutoTokenizer.from_pretrained(folder)


def test_it_gives_the_same_tokens_and_text(folder: Path, theirs: Any) -> None:
    ours = Tokenizer.from_file(str(folder / "tokenizer.json"))
    text = "def f(x):\n\treturn  x , 'naïve' .\n" + WRITTEN
    assert theirs(text)["input_ids"] == ours.encode(text).ids
    assert theirs.decode(ours.encode(text).ids) == text


def test_it_knows_its_special_tokens(theirs: Any) -> None:
    assert (theirs.eos_token, theirs.pad_token, theirs.bos_token) == ("<|end|>", "<|pad|>", None)
    assert theirs.convert_tokens_to_ids(["<|end|>", "<|pad|>", "<|im_start|>", "<|im_end|>"]) == [0, 1, 2, 3]
    assert theirs.model_max_length == TINY["model"]["max_seq_len"]


def test_conversations_are_written_as_chatml(theirs: Any) -> None:
    assert theirs.apply_chat_template(TURNS, tokenize=False) == WRITTEN
    asked = theirs.apply_chat_template(TURNS[:2], tokenize=False, add_generation_prompt=True)
    assert asked == "".join(WRITTEN.partition("<|im_start|>assistant\n")[:2])


def test_the_mask_covers_what_the_assistant_says_and_the_end_of_its_turn(theirs: Any) -> None:
    tokens = theirs.apply_chat_template(TURNS, return_dict=True, return_assistant_tokens_mask=True)
    learned = [i for i, kept in zip(tokens["input_ids"], tokens["assistant_masks"], strict=True) if kept]
    assert theirs.decode(learned) == " Four ,  I think .<|im_end|>Five.<|im_end|>"
