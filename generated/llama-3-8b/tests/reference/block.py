"""The block: how attention, feed-forward network and norms make one layer."""

from collections.abc import Callable, Mapping

from . import attention, ffn, norm
from .context import Context
from .tensors import Array, Model, Shapes, Weights, prefixed, under
from .variant import choose


def pre(x: Array, model: Model, weights: Weights, context: Context) -> Array:
    """Normalise the input of each sub-layer; the residual path stays free (arXiv:2002.04745)."""
    read = norm.apply(x, model, under(weights, "input_layernorm."))
    x = x + attention.apply(read, model, under(weights, "self_attn."), context)
    read = norm.apply(x, model, under(weights, "post_attention_layernorm."))
    return x + ffn.apply(read, model, under(weights, "mlp."))


VARIANTS: Mapping[str, Callable[[Array, Model, Weights, Context], Array]] = {"pre": pre}


def apply(x: Array, model: Model, weights: Weights, context: Context) -> Array:
    """Return `x` [B, T, D] after one layer."""
    return choose("norm.placement", VARIANTS, model["norm"]["placement"])(x, model, weights, context)


def parameters(model: Model) -> Shapes:
    """Return the parameters of one layer, under their names inside it."""
    return {
        **prefixed("input_layernorm.", norm.parameters(model)),
        **prefixed("self_attn.", attention.parameters(model)),
        **prefixed("post_attention_layernorm.", norm.parameters(model)),
        **prefixed("mlp.", ffn.parameters(model)),
    }
