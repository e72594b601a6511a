"""Sizes of the model: parameters, FLOPs, cache and checkpoint."""

from __future__ import annotations

from specc.catalog.base import Use, count
from specc.catalog.model import Network
from specc.plan.values import Shapes

# A backward pass multiplies twice where the forward pass multiplies once: gradients of inputs and of weights.
PASSES = 3
KV_BYTES = 2
# Checkpoints hold fp32 weights, whatever training computes in, and fp32 moments.
CHECKPOINT_BYTES = 4


def forward_matmul_flops(network: Network) -> int:
    """Return the FLOPs per token of all weight matmuls in one forward pass, the head's included."""
    return 2 * network.parameter_count(Use.MATMUL)


def forward_attention_flops(network: Network, length: int) -> int:
    """Return the FLOPs per token of all attention cores in one forward pass, causal at half."""
    return network.dims.num_layers * network.attention.core_flops(network.dims, length)


def non_embedding(network: Network) -> int:
    """Return the parameters that are no embedding table, as scaling laws count them (Kaplan et al. 2020).

    Tables of token and position vectors do not count. An untied head does: it is a matmul, not a table. A tied one
    is the token table and does not.
    """
    outer = network.outer_parameters()
    table = network.dims.vocab_size * network.dims.hidden_size if network.tie_embeddings else 0
    return network.parameter_count() - count(outer, Use.LOOKUP) - table


def shapes(network: Network, sequence_length: int, moments: int) -> Shapes:
    """Return what follows from the model's sizes.

    Args:
        network: The model.
        sequence_length: Tokens per training sequence, over which attention looks.
        moments: State elements that the optimizer keeps per parameter.
    """
    parameters = network.parameter_count()
    forward = forward_matmul_flops(network) + forward_attention_flops(network, sequence_length)
    return Shapes(
        parameters=parameters,
        active_parameters=parameters,
        non_embedding_parameters=non_embedding(network),
        flops_per_token=PASSES * forward,
        kv_bytes_per_token=KV_BYTES * network.dims.num_layers * network.attention.kv_elements(network.dims),
        checkpoint_bytes=CHECKPOINT_BYTES * (1 + moments) * parameters,
    )
