"""The pages of `specc explain` for what can be wrong with a Hugging Face folder."""

from __future__ import annotations

from specc.diagnostics import explained

CONFIG_UNREADABLE = explained(
    "hf-config-unreadable",
    """The folder has no `config.json` that could be read.

    Why: `specc import` takes everything from this file; weights are read later, by the built project's `convert.py`.
    Example: `specc import model.safetensors`, or a folder whose download was cut off.
    Fix: pass the folder of a model as `save_pretrained` or `hf download` writes it.
    """,
)
FAMILY_UNKNOWN = explained(
    "hf-family-unknown",
    """The folder's `model_type` is of a family that specc cannot import.

    Why: the same key means different things in different families, so each one is read by rules of its own.
    Example: `"model_type": "mamba"`.
    Fix: import a model of a family that the message lists, or write the spec by hand.
    """,
)
VALUE_INVALID = explained(
    "hf-value-invalid",
    """A value in `config.json` is not of the kind that its key takes.

    Why: the library that wrote the file would refuse it as well, or fail later.
    Example: `"num_hidden_layers": "12"`.
    Fix: correct the value; the message says what is expected.
    """,
)
NOT_EXPRESSIBLE = explained(
    "hf-not-expressible",
    """A value in `config.json` changes the model in a way that a spec cannot say yet.

    Why: a spec without it would describe another model, whose logits differ from the folder's.
    Example: `"rope_scaling": {"rope_type": "llama3", "factor": 8.0}`.
    Fix: none by hand; import a model without it, or use a newer specc.
    """,
)
