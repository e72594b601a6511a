"""Tokenizers."""

import json
from collections.abc import Mapping
from typing import Annotated, Literal, NamedTuple

from specc.catalog.base import Partial, Variant
from specc.catalog.chat import CHAT_TEMPLATES
from specc.catalog.fields import Count, Section, key, variants

# The split of text before merging. GPT-2's is that of Radford et al. (2019); GPT-4's is cl100k_base's.
# Each is cut into lines as it is emitted; none holds a double quote.
PATTERNS: Mapping[str, tuple[str, ...]] = {
    "gpt2": (r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+", r"| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"),
    "gpt4": (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}",
        r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    ),
}


class SpecialTokens(Section):
    """Tokens that stand for no text."""

    eos: str = key("Ends every document.", "<|end|>", reason="any text that documents do not contain", min_length=1)
    pad: str = key(
        "Fills batches of unequal length.",
        "<|pad|>",
        reason="distinct from eos, so eos is learned",
        min_length=1,
    )


class BpeView(NamedTuple):
    """What `data/tokenizer/bpe.py.j2` says; `special_tokens` is a Python literal."""

    pattern: tuple[str, ...]
    special_tokens: str


class Bpe(Variant):
    """Byte-level byte-pair encoding (Sennrich et al. 2016; Radford et al. 2019)."""

    kind: Literal["bpe"] = "bpe"
    vocab_size: Count | None = key("Number of tokens, special ones included.", None)
    pattern: Literal["gpt2", "gpt4"] = key(
        "How text is split before merging.", "gpt4", reason="splits numbers into threes"
    )
    special_tokens: SpecialTokens = key(
        "Tokens that stand for no text.", SpecialTokens.model_construct(), reason="one for each use"
    )

    chat_template: Literal["chatml"] | None = key(
        "How conversations are written; its special tokens are the tokenizer's too.",
        None,
        reason="a model that completes text needs none",
    )

    def specials(self) -> tuple[str, ...]:
        """Return every special token once, in the order of their ids."""
        turns = CHAT_TEMPLATES[self.chat_template].special_tokens if self.chat_template else ()
        return tuple(dict.fromkeys((self.special_tokens.eos, self.special_tokens.pad, *turns)))

    def least(self) -> int:
        """Return the fewest tokens it can have: one for every byte, and the special ones."""
        return 256 + len(self.specials())

    def partial(self) -> Partial:
        """Return the function that trains the tokenizer."""
        # JSON's strings are Python's too, in the quotes that Python's formatters prefer.
        specials = json.dumps(self.specials(), ensure_ascii=False)
        imports = (
            "from tokenizers import Regex, Tokenizer",
            "from tokenizers import decoders, models, pre_tokenizers, trainers",
            "from collections.abc import Iterator",
        )
        return Partial("data/tokenizer/bpe.py.j2", BpeView(PATTERNS[self.pattern], specials), imports)


AnyTokenizer = Annotated[
    Bpe, variants(planned=("sentencepiece_bpe", "unigram", "tiktoken", "pretrained"), default="bpe")
]
