"""Rules about the network and its vocabulary."""

from __future__ import annotations

from collections.abc import Iterator

from specc.catalog.tokenizer import Pretrained
from specc.diagnostics import Diagnostic, rule
from specc.resolve.case import Case, Rule, divisors_near, one_of
from specc.resolve.defaults import network
from specc.spec import codes

MAX_PARAMETERS = 10**15
MAX_LAYERS = 10**4


def vocab_size_missing(case: Case) -> Iterator[Diagnostic]:
    """Without a tokenizer's, the size of the vocabulary is the user's to say; `missing-key` is its page."""
    if case.filled.spec.model.vocab_size is None:
        yield Diagnostic(
            code=codes.MISSING_KEY,
            message="`model` has no `vocab_size`, and no tokenizer says it",
            path="model.vocab_size",
            primary=case.at.key_label("model.vocab_size", "`vocab_size` is missing"),
            related=case.labels({case.said("tokenizer.vocab_size", "tokenizer"): "does not say it either"}),
            help=f"add `vocab_size` here{_where_else(case)}",
        )


def _where_else(case: Case) -> str:
    """Return where the size of the vocabulary can be said instead, or found."""
    if isinstance(case.written.tokenizer, Pretrained):
        return ", as the `config.json` of the tokenizer's folder has it"
    return ", or a `tokenizer` section with its own"


@rule("heads-not-divisible")
def heads_not_divisible(case: Case) -> Iterator[Diagnostic]:
    """The width of the model is no multiple of the number of heads.

    Why: without `head_dim`, each head gets `hidden_size / num_heads` dimensions, which must be whole.
    Example: `hidden_size: 512` with `num_heads: 12`.
    Fix: choose a number of heads that divides the width, or give `head_dim`, which need not multiply to the width.
    """
    model = case.written.model
    if case.says("model.head_dim") or model.hidden_size % model.num_heads == 0:
        return
    fitting = one_of(divisors_near(model.hidden_size, model.num_heads))
    yield Diagnostic(
        code="heads-not-divisible",
        message=f"{model.num_heads} heads cannot share a width of {model.hidden_size}",
        path="model.num_heads",
        primary=case.at.label("model.num_heads", f"does not divide {model.hidden_size}"),
        related=case.labels({"model.hidden_size": "the width", "model.head_dim": "not given"}),
        note="each head has hidden_size / num_heads dimensions unless `head_dim` is given",
        help=f"set `num_heads` to {fitting}, or give `head_dim`",
    )


@rule("kv-heads-missing")
def kv_heads_missing(case: Case) -> Iterator[Diagnostic]:
    """Grouped-query attention does not say how many key/value heads there are.

    Why: the size of the groups decides quality and the cost of decoding, and no number is usual for all models.
    Example: `attention: {kind: gqa}` in a model without `num_kv_heads`.
    Fix: add `num_kv_heads`, a divisor of `num_heads`; 8 is common for 32 heads and more.
    """
    model = case.written.model
    if not _chooses_kv_heads(case) or model.num_kv_heads is not None:
        return
    usual = divisors_near(model.num_heads, max(model.num_heads // 4, 1))[0]
    yield Diagnostic(
        code="kv-heads-missing",
        message=f"`attention.kind: {model.attention.kind}` needs `num_kv_heads`",
        path="model.num_kv_heads",
        primary=case.at.key_label("model.num_kv_heads", "`num_kv_heads` is missing"),
        related=case.labels({"model.attention.kind": "leaves the number open"}),
        help=f"add `num_kv_heads: {usual}` to `model`, or another divisor of {model.num_heads}",
    )


@rule("kv-heads-without-effect")
def kv_heads_without_effect(case: Case) -> Iterator[Diagnostic]:
    """`num_kv_heads` is given for an attention kind that fixes the number itself.

    Why: multi-head attention has one key/value head per query head, multi-query attention has one in all; a key that
    changes nothing would only pretend to.
    Example: `num_kv_heads: 8` with `attention: {kind: mha}`, or the same number as `num_heads`.
    Fix: remove the key, or choose `attention: {kind: gqa}`; `num_kv_heads` without a kind means gqa.
    """
    model = case.written.model
    heads = model.attention.fixed_kv_heads(model.num_heads)
    if model.num_kv_heads is None or heads is None:
        return
    yield Diagnostic(
        code="kv-heads-without-effect",
        message=f"`num_kv_heads` has no effect on `attention.kind: {model.attention.kind}`",
        path="model.num_kv_heads",
        primary=case.at.key_label("model.num_kv_heads", "no effect"),
        related=case.labels({case.said("model.attention.kind", "model.attention"): f"fixes it to {heads}"}),
        help="remove `num_kv_heads`, or remove the kind: `num_kv_heads` alone means grouped-query attention",
    )


@rule("kv-heads-not-divisible")
def kv_heads_not_divisible(case: Case) -> Iterator[Diagnostic]:
    """The number of query heads is no multiple of the number of key/value heads.

    Why: each key/value head serves `num_heads / num_kv_heads` query heads, all the same number.
    Example: `num_heads: 14` with `num_kv_heads: 4`.
    Fix: choose a divisor of `num_heads`.
    """
    model = case.written.model
    if model.num_kv_heads is None or not _chooses_kv_heads(case) or model.num_heads % model.num_kv_heads == 0:
        return
    yield Diagnostic(
        code="kv-heads-not-divisible",
        message=f"{model.num_heads} query heads cannot share {model.num_kv_heads} key/value heads",
        path="model.num_kv_heads",
        primary=case.at.label("model.num_kv_heads", f"does not divide {model.num_heads}"),
        related=case.labels({"model.num_heads": "query heads"}),
        note="each key/value head serves num_heads / num_kv_heads query heads",
        help=f"set `num_kv_heads` to {one_of(_divisors(model.num_heads, model.num_kv_heads))}",
    )


@rule("head-dim-not-divisible")
def head_dim_not_divisible(case: Case) -> Iterator[Diagnostic]:
    """The position encoding cannot split a head of this width.

    Why: rotary embeddings turn dimensions in pairs, so a head needs an even number of them.
    Example: `position: {kind: rope}` with `head_dim: 65`, or `hidden_size: 60` with `num_heads: 4`.
    Fix: choose an even `head_dim`, a number of heads that gives one, or another position encoding.
    """
    model = case.filled.spec.model
    multiple, width = model.position.head_dim_multiple, model.head_dim or 0
    uneven = not case.says("model.head_dim") and model.hidden_size % model.num_heads
    if uneven or width % multiple == 0:
        return
    path = case.said("model.head_dim", "model.num_heads")
    kind = case.said("model.position.kind", "model.position")
    fits = [max(width - width % multiple, multiple), width - width % multiple + multiple]
    yield Diagnostic(
        code="head-dim-not-divisible",
        message=f"`position.kind: {model.position.kind}` cannot split heads of {width} dimensions",
        path=path,
        primary=case.at.label(path, f"makes head_dim {width}, no multiple of {multiple}"),
        related=case.labels({kind: f"turns {multiple} dimensions together"}),
        help=f"set `head_dim` to {one_of(sorted(set(fits)))}",
    )


@rule("model-too-large")
def model_too_large(case: Case) -> Iterator[Diagnostic]:
    """The sizes multiply to a model that nobody can mean.

    Why: more than 1e15 parameters or ten thousand layers are a slip of the keyboard; no machine holds them, and no
    plan for them would mean anything.
    Example: `hidden_size: 40960000`.
    Fix: check the digits and suffixes of the sizes.
    """
    net = network(case.filled.spec)
    parameters = 0 if net is None else net.parameter_count()
    layers = case.written.model.num_layers
    if parameters <= MAX_PARAMETERS and layers <= MAX_LAYERS:
        return
    size = f"{layers:.3g} layers" if layers > MAX_LAYERS else f"{parameters:.3g} parameters"
    path = "model.num_layers" if layers > MAX_LAYERS else "model.hidden_size"
    yield Diagnostic(
        code="model-too-large",
        message=f"a model of {size} is larger than anything that can be built",
        path=path,
        primary=case.at.label(path),
        note=f"at most {MAX_PARAMETERS:.0e} parameters in {MAX_LAYERS:,} layers are accepted",
        help="check the digits and suffixes of the model's sizes",
    )


def _chooses_kv_heads(case: Case) -> bool:
    """Say whether the attention kind leaves the number of key/value heads to the user."""
    model = case.written.model
    return model.attention.fixed_kv_heads(model.num_heads) is None


def _divisors(number: int, near: int) -> list[int]:
    """Return all divisors of a usual number of heads, the nearest ones of an unusual one."""
    return [n for n in range(1, number + 1) if number % n == 0] if number <= 256 else divisors_near(number, near)


RULES: tuple[Rule, ...] = (
    vocab_size_missing,
    heads_not_divisible,
    kv_heads_missing,
    kv_heads_without_effect,
    kv_heads_not_divisible,
    head_dim_not_divisible,
    model_too_large,
)
