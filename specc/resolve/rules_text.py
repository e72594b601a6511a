"""Rules about tokenizer and data."""

from __future__ import annotations

from collections.abc import Iterator

from specc.catalog.chat import CHAT_TEMPLATES
from specc.catalog.tokenizer import Trained
from specc.diagnostics import Diagnostic, Severity, rule
from specc.resolve.case import Case, Rule, one_of, repeats
from specc.spec.schema import Spec


def _trained(spec: Spec) -> Trained | None:
    """Return the tokenizer where the spec decides what it is."""
    return spec.tokenizer if isinstance(spec.tokenizer, Trained) else None


@rule("vocab-smaller-than-tokenizer")
def vocab_smaller_than_tokenizer(case: Case) -> Iterator[Diagnostic]:
    """The tokenizer has more tokens than the model has embeddings.

    Why: the token ids past the model's vocabulary would be out of range on the first text that has them. The other way
    round is fine: spare rows are common, and make the matmul of the head faster.
    Example: `tokenizer: {vocab_size: 50304}` with `model: {vocab_size: 32000}`.
    Fix: give only one of the two, or make the model's at least as large.
    """
    tokenizer, size = _trained(case.written), case.written.model.vocab_size
    if tokenizer is None or tokenizer.vocab_size is None or size is None or tokenizer.vocab_size <= size:
        return
    yield Diagnostic(
        code="vocab-smaller-than-tokenizer",
        message=f"the model has {size} embeddings for the {tokenizer.vocab_size} tokens of its tokenizer",
        path="model.vocab_size",
        primary=case.at.label("model.vocab_size", f"fewer than {tokenizer.vocab_size}"),
        related=case.labels({"tokenizer.vocab_size": "token ids go up to this"}),
        help="remove `model.vocab_size`: it then follows the tokenizer",
    )


@rule("vocab-too-small-for-bytes")
def vocab_too_small_for_bytes(case: Case) -> Iterator[Diagnostic]:
    """A byte-level tokenizer has fewer tokens than there are bytes and special tokens.

    Why: byte-level tokenizers start with one token for each of the 256 bytes, so that any text can be written, and
    the special tokens come on top; merges are learned only beyond these.
    Example: `tokenizer: {kind: bpe, vocab_size: 200}`.
    Fix: a vocabulary of some thousands; 258 is the least with two special tokens.
    """
    tokenizer, filled = _trained(case.written), _trained(case.filled.spec)
    if tokenizer is None or filled is None or filled.vocab_size is None or filled.vocab_size >= tokenizer.least():
        return
    least = tokenizer.least()
    path = case.said("tokenizer.vocab_size", "model.vocab_size")
    yield Diagnostic(
        code="vocab-too-small-for-bytes",
        message=f"a vocabulary of {filled.vocab_size} cannot hold the {least} tokens that the tokenizer starts with",
        path=path,
        primary=case.at.label(path, f"less than {least}"),
        related=case.labels({case.said("tokenizer.kind", "tokenizer"): "starts with all bytes and special tokens"}),
        help=f"set `{path}` to {least} or more",
    )


@rule("special-tokens-equal")
def special_tokens_equal(case: Case) -> Iterator[Diagnostic]:
    """The end-of-sequence token and the padding token are the same text.

    Why: padding is masked out of the loss. If it is also the end of a document, the model never learns to stop.
    Example: `special_tokens: {eos: "<|end|>", pad: "<|end|>"}`.
    Fix: give padding a text of its own, or leave it out.
    """
    tokenizer = _trained(case.written)
    if tokenizer is None or tokenizer.special_tokens.eos != tokenizer.special_tokens.pad:
        return
    eos, pad = "tokenizer.special_tokens.eos", "tokenizer.special_tokens.pad"
    path, other = (pad, eos) if case.says(pad) else (eos, pad)
    yield Diagnostic(
        code="special-tokens-equal",
        message="`eos` and `pad` are the same token",
        path=path,
        primary=case.at.label(path, f"also the text of `{other.rpartition('.')[2]}`"),
        related=case.labels({other: "the same text"}),
        note="padding is masked out of the loss, so the model would never learn to end a document",
        help=f"give `{path.rpartition('.')[2]}` a text of its own, or remove it",
    )


@rule("pad-ends-turns")
def pad_ends_turns(case: Case) -> Iterator[Diagnostic]:
    """The padding token is one that the chat template marks turns with.

    Why: padding is masked out of the loss. If it also ends a turn, the model never learns to end its answers.
    Example: `special_tokens: {pad: "<|im_end|>"}` with `chat_template: chatml`.
    Fix: leave `pad` out, or give it a text of its own.
    """
    tokenizer = _trained(case.written)
    if tokenizer is None or tokenizer.chat_template is None:
        return
    pad, marks = tokenizer.special_tokens.pad, CHAT_TEMPLATES[tokenizer.chat_template].special_tokens
    if pad not in marks:
        return
    yield Diagnostic(
        code="pad-ends-turns",
        message=f"`{pad}` pads, and marks turns of a conversation",
        path="tokenizer.special_tokens.pad",
        primary=case.at.label("tokenizer.special_tokens.pad", "masked out of the loss"),
        related=case.labels({"tokenizer.chat_template": f"writes {one_of(marks)}"}),
        note="the model would never learn to end an answer",
        help="remove `pad`, or give it a text of its own",
    )


@rule("duplicate-source-name")
def duplicate_source_name(case: Case) -> Iterator[Diagnostic]:
    """Two data sources have the same name.

    Why: the data card counts documents and bytes by source, and mixtures will name sources.
    Example: two items of `data.sources` with `name: web`.
    Fix: rename one of them.
    """
    sources = case.written.data.sources if case.written.data else ()
    for name, path, first in repeats((f"data.sources.{index}.name", it.name) for index, it in enumerate(sources)):
        yield Diagnostic(
            code="duplicate-source-name",
            message=f"two sources have the name `{name}`",
            path=path,
            primary=case.at.label(path, "again"),
            related=(case.at.label(first, "first used here"),),
            help="rename one of them",
        )


@rule("data-without-tokenizer")
def data_without_tokenizer(case: Case) -> Iterator[Diagnostic]:
    """The spec has data and no tokenizer.

    Why: text becomes token ids through a tokenizer; without one, no shards can be made from the sources.
    Example: a `data` section in a spec without `tokenizer`.
    Fix: add `tokenizer: {kind: bpe, vocab_size: 32k}`, or remove `data` and bring shards of token ids.
    """
    if case.written.data is not None and case.written.tokenizer is None:
        yield Diagnostic(
            code="data-without-tokenizer",
            severity=Severity.WARNING,
            message="`data` has no effect without a `tokenizer`",
            path="data",
            primary=case.at.key_label("data", "nothing turns this text into tokens"),
            related=case.labels({"tokenizer": "no tokenizer"}),
            help="add a `tokenizer` section",
        )


RULES: tuple[Rule, ...] = (
    vocab_smaller_than_tokenizer,
    vocab_too_small_for_bytes,
    special_tokens_equal,
    pad_ends_turns,
    duplicate_source_name,
    data_without_tokenizer,
)
