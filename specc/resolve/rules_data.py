"""Rules about the steps that documents go through."""

from __future__ import annotations

from collections.abc import Iterator

from specc.catalog.steps import AnyStep
from specc.diagnostics import Diagnostic, rule
from specc.resolve.case import Case, Rule, repeats

STEPS = "data.steps"


def steps_of(case: Case) -> Iterator[tuple[str, AnyStep]]:
    """Yield every step with its dotted path."""
    for index, step in enumerate(case.written.data.steps if case.written.data else ()):
        yield f"{STEPS}.{index}", step


def kind_of(case: Case, path: str) -> str:
    """Return the path of a step's kind, or of the step where that is all there is."""
    return f"{path}.kind" if case.at.has(f"{path}.kind") else path


@rule("pages-without-extract")
def pages_without_extract(case: Case) -> Iterator[Diagnostic]:
    """A source holds web pages, and no step extracts their text.

    Why: the model would learn to write mark-up, menus and scripts, which is most of what a page holds.
    Example: a source with `format: html` in a `data` section without `steps`.
    Fix: add the step `extract`; a corpus of HTML as source code is `format: code`.
    """
    data = case.written.data
    if data is None or any(step.makes_text for step in data.steps):
        return
    for index, source in enumerate(data.sources):
        if source.pages:
            path = f"data.sources.{index}.format"
            yield Diagnostic(
                code="pages-without-extract",
                message=f"nothing takes the text out of the pages of `{source.name}`",
                path=path,
                primary=case.at.label(path, "pages, with their mark-up"),
                related=case.labels({STEPS: "has no `extract`"}),
                help="add `extract` to `data.steps`; for pages as source code, write `format: code`",
            )


@rule("extract-without-pages")
def extract_without_pages(case: Case) -> Iterator[Diagnostic]:
    """A step extracts the text of web pages, and no source holds any.

    Why: documents of all other formats are text already and pass it as they are: the step has no effect.
    Example: `steps: [extract]` with sources of `format: text` alone.
    Fix: remove the step, or give the source of pages `format: html`.
    """
    data = case.written.data
    if data is None or any(source.pages for source in data.sources):
        return
    for path, step in steps_of(case):
        if step.makes_text:
            yield Diagnostic(
                code="extract-without-pages",
                message=f"`{step.kind}` has no effect: no source holds pages",
                path=path,
                primary=case.at.label(kind_of(case, path), "nothing to extract from"),
                help="remove the step, or write `format: html` in the source that holds pages",
            )


@rule("step-twice")
def step_twice(case: Case) -> Iterator[Diagnostic]:
    """The same step stands twice in the list of steps.

    Why: what a step has dropped or changed is gone: the second time it finds nothing to do. Two lists of
    heuristics say together what one list says alone.
    Example: `steps: [{kind: dedup, method: exact}, heuristics, {kind: dedup, method: exact}]`.
    Fix: remove one of them.
    """
    for name, path, first in repeats((path, step.name()) for path, step in steps_of(case)):
        yield Diagnostic(
            code="step-twice",
            message=f"the step `{name}` stands twice",
            path=path,
            primary=case.at.label(kind_of(case, path), "again"),
            related=(case.at.label(kind_of(case, first), "first here"),),
            help="remove one of them",
        )


@rule("step-key-without-effect")
def step_key_without_effect(case: Case) -> Iterator[Diagnostic]:
    """A step has a key that its other keys make useless.

    Why: a threshold of a rule that is not applied, or the size of a signature that is not made, promises what does
    not happen.
    Example: `{kind: dedup, method: exact, ngram: 13}`, or `{kind: heuristics, rules: [length], max_top_bigram: 0.1}`.
    Fix: remove the key, or choose what uses it.
    """
    for path, step in steps_of(case):
        for name, needed in step.unused().items():
            # A default that is spelt out, as in a resolved spec, promises nothing.
            if case.at.has(f"{path}.{name}") and getattr(step, name) != type(step).model_fields[name].default:
                yield Diagnostic(
                    code="step-key-without-effect",
                    message=f"`{name}` has no effect on this step",
                    path=f"{path}.{name}",
                    primary=case.at.key_label(f"{path}.{name}", f"read only with `{needed}`"),
                    help=f"remove `{name}`, or add `{needed}`",
                )


@rule("word-limits-crossed")
def word_limits_crossed(case: Case) -> Iterator[Diagnostic]:
    """The fewest words that a document must have are more than the most that it may have.

    Why: every document would be dropped.
    Example: `{kind: heuristics, min_words: 1000, max_words: 100}`.
    Fix: exchange the two, or remove one.
    """
    for path, step in steps_of(case):
        limits = step.limits()
        if limits is None or limits.low <= limits.high:
            continue
        low, high = (f"{path}.{name}" for name in limits.names)
        yield Diagnostic(
            code="word-limits-crossed",
            message=f"no document has at least {limits.low} and at most {limits.high} words",
            path=low if case.at.has(low) else high,
            primary=case.at.label(low if case.at.has(low) else high, "drops every document"),
            related=case.labels({high: "the most"}) if case.at.has(low) else (),
            help="exchange the two, or remove one",
        )


RULES: tuple[Rule, ...] = (
    pages_without_extract,
    extract_without_pages,
    step_twice,
    step_key_without_effect,
    word_limits_crossed,
)
