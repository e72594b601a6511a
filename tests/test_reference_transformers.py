"""The third witness: the reference equals public implementations that nobody here wrote.

`transformers` passes norms, rotary angles and softmax through float32, hence the tolerances.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from specc.reference import cross_entropy_mean, directional_derivative, forward, parameters

Weights = dict[str, NDArray[np.float64]]
Witness = tuple[torch.nn.Module, dict[str, Any], Callable[[Mapping[str, Tensor]], Weights]]

LOGITS_ATOL = 1e-5
GRADIENT_RTOL = 1e-4
GRADIENT_ATOL = 1e-9  # a bias of the keys moves all scores of a query alike: without rotation its gradient is 0

LLAMAS: dict[str, dict[str, Any]] = {
    "gqa": {"num_key_value_heads": 2},
    "gqa-tied": {"num_key_value_heads": 3, "tie_word_embeddings": True},
    "gqa-wide-heads": {"num_key_value_heads": 2, "head_dim": 10, "num_hidden_layers": 3},
    "gqa-biases": {"num_key_value_heads": 2, "attention_bias": True, "mlp_bias": True},
    "gqa-theta": {"num_key_value_heads": 2, "rope_parameters": {"rope_type": "default", "rope_theta": 37.0}},
    "mqa": {"num_key_value_heads": 1},
    "mha": {"num_key_value_heads": 6, "rms_norm_eps": 1e-2},
}

GPT2S: dict[str, dict[str, Any]] = {
    "tied": {},
    "untied": {"tie_word_embeddings": False},
    "exact-gelu": {"activation_function": "gelu", "layer_norm_epsilon": 1e-2},
    "wide-inner": {"n_inner": 41, "n_layer": 3},
}


def llama(**changes: Any) -> Witness:
    """Return a Llama of odd sizes, the spec that should describe it, and how its tensors map."""
    config = LlamaConfig(
        **{
            "vocab_size": 37,
            "hidden_size": 36,
            "intermediate_size": 53,
            "num_hidden_layers": 2,
            "num_attention_heads": 6,
            "max_position_embeddings": 19,
            "bos_token_id": None,
            "eos_token_id": None,
            **changes,
        }
    )
    kv_heads = changes["num_key_value_heads"]
    rope = changes.get("rope_parameters", {"rope_theta": 10000.0})
    model = {
        "architecture": "decoder",
        "num_layers": config.num_hidden_layers,
        "hidden_size": config.hidden_size,
        "num_heads": config.num_attention_heads,
        "num_kv_heads": kv_heads,
        "head_dim": config.head_dim,
        "vocab_size": config.vocab_size,
        "max_seq_len": config.max_position_embeddings,
        "tie_embeddings": config.tie_word_embeddings,
        "attention": {
            "kind": {config.num_attention_heads: "mha", 1: "mqa"}.get(kv_heads, "gqa"),
            "bias": "all" if config.attention_bias else "none",
        },
        "position": {"kind": "rope", "theta": rope["rope_theta"]},
        "ffn": {
            "activation": "swiglu",
            "intermediate_size": config.intermediate_size,
            "bias": config.mlp_bias,
        },
        "norm": {"kind": "rmsnorm", "eps": config.rms_norm_eps, "bias": False, "placement": "pre"},
    }
    return LlamaForCausalLM(config), model, from_llama


def from_llama(tensors: Mapping[str, Tensor]) -> Weights:
    return {name: tensor.detach().numpy() for name, tensor in tensors.items()}


def gpt2(**changes: Any) -> Witness:
    """Return a GPT-2 of odd sizes without dropout, the spec that should describe it, and how its tensors map."""
    dropout = {"embd_pdrop": 0.0, "attn_pdrop": 0.0, "resid_pdrop": 0.0}
    sizes = {"vocab_size": 37, "n_embd": 30, "n_layer": 2, "n_head": 5, "n_positions": 19}
    tokens = {"bos_token_id": None, "eos_token_id": None}
    config = GPT2Config(**{**dropout, **sizes, **tokens, **changes})
    activations = {"gelu_new": "gelu_tanh", "gelu": "gelu"}
    model = {
        "architecture": "decoder",
        "num_layers": config.n_layer,
        "hidden_size": config.n_embd,
        "num_heads": config.n_head,
        "num_kv_heads": config.n_head,
        "head_dim": config.n_embd // config.n_head,
        "vocab_size": config.vocab_size,
        "max_seq_len": config.n_positions,
        "tie_embeddings": config.tie_word_embeddings,
        "attention": {"kind": "mha", "bias": "all"},
        "position": {"kind": "learned"},
        "ffn": {
            "activation": activations[config.activation_function],
            "intermediate_size": config.n_inner or 4 * config.n_embd,
            "bias": True,
        },
        "norm": {"kind": "layernorm", "eps": config.layer_norm_epsilon, "bias": True, "placement": "pre"},
    }
    return GPT2LMHeadModel(config), model, from_gpt2


GPT2_NAMES = {
    "transformer.wte": "model.embed_tokens",
    "transformer.wpe": "model.embed_positions",
    "transformer.ln_f": "model.norm",
    "transformer.h.": "model.layers.",
    ".ln_1.": ".input_layernorm.",
    ".ln_2.": ".post_attention_layernorm.",
    ".attn.c_proj.": ".self_attn.o_proj.",
    ".mlp.c_fc.": ".mlp.up_proj.",
    ".mlp.c_proj.": ".mlp.down_proj.",
}


def from_gpt2(tensors: Mapping[str, Tensor]) -> Weights:
    """Rename; transpose GPT-2's [in, out] projections; split the fused query, key and value projection."""
    weights: Weights = {}
    for name, tensor in tensors.items():
        array = tensor.detach().numpy()
        array = array.T if ".c_" in name else array
        for theirs, ours in GPT2_NAMES.items():
            name = name.replace(theirs, ours)
        if ".attn.c_attn." in name:
            for projection, part in zip("qkv", np.split(array, 3), strict=True):
                weights[name.replace(".attn.c_attn.", f".self_attn.{projection}_proj.")] = part
        else:
            weights[name] = array
    return weights


CASES = [pytest.param(llama, changes, id=f"llama-{name}") for name, changes in LLAMAS.items()] + [
    pytest.param(gpt2, changes, id=f"gpt2-{name}") for name, changes in GPT2S.items()
]


def randomised(family: Callable[..., Witness], changes: dict[str, Any]) -> Witness:
    """Return a witness in float64 whose every tensor is random: biases of 0 and norms of 1 would hide mistakes."""
    torch.manual_seed(0)
    module, model, convert = family(**changes)
    module = module.double().eval()
    for tensor in module.parameters():
        torch.nn.init.normal_(tensor, mean=0.1, std=0.3)
    return module, model, convert


@pytest.mark.parametrize(("family", "changes"), CASES)
def test_logits_equal_those_of_transformers(family: Callable[..., Witness], changes: dict[str, Any]) -> None:
    module, model, convert = randomised(family, changes)
    tokens = torch.randint(model["vocab_size"], (2, model["max_seq_len"]))
    with torch.no_grad():
        theirs = module(tokens).logits.numpy()

    ours = forward(model, convert(dict(module.named_parameters())), tokens.numpy())

    np.testing.assert_allclose(ours, theirs, rtol=0, atol=LOGITS_ATOL)


@pytest.mark.parametrize(("family", "changes"), CASES)
def test_parameters_are_those_of_transformers(family: Callable[..., Witness], changes: dict[str, Any]) -> None:
    module, model, convert = family(**changes)
    theirs = convert(dict(module.named_parameters()))

    assert parameters(model) == {name: array.shape for name, array in theirs.items()}


@pytest.mark.parametrize(
    ("family", "changes"), [(llama, LLAMAS["gqa-biases"]), (llama, LLAMAS["gqa-tied"]), (gpt2, GPT2S["tied"])]
)
def test_gradients_equal_those_of_autograd(family: Callable[..., Witness], changes: dict[str, Any]) -> None:
    module, model, convert = randomised(family, changes)
    tokens = torch.randint(model["vocab_size"], (2, 8))
    named = dict(module.named_parameters())
    loss = torch.nn.functional.cross_entropy(module(tokens).logits.flatten(0, 1), tokens.flatten())
    theirs = convert(dict(zip(named, torch.autograd.grad(loss, list(named.values())), strict=True)))
    weights = convert(named)
    random = np.random.default_rng(0)

    for name, gradient in theirs.items():
        # Along a direction near the gradient's own: a random one could be almost orthogonal to it.
        direction = gradient / np.linalg.norm(gradient) + 0.1 * random.normal(size=gradient.shape)
        ours = directional_derivative(
            lambda moved: cross_entropy_mean(forward(model, moved, tokens.numpy()), tokens.numpy()),
            weights,
            name,
            direction,
        )
        expected = (gradient * direction).sum()
        np.testing.assert_allclose(ours, expected, rtol=GRADIENT_RTOL, atol=GRADIENT_ATOL, err_msg=name)
