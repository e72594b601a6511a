"""The whole model, from token numbers to logits."""

from collections.abc import Callable, Mapping

import numpy as np

from . import block, norm, position
from .context import context_of
from .tensors import Array, Model, Shapes, Weights, prefixed, under
from .variant import choose


def forward(model: Model, weights: Weights, tokens: Array, documents: Array | None = None) -> Array:
    """Return the logits [B, T, V] of each token's successor.

    Args:
        model: The decided `model:` section of a spec.
        weights: An array for each name of `parameters(model)`, and no other.
        tokens: Token numbers [B, T].
        documents: The number of each token's document, [B, T], when several are packed into one sequence.

    Raises:
        KeyError: The model has a variant that the reference does not know.
        ValueError: The weights are not those of the model, or a packed document is torn apart.
    """
    _check_weights(weights, parameters(model))
    alone = np.zeros(tokens.shape, dtype=np.int64)
    architecture = choose("architecture", VARIANTS, model["architecture"])
    return architecture(model, weights, tokens, alone if documents is None else documents)


def decoder(model: Model, weights: Weights, tokens: Array, documents: Array) -> Array:
    """Predict each next token from those before it (Radford et al. 2018)."""
    context = context_of(documents)
    embeddings = weights["model.embed_tokens.weight"]
    x = position.on_embeddings(embeddings[tokens], context.positions, model, under(weights, "model."))
    for layer in range(model["num_layers"]):
        x = block.apply(x, model, under(weights, f"model.layers.{layer}."), context)
    x = norm.apply(x, model, under(weights, "model.norm."))
    logits: Array = x @ (embeddings if model["tie_embeddings"] else weights["lm_head.weight"]).T
    return logits


VARIANTS: Mapping[str, Callable[[Model, Weights, Array, Array], Array]] = {"decoder": decoder}


def parameters(model: Model) -> Shapes:
    """Return name and shape of every trained tensor; a tied head is the embedding and not counted again."""
    vocabulary = (model["vocab_size"], model["hidden_size"])
    shapes: Shapes = {"model.embed_tokens.weight": vocabulary}
    shapes |= prefixed("model.", position.parameters(model))
    for layer in range(model["num_layers"]):
        shapes |= prefixed(f"model.layers.{layer}.", block.parameters(model))
    shapes |= prefixed("model.norm.", norm.parameters(model))
    return shapes if model["tie_embeddings"] else {**shapes, "lm_head.weight": vocabulary}


def _check_weights(weights: Weights, expected: Shapes) -> None:
    """Refuse weights of another model, which could otherwise broadcast or go unread."""
    given = {name: array.shape for name, array in weights.items()}
    wrong = sorted(name for name in given | expected if given.get(name) != expected.get(name))
    if wrong:
        differences = [f"{name}: {given.get(name)}, not {expected.get(name)}" for name in wrong]
        raise ValueError("these are not the weights of this model: " + "; ".join(differences))
