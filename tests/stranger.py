"""A program that knows nothing of specc or of a project: it loads an exported folder as any user would.

Run as `python -I tests/stranger.py FOLDER OUT`: reads `OUT/tokens.safetensors`, writes `OUT/answers.safetensors`.
"""

import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

CONVERSATION = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello!"}]


def main() -> None:
    """Answer in tensors what the test compares."""
    folder, out = Path(sys.argv[1]), Path(sys.argv[2])
    assert "specc" not in sys.modules
    assert not any("specc" in path or path.endswith("project") for path in sys.path)
    tokens = load_file(out / "tokens.safetensors")["tokens"]
    answers: dict[str, torch.Tensor] = {}
    model: Any
    for kernel in ("sdpa", "eager"):
        model = AutoModelForCausalLM.from_pretrained(
            folder, trust_remote_code=True, attn_implementation=kernel, dtype=torch.float64
        )
        with torch.no_grad():
            answers[f"{kernel}.logits"] = model(tokens).logits
    model = AutoModelForCausalLM.from_pretrained(folder, trust_remote_code=True)
    answers["written"] = model.generate(tokens, max_new_tokens=64, do_sample=False, eos_token_id=None)
    chat: Any = AutoTokenizer.from_pretrained(folder, trust_remote_code=True).apply_chat_template(
        CONVERSATION, add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    answers["chat"] = chat["input_ids"]
    answers["answer"] = model.generate(**chat, do_sample=False, max_new_tokens=32)
    judge = AutoModelForSequenceClassification.from_pretrained(folder, trust_remote_code=True, num_labels=1)
    answers["score"] = judge(tokens).logits
    save_file({name: tensor.contiguous() for name, tensor in answers.items()}, out / "answers.safetensors")


if __name__ == "__main__":
    main()
