"""The text side of `convert.py --to-hf`: tokenizer, ends of text and conversations, as a folder's reader has them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer
from transformers import AutoTokenizer

from tests.exports import FILES, Exporting, changed, copied, exporting, refused


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporting]:
    with exporting("llama", tmp_path_factory.mktemp("llama")) as lent:
        yield lent


@pytest.fixture
def llama(project: Exporting, tmp_path: Path) -> Exporting:
    return copied(project, tmp_path)


def test_folder_says_where_texts_and_turns_end(llama: Exporting, tmp_path: Path) -> None:
    llama.convert.to_hf(llama.checkpoint, tmp_path / "folder")
    config = json.loads((tmp_path / "folder" / "config.json").read_text())
    generation = json.loads((tmp_path / "folder" / "generation_config.json").read_text())
    tokens = AutoTokenizer.from_pretrained(tmp_path / "folder")

    assert (config["bos_token_id"], config["eos_token_id"], config["pad_token_id"]) == (None, 0, 1)
    assert (generation["eos_token_id"], generation["pad_token_id"]) == ([0, 3], 1)
    assert tokens.convert_ids_to_tokens([0, 1, 3]) == ["<|end|>", "<|pad|>", "<|im_end|>"]


def test_without_a_chat_template_only_texts_end(llama: Exporting, tmp_path: Path) -> None:
    (llama.checkpoint / "chat_template.jinja").unlink()
    changed_generation = {"temperature": 0.5, "do_sample": True}
    (llama.checkpoint / "generation_config.json").write_text(json.dumps(changed_generation))
    llama.convert.to_hf(llama.checkpoint, tmp_path / "folder")
    generation = json.loads((tmp_path / "folder" / "generation_config.json").read_text())

    assert generation["eos_token_id"] == 0
    assert generation["temperature"] == 0.5
    assert not (tmp_path / "folder" / "chat_template.jinja").exists()


def test_a_checkpoint_without_a_tokenizer_is_exported_and_says_so(
    llama: Exporting, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        (llama.checkpoint / name).unlink()
    llama.convert.to_hf(llama.checkpoint, tmp_path / "folder")

    assert f"note: {llama.checkpoint} holds no tokenizer.json" in capsys.readouterr().err
    assert {file.name for file in (tmp_path / "folder").iterdir()} == FILES - {
        "chat_template.jinja",
        "tokenizer.json",
        "tokenizer_config.json",
    }


def without_system(checkpoint: Path) -> None:
    template = (checkpoint / "chat_template.jinja").read_text()
    loop = "for message in messages"
    assert loop in template
    shortened = template.replace(loop, f"{loop} if message.role != 'system'")
    (checkpoint / "chat_template.jinja").write_text(shortened)


def failing_template(checkpoint: Path) -> None:
    (checkpoint / "chat_template.jinja").write_text("{{ raise_exception('no system turns') }}")


def without_eos(checkpoint: Path) -> None:
    changed(checkpoint / "tokenizer_config.json", eos_token=None)


def unknown_eos(checkpoint: Path) -> None:
    changed(checkpoint / "tokenizer_config.json", eos_token="</s>")


def without_its_config(checkpoint: Path) -> None:
    (checkpoint / "tokenizer_config.json").unlink()


def too_many_tokens(checkpoint: Path) -> None:
    tokens = Tokenizer.from_file(str(checkpoint / "tokenizer.json"))
    tokens.add_tokens(["<|one|>", "<|more|>"])
    tokens.save(str(checkpoint / "tokenizer.json"))


def marks_left_in_text(checkpoint: Path) -> None:
    """Without its decoder the tokenizer writes `Ġ` for spaces."""
    content = json.loads((checkpoint / "tokenizer.json").read_text())
    (checkpoint / "tokenizer.json").write_text(json.dumps({**content, "decoder": None}))


def no_tokenizer_at_all(checkpoint: Path) -> None:
    (checkpoint / "tokenizer.json").write_text("{}")


@pytest.mark.parametrize(
    ("harm", "why"),
    [
        (without_system, "the chat template of .* drops the system turn"),
        (failing_template, "the chat template of .* fails: no system turns"),
        (without_eos, "tokenizer_config.json names no eos_token of tokenizer.json"),
        (unknown_eos, "tokenizer_config.json names no eos_token of tokenizer.json"),
        (without_its_config, "holds tokenizer.json without tokenizer_config.json"),
        (too_many_tokens, "the tokenizer has 302 tokens, the model 300"),
        (marks_left_in_text, "Hugging Face's side turns"),
        (no_tokenizer_at_all, "tokenizer.json is no tokenizer"),
    ],
)
def test_a_tokenizer_that_would_serve_another_text_is_refused(
    llama: Exporting, harm: Callable[[Path], None], why: str
) -> None:
    harm(llama.checkpoint)
    refused(llama, why)


def test_another_end_of_text_in_the_folder_is_refused(llama: Exporting, monkeypatch: pytest.MonkeyPatch) -> None:
    generation_config = llama.convert.generation_config

    def without(*arguments: Any) -> Any:
        config = generation_config(*arguments)
        config.eos_token_id = None
        return config

    monkeypatch.setattr(llama.convert, "generation_config", without)
    refused(llama, r"eos is None in generation_config\.json, 0 in the checkpoint")
