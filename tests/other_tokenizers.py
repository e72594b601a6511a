"""Tokenizers that no project has trained, in folders as Hugging Face's libraries write them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast

from tests.first_light import TINY, WORDS
from tests.spec_space import SpecValues

VOCABULARY = 300
SPECIAL_TOKENS = ["<s>", "</s>", "<|im_start|>", "<|im_end|>"]
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
FOLDER = "other"
SPEC: SpecValues = {
    **TINY,
    "model": {**TINY["model"], "vocab_size": VOCABULARY},
    "tokenizer": {"kind": "pretrained", "path": FOLDER},
    "align": [{"name": "sft", "kind": "sft", "data": [{"path": "chats.jsonl", "format": "chat"}]}],
}


def write_tokenizer(folder: Path, template: str | None = CHATML) -> Path:
    """Write a tokenizer like Llama's: it begins each text with a token of its own, and names the one that ends it."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=SPECIAL_TOKENS, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator([" ".join(WORDS)] * 9, trainer)
    tokenizer.post_processor = TemplateProcessing(single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", 0)])
    untyped: Any = PreTrainedTokenizerFast
    theirs = untyped(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", additional_special_tokens=SPECIAL_TOKENS[2:]
    )
    theirs.chat_template = template
    theirs.save_pretrained(folder)
    return folder


def change_config(folder: Path, **changes: Any) -> None:
    """Change keys of a folder's `tokenizer_config.json`; None removes one."""
    change_json(folder / "tokenizer_config.json", **changes)


def change_json(file: Path, **changes: Any) -> None:
    """Change keys of a JSON file; None removes one."""
    values = json.loads(file.read_text(encoding="utf-8")) | changes
    file.write_text(json.dumps({key: value for key, value in values.items() if value is not None}), encoding="utf-8")
