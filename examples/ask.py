"""Ask models in Hugging Face folders one thing, with nothing but the `transformers` library.

    python examples/ask.py QUESTION FOLDER...

Prints the answer of each, always the likeliest next token.
"""

from __future__ import annotations

import sys
from pathlib import Path

from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils.logging import disable_progress_bar

MOST_TOKENS = 60


def answer(folder: Path, question: str) -> str:
    """Return what the model in a folder says to a question."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    turns = [{"role": "user", "content": question}]
    asked = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    tokens = model.generate(**asked, max_new_tokens=MOST_TOKENS, do_sample=False)
    said: str = tokenizer.decode(tokens[0, asked["input_ids"].shape[1] :], skip_special_tokens=True)
    return said


if __name__ == "__main__":
    disable_progress_bar()
    for path in sys.argv[2:]:
        print(f"{Path(path).name}: {answer(Path(path), sys.argv[1])!r}")
