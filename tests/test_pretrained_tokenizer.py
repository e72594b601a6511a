"""Projects with a tokenizer that is there: what is read of its folder, what travels along, what is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer
from transformers import AutoTokenizer

from specc.catalog.tokenizer import Pretrained
from specc.interop import import_folder
from specc.spec.load import load_text
from tests.corpora import card_of, texts_of
from tests.emitted import compiled, lay_out
from tests.first_light import must, stage, write_corpus
from tests.other_tokenizers import CHATML, FOLDER, SPEC, change_config, change_json, write_tokenizer
from tests.trainer import once

FILES = {"tokenizer.json", "tokenizer_config.json", "chat_template.jinja"}


def make_project(folder: Path) -> None:
    """Lay out a project, a corpus, and the tokenizer that it is for."""
    lay_out(compiled(SPEC), folder)
    write_corpus(folder / "words")
    write_tokenizer(folder / FOLDER)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return once(tmp_path_factory, "pretrained", make_project)


@pytest.fixture
def project(made: Path, tmp_path: Path) -> Path:
    """A copy of the project, to be changed."""
    return Path(shutil.copytree(made, tmp_path / "project"))


def prepared(project: Path, *options: str) -> Path:
    must(project, "prepare_data.py", "--out", "data", *options)
    return project / "data"


def names(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir() if file.is_file()}


def test_no_stage_trains_it(made: Path) -> None:
    assert not (made / "train_tokenizer.py").exists()
    assert not (made / "tiny_model" / "assets").exists()
    assert "train_tokenizer" not in "".join(
        file.read_text(encoding="utf-8") for file in made.rglob("*") if file.suffix in (".py", ".sh", ".md")
    )


def test_its_files_travel_from_the_folder_to_what_completes_text(project: Path) -> None:
    data = prepared(project)
    card = card_of(data)
    theirs = AutoTokenizer.from_pretrained(project / FOLDER)
    assert (card["eos"], card["vocab_size"]) == (theirs.eos_token_id, len(theirs))
    must(project, "train.py", "--data", "data", "--out", "run", "--smoke")
    checkpoint = project / "run" / "checkpoints" / "step-20"
    assert names(checkpoint) >= FILES
    again = AutoTokenizer.from_pretrained(checkpoint)
    turns = [{"role": "user", "content": "alpha?"}]
    assert again.apply_chat_template(turns, tokenize=False) == "<|im_start|>user\nalpha?<|im_end|>\n"
    assert must(project, "generate.py", "--checkpoint", str(checkpoint), "--prompt", "alpha", "--smoke")


def test_documents_are_whole_and_end_once(project: Path) -> None:
    """Real folders have a limit that a trainer had set, and a post-processor that adds the end itself."""
    file = project / FOLDER / "tokenizer.json"
    limit = {"direction": "Right", "max_length": 8, "strategy": "LongestFirst", "stride": 0}
    padding: dict[str, Any] = {"strategy": {"Fixed": 900}, "direction": "Right", "pad_to_multiple_of": None}
    padding |= {"pad_id": 0, "pad_type_id": 0, "pad_token": "<s>"}
    change_json(file, truncation=limit, padding=padding)
    processor = json.loads(file.read_text(encoding="utf-8"))["post_processor"]
    end = {"SpecialToken": {"id": "</s>", "type_id": 0}}
    processor["special_tokens"]["</s>"] = {"id": "</s>", "ids": [1], "tokens": ["</s>"]}
    change_json(file, post_processor=processor | {"single": [*processor["single"], end]})
    data = prepared(project)
    tokenizer = Tokenizer.from_file(str(file))
    texts = [text.read_text(encoding="utf-8") for text in sorted((project / "words").iterdir())]
    assert texts_of(data, tokenizer, "train") == texts


def test_another_tokenizer_takes_the_place_of_the_whole_one_before(project: Path) -> None:
    prepared(project)
    other = write_tokenizer(project / "plain", template=None)
    (other / "special_tokens_map.json").write_text("{}", encoding="utf-8")
    data = prepared(project, "--tokenizer", "plain/tokenizer.json")
    kept = {"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"}
    assert names(data) & (FILES | kept) == kept
    assert names(other) == kept


@pytest.mark.parametrize("end", ["</s>", {"__type": "AddedToken", "content": "</s>", "lstrip": False}], ids=type)
def test_the_end_token_is_found_as_any_version_writes_it(project: Path, end: Any) -> None:
    change_config(project / FOLDER, eos_token=end)
    assert card_of(prepared(project))["eos"] == 1


def remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "no folder": (shutil.rmtree, "other is missing: give the folder of a tokenizer with --tokenizer"),
    "no tokens": (remove("tokenizer.json"), "other/tokenizer.json is missing: give the folder of a tokenizer"),
    "no config": (remove("tokenizer_config.json"), "other/tokenizer_config.json is missing: it names the token that"),
    "config no JSON": (lambda f: (f / "tokenizer_config.json").write_text("{"), "tokenizer_config.json is no JSON"),
    "config no object": (lambda f: (f / "tokenizer_config.json").write_text("[]"), "has no `eos_token`"),
    "no eos": (lambda f: change_config(f, eos_token=None), "tokenizer_config.json has no `eos_token`: add the token"),
    "unknown eos": (lambda f: change_config(f, eos_token="<end>"), "other/tokenizer.json has no token <end>"),
}


@pytest.mark.parametrize(("break_it", "said"), list(REFUSED.values()), ids=list(REFUSED))
def test_a_folder_that_does_not_say_enough_is_refused(
    project: Path, break_it: Callable[[Path], object], said: str
) -> None:
    break_it(project / FOLDER)
    done = stage(project, "prepare_data.py", "--out", "data")
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (project / "data" / "data_card.json").exists()


def test_more_tokens_than_the_model_has_are_refused(tmp_path: Path) -> None:
    lay_out(compiled({**SPEC, "model": {**SPEC["model"], "vocab_size": 299}}), tmp_path)
    write_corpus(tmp_path / "words")
    write_tokenizer(tmp_path / FOLDER, CHATML)
    done = stage(tmp_path, "prepare_data.py", "--out", "data")
    assert "other/tokenizer.json has 300 tokens, and the model has 299" in done.stderr


def model_folder(folder: Path) -> Path:
    """Write what `specc import` reads of a model with a tokenizer."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text('{"model_type": "llama", "vocab_size": 300}', encoding="utf-8")
    (folder / "tokenizer.json").write_text("{}", encoding="utf-8")
    return folder


@pytest.mark.parametrize("name", ["model", 'a/it\'s "mine" #1: ünï'])
def test_import_takes_it_by_the_path_that_the_user_gave(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = model_folder(Path(name))
    assert load_text(import_folder(folder), "spec.yaml").spec.tokenizer == Pretrained(kind="pretrained", path=name)
    (folder / "tokenizer.json").unlink()
    assert "tokenizer" not in import_folder(folder)


def test_a_path_that_a_spec_would_read_in_another_way_is_left_out(tmp_path: Path) -> None:
    text = import_folder(model_folder(tmp_path / "${env:HOME}"))
    assert load_text(text, "spec.yaml").spec.tokenizer is None
