"""Tokenizers."""

import json
from abc import abstractmethod
from collections.abc import Mapping
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from specc.catalog.base import Partial, Variant
from specc.catalog.chat import CHAT_TEMPLATES, rendering
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
TOKENS = "tokenizer.json"
COMPANIONS = (
    "added_tokens.json",
    "chat_template.jinja",
    "merges.txt",
    "special_tokens_map.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "vocab.json",
)
"""What a tokenizer consists of in Hugging Face's folders beside `tokenizer.json`, in all of their formats."""


class TokenizerParts(NamedTuple):
    """What a tokenizer adds to the emitted files that use it, at a closed list of join points.

    Attributes:
        files: The definitions of the module `tokenizer`, `tokenizer_files` among them.
        end: Expression of the text of the token that ends a document; may use `file`, where the tokens are.
        end_name: What of the module this needs.
        opening: Statements that make an opened `tokenizer` fit for whole documents.
        ids: Expression of the tokens of an `encoding`; may use `end`, the id of the token that ends a document.
        missing: What a user does who has no such tokenizer.
        option: Arguments of the option `--tokenizer` of `prepare_data.py`.
        chosen: Expression of the file that this option means; may use `args`.
        copying: Statement that takes what later stages need from `tokenizer_file` to `folder`.
        copied: The names of the files that this writes beside the tokens.
        modules: The modules that option, file and copy need.
        names: What of the module `tokenizer` they need.
        errors: The exceptions of that module, for which a stage ends.
    """

    files: Partial
    end: str
    end_name: str
    opening: tuple[str, ...]
    ids: str
    missing: str
    option: str
    chosen: str
    copying: str
    copied: tuple[str, ...]
    modules: tuple[str, ...]
    names: tuple[str, ...]
    errors: tuple[str, ...]


class SpecialTokens(Section):
    """Tokens that stand for no text."""

    eos: str = key("Ends every document.", "<|end|>", reason="any text that documents do not contain", min_length=1)
    pad: str = key(
        "Fills batches of unequal length.",
        "<|pad|>",
        reason="distinct from eos, so eos is learned",
        min_length=1,
    )


class TrainedView(NamedTuple):
    """What `package/tokenizer/trained.py.j2` says; `eos` is a Python literal."""

    eos: str


class BpeView(NamedTuple):
    """What `data/tokenizer/bpe.py.j2` says; `special_tokens` is a Python literal."""

    pattern: tuple[str, ...]
    special_tokens: str


class PretrainedView(NamedTuple):
    """What `package/tokenizer/pretrained.py.j2` says; `path` is a Python literal."""

    path: str
    companions: tuple[str, ...]


def _literal(value: str | tuple[str, ...]) -> str:
    """Return a text, or several, as JSON writes it, and Python's formatters too."""
    return json.dumps(value, ensure_ascii=False)


class AbstractTokenizer(Variant):
    """What all tokenizers share."""

    kind: str

    @abstractmethod
    def parts(self) -> TokenizerParts:
        """Return what it adds to emitted files."""

    def without_chat_template(self) -> bool:
        """Return whether it is sure to have no chat template."""
        return False

    def rendering(self) -> tuple[Partial, ...]:
        """Return the emitted function `render`: a conversation by its chat template, with what is learned."""
        return rendering(marked=False)


class Trained(AbstractTokenizer):
    """What all tokenizers share that a stage trains: the spec decides all that their tokens do not say."""

    vocab_size: Count | None = key("Number of tokens, special ones included.", None)
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

    def without_chat_template(self) -> bool:
        """Return whether the spec gives it no chat template."""
        return self.chat_template is None

    def rendering(self) -> tuple[Partial, ...]:
        """Return the emitted function `render`: the catalog's chat templates mark what is learned."""
        return rendering(marked=True)

    @abstractmethod
    def least(self) -> int:
        """Return the fewest tokens it can have."""

    @abstractmethod
    def partial(self) -> Partial:
        """Return the function that trains the tokenizer."""

    def parts(self) -> TokenizerParts:
        """Return what it adds to emitted files: its assets lie in the package."""
        view = TrainedView(_literal(self.special_tokens.eos))
        return TokenizerParts(
            files=Partial("package/tokenizer/trained.py.j2", view, ("from pathlib import Path",)),
            end="EOS",
            end_name="EOS",
            opening=(),
            ids="encoding.ids",
            missing="run train_tokenizer.py, or give --tokenizer",
            option='help="default: DIR/tokenizer.json"',
            chosen=f'args.tokenizer or args.out / "{TOKENS}"',
            copying=f'shutil.copyfile(tokenizer_file, folder / "{TOKENS}")',
            copied=(),
            modules=("import shutil",),
            names=(),
            errors=(),
        )


class Bpe(Trained):
    """Byte-level byte-pair encoding (Sennrich et al. 2016; Radford et al. 2019)."""

    kind: Literal["bpe"] = "bpe"
    pattern: Literal["gpt2", "gpt4"] = key(
        "How text is split before merging.", "gpt4", reason="splits numbers into threes"
    )

    def least(self) -> int:
        """Return the fewest tokens it can have: one for every byte, and the special ones."""
        return 256 + len(self.specials())

    def partial(self) -> Partial:
        """Return the function that trains the tokenizer."""
        specials = _literal(self.specials())
        imports = (
            "from tokenizers import Regex, Tokenizer",
            "from tokenizers import decoders, models, pre_tokenizers, trainers",
            "from collections.abc import Iterator",
        )
        return Partial("data/tokenizer/bpe.py.j2", BpeView(PATTERNS[self.pattern], specials), imports)


class Pretrained(AbstractTokenizer):
    """The tokenizer of a Hugging Face folder, as it is: its tokens, its special tokens and its chat template."""

    kind: Literal["pretrained"]
    path: str = key(
        "The folder, with `tokenizer.json` and `tokenizer_config.json`. Only the stages read it.", min_length=1
    )

    def parts(self) -> TokenizerParts:
        """Return what it adds to emitted files: all is read from the folder when a stage runs."""
        imports = ("import json", "import shutil", "from functools import cache", "from pathlib import Path")
        view = PretrainedView(_literal(self.path), COMPANIONS)
        return TokenizerParts(
            files=Partial("package/tokenizer/pretrained.py.j2", view, imports),
            end="end_token(file)",
            end_name="end_token",
            # What a trainer had set for its batches is saved with a tokenizer, and would cut documents.
            opening=("tokenizer.no_truncation()", "tokenizer.no_padding()"),
            # Some add the end themselves.
            ids="[token for token in encoding.ids if token != end]",
            missing="give the folder of a tokenizer with --tokenizer",
            option='default=TOKENIZER, metavar="DIR", help="default: %(default)s"',
            chosen="tokens_at(args.tokenizer)",
            copying="copy_tokenizer(tokenizer_file, folder)",
            copied=COMPANIONS,
            modules=(),
            names=("TOKENIZER", "TokenizerError", "copy_tokenizer", "tokens_at"),
            errors=("TokenizerError",),
        )


AnyTokenizer = Annotated[
    Bpe | Pretrained,
    Field(discriminator="kind"),
    variants(planned=("sentencepiece_bpe", "unigram", "tiktoken"), default="bpe"),
]
