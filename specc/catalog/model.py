"""A whole network: the variants chosen on every axis, and what follows from them together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from specc.catalog.attention import Attention
from specc.catalog.backend import BACKENDS, Backend
from specc.catalog.base import Dims, ModelParts, NoView, Parameter, Partial, Saved, Size, Use, count
from specc.catalog.block import BLOCKS, Dropout
from specc.catalog.ffn import Ffn
from specc.catalog.init import Init
from specc.catalog.norm import Norm
from specc.catalog.position import Position


class DecoderView(NamedTuple):
    """What `model/decoder/decoder.py.j2` says."""

    norm: str
    init: tuple[str, ...]
    embedded: tuple[str, ...]
    context_steps: tuple[str, ...]
    context: str


class Network(NamedTuple):
    """A decoder with every choice made."""

    dims: Dims
    attention: Attention
    position: Position
    ffn: Ffn
    norm: Norm
    dropout: Dropout
    init: Init
    tie_embeddings: bool

    def layer_parameters(self) -> tuple[Parameter, ...]:
        """Return the tensors of one block, named relative to it."""
        block = BLOCKS[self.norm.placement].parameters(self.norm, self.dims)
        attention = (p.under("self_attn") for p in self.attention.parameters(self.dims))
        return (*block, *attention, *(p.under("mlp") for p in self.ffn.parameters(self.dims)))

    def outer_parameters(self) -> tuple[Parameter, ...]:
        """Return the tensors outside the blocks: embeddings, final norm, head. Tied weights count once."""
        table = (self.dims.vocab_size, self.dims.hidden_size)
        tied = Parameter("model.embed_tokens.weight", table, Use.MATMUL if self.tie_embeddings else Use.LOOKUP)
        head = () if self.tie_embeddings else (Parameter("lm_head.weight", table, Use.MATMUL),)
        position = (p.under("model") for p in self.position.parameters(self.dims))
        norm = (p.under("model.norm") for p in self.norm.parameters(self.dims.hidden_size))
        return (tied, *position, *norm, *head)

    def parameters(self) -> Mapping[str, Parameter]:
        """Return every tensor of the state dict by its name."""
        layers = (
            p.under(f"model.layers.{layer}") for layer in range(self.dims.num_layers) for p in self.layer_parameters()
        )
        return {p.name: p for p in (*self.outer_parameters(), *layers)}

    def parameter_count(self, *uses: Use) -> int:
        """Return the elements of all tensors, or of those that are used in one of these ways."""
        return self.dims.num_layers * count(self.layer_parameters(), *uses) + count(self.outer_parameters(), *uses)

    def layer_saved(self) -> tuple[Saved, ...]:
        """Return what one block keeps for its backward pass, per token."""
        block = BLOCKS[self.norm.placement].saved(self.norm, self.dropout, self.dims)
        return (*block, *self.attention.saved(self.dims), *self.ffn.saved(self.dims))

    def parts(self, backend: str) -> ModelParts:
        """Return everything that `model.py` says, from the normalisation up to the head."""
        inner = self.block_parts(BACKENDS[backend]) + self.init.parts()
        return inner + ModelParts(partials=(self._decoder(inner), self._head()))

    def block_parts(self, backend: Backend) -> ModelParts:
        """Return what every text of the model says: its sizes, a block and all that a block calls."""
        position, attend = self.position.parts(), backend.parts(self.attention, self.dropout.attention)
        parts = self._sizes() + self.norm.parts() + position + attend
        parts += self.attention.parts(self.dims, position + attend) + self.ffn.parts(self.dims)
        return parts + BLOCKS[self.norm.placement].parts(self.norm, self.dropout) + self.dropout.parts()

    def _sizes(self) -> ModelParts:
        dims = self.dims
        return ModelParts(
            sizes=(
                Size("vocab_size", dims.vocab_size, "draw(st.integers(3, 40))", 200),
                Size("max_seq_len", dims.max_seq_len, "draw(st.integers(6, 16))", 100),
                Size("num_layers", dims.num_layers, "draw(st.integers(1, 3))", 3),
                Size("hidden_size", dims.hidden_size, "draw(st.integers(3, 24))", 64),
            )
        )

    def _decoder(self, inner: ModelParts) -> Partial:
        values = ("mask", "cache", *(f.value for f in inner.context))
        view = DecoderView(
            self.norm.class_name, inner.decoder_init, inner.embedded, inner.context_steps, ", ".join(values)
        )
        return Partial("model/decoder/decoder.py.j2", view, ("import torch", "from torch import Tensor, nn"))

    def _head(self) -> Partial:
        if self.tie_embeddings:
            imports = ("import torch.nn.functional as F", "from torch import Tensor, nn")
            return Partial("model/head/tied.py.j2", NoView(), imports)
        return Partial("model/head/untied.py.j2", NoView(), ("from torch import Tensor, nn",))
