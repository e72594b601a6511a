"""What other projects call the keys of a spec, for "did you mean"."""

from __future__ import annotations

from collections.abc import Mapping

FOREIGN: Mapping[str, str] = {
    # Hugging Face's config.json
    "num_hidden_layers": "num_layers",
    "num_attention_heads": "num_heads",
    "num_key_value_heads": "num_kv_heads",
    "max_position_embeddings": "max_seq_len",
    "tie_word_embeddings": "tie_embeddings",
    "hidden_act": "activation",
    "rope_theta": "theta",
    "rms_norm_eps": "eps",
    "layer_norm_eps": "eps",
    "attention_bias": "bias",
    "partial_rotary_factor": "rotary_fraction",
    "learning_rate": "lr",
    "warmup_steps": "warmup",
    "max_grad_norm": "grad_clip",
    "max_steps": "steps",
    "gradient_checkpointing": "activation_checkpointing",
    # GPT-2's and nanoGPT's
    "n_layer": "num_layers",
    "n_layers": "num_layers",
    "n_head": "num_heads",
    "n_heads": "num_heads",
    "n_kv_heads": "num_kv_heads",
    "n_embd": "hidden_size",
    "n_inner": "intermediate_size",
    "n_ctx": "max_seq_len",
    "n_positions": "max_seq_len",
    "block_size": "max_seq_len",
    # Llama's params.json
    "dim": "hidden_size",
    "d_model": "hidden_size",
    "d_ff": "intermediate_size",
    "norm_eps": "eps",
}
