"""What all families share: a `config.json` to the values of a spec's `model:` section."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from specc.interop.config import Given, HfConfig

Values = dict[str, Given]
"""The dotted keys below `model`, in the order of the spec."""

NEUTRAL = frozenset(
    {
        *("_name_or_path", "architectures", "dtype", "model_type", "torch_dtype", "transformers_version", "use_cache"),
        *("bos_token_id", "eos_token_id", "pad_token_id", "task_specific_params", "tokenizer_class"),
        *("output_attentions", "output_hidden_states", "return_dict", "is_encoder_decoder", "chunk_size_feed_forward"),
    }
)
"""Keys of any folder that say nothing about the function that the model computes."""


class Reader(ABC):
    """Reads the `config.json` of one family.

    Attributes:
        model_type: What `config.json` calls the family.
        neutral: Keys of this family that change nothing that a spec would say.
    """

    model_type: ClassVar[str]
    neutral: ClassVar[frozenset[str]] = frozenset()

    @abstractmethod
    def values(self, config: HfConfig) -> Values:
        """Return what the spec's `model:` says; problems are left in `config`."""

    def read(self, config: HfConfig) -> Values:
        """Return what the spec's `model:` says, what no family can import refused."""
        for key in ("auto_map", "quantization_config"):
            config.expect(key)
        config.asked |= NEUTRAL | self.neutral
        return self.values(config)


def attention(heads: Given, kv_heads: Given, bias: Given) -> Mapping[str, Given]:
    """Return the attention of a model whose query heads share key/value heads, or do not."""
    if kv_heads.value == heads.value:
        chosen = {"attention.kind": Given("mha", "as many key/value heads as heads")}
    elif kv_heads.value == 1:
        chosen = {"attention.kind": Given("mqa", kv_heads.why)}
    else:
        chosen = {"num_kv_heads": kv_heads, "attention.kind": Given("gqa", kv_heads.why)}
    return {**chosen, "attention.bias": Given("all" if bias.value else "none", bias.why)}
