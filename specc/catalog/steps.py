"""What happens to documents between reading and tokens."""

import json
from abc import abstractmethod
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, NamedTuple

from pydantic import Field

from specc.catalog.base import Constant, NoView, Partial, Variant
from specc.catalog.fields import Count, key, planned, variants

_STEP = ("from .documents import Document",)
_EXTRACT = (
    *_STEP,
    "from collections.abc import Iterable, Iterator",
    "from contextlib import suppress",
    "from .workers import Workers, batched, cores",
)
_FINEWEB = "as in FineWeb (Penedo et al. 2024)"
_GOPHER = "Gopher (Rae et al. 2021, appendix A)"


class StepParts(NamedTuple):
    """What a step adds to the emitted `steps.py`.

    Attributes:
        partials: Its class, and the functions that it calls.
        constants: Numbers at the top of the module.
        instance: The expression that makes it.
    """

    partials: tuple[Partial, ...]
    constants: tuple[Constant, ...]
    instance: str


class Limits(NamedTuple):
    """Two bounds, and the keys that hold them."""

    low: int
    high: int
    names: tuple[str, str]


class Step(Variant):
    """What all steps share."""

    kind: str

    makes_text: ClassVar[bool] = False
    """Whether it turns pages into text."""

    @abstractmethod
    def parts(self) -> StepParts:
        """Return the class that `steps.py` defines."""

    def requirements(self) -> tuple[str, ...]:
        """Return what its partials import beyond the standard library, pinned."""
        return ()

    def name(self) -> str:
        """Return what tells it from all other steps."""
        return self.kind

    def unused(self) -> Mapping[str, str]:
        """Return the keys that have no effect on this step, each with the choice that would use it."""
        return {}

    def limits(self) -> Limits | None:
        """Return the bounds that documents must keep to, if there are any."""
        return None


class ExtractView(NamedTuple):
    """What `data/step/extract.py.j2` says."""

    method: str


class Extract(Step):
    """Takes the main text out of web pages; menus, footers and mark-up go. Other documents pass as they are."""

    kind: Literal["extract"]
    method: Literal["resiliparse", "trafilatura"] = key(
        "The library that does it.", "resiliparse", reason="about 30 times faster than trafilatura"
    )
    makes_text = True

    def parts(self) -> StepParts:
        """Return the class `Extract` and the function `main_text`."""
        template, imports = _EXTRACTORS[self.method]
        return StepParts(
            partials=(
                Partial(template, NoView(), imports),
                Partial("data/step/extract.py.j2", ExtractView(self.method), _EXTRACT),
            ),
            constants=(),
            instance="Extract()",
        )

    def requirements(self) -> tuple[str, ...]:
        """Return the library."""
        return _EXTRACTOR_PINS[self.method]


_EXTRACTORS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "resiliparse": (
        "data/step/extract/resiliparse.py.j2",
        ("from resiliparse.extract.html2text import extract_plain_text",),
    ),
    "trafilatura": ("data/step/extract/trafilatura.py.j2", ("import trafilatura",)),
}
_EXTRACTOR_PINS: Mapping[str, tuple[str, ...]] = {
    "resiliparse": ("Resiliparse==2.0.1",),
    # Without the last, trafilatura does not import beside lxml 6.
    "trafilatura": ("trafilatura==2.3.1", "lxml_html_clean==0.4.6"),
}


class HeuristicsView(NamedTuple):
    """What `data/step/heuristics.py.j2` says.

    Attributes:
        rules: Their names, as a Python list.
        checks: Calls of their functions, with `text` and `words`.
    """

    rules: str
    checks: tuple[str, ...]


class Heuristics(Step):
    """Drops documents by simple measures of their text."""

    kind: Literal["heuristics"]
    rules: tuple[Annotated[Literal["length", "repetition"], planned("gopher", "c4", "fineweb")], ...] = key(
        "Which measures.",
        ("length", "repetition"),
        reason="cheap, and they catch most of what is no text",
        min_length=1,
        strict=False,
    )
    min_words: Count = key("length: fewest words of a document.", 50, reason=_GOPHER)
    max_words: Count = key("length: most words of a document.", 100_000, reason=_GOPHER)
    max_duplicate_lines: float = key(
        "repetition: most repeated lines, as a share of lines.", 0.3, reason=_GOPHER, ge=0, le=1
    )
    max_duplicate_characters: float = key(
        "repetition: most characters in repeated lines, as a share.", 0.2, reason=_GOPHER, ge=0, le=1
    )
    max_top_bigram: float = key(
        "repetition: most characters in the commonest pair of words, as a share.", 0.2, reason=_GOPHER, ge=0, le=1
    )

    def parts(self) -> StepParts:
        """Return the class `Heuristics` and a function for each rule."""
        rules = tuple(dict.fromkeys(self.rules))
        view = HeuristicsView(json.dumps(rules), tuple(_CHECKS[rule] for rule in rules))
        return StepParts(
            partials=(*(_RULES[rule] for rule in rules), Partial("data/step/heuristics.py.j2", view, _STEP)),
            constants=tuple(
                Constant(name.upper(), getattr(self, name), why)
                for rule in rules
                for name, why in _THRESHOLDS[rule].items()
            ),
            instance="Heuristics()",
        )

    def unused(self) -> Mapping[str, str]:
        """Return the thresholds of the rules that are not asked for."""
        return {
            name: f"rules: [{rule}]" for rule in _THRESHOLDS if rule not in self.rules for name in _THRESHOLDS[rule]
        }

    def limits(self) -> Limits | None:
        """Return the bounds of a document's words."""
        return Limits(self.min_words, self.max_words, ("min_words", "max_words")) if "length" in self.rules else None


_RULES: Mapping[str, Partial] = {
    "length": Partial("data/step/heuristics/length.py.j2", NoView()),
    "repetition": Partial(
        "data/step/heuristics/repetition.py.j2",
        NoView(),
        ("from collections import Counter", "from itertools import pairwise"),
    ),
}
_THRESHOLDS: Mapping[str, Mapping[str, str]] = {
    "length": {"min_words": "", "max_words": ""},
    "repetition": {
        "max_duplicate_lines": "share of the lines that repeat another",
        "max_duplicate_characters": "share of the characters that stand in such lines",
        "max_top_bigram": "share of the characters in the commonest pair of words",
    },
}
"""The constants of each rule, with what they mean."""
_CHECKS: Mapping[str, str] = {
    "length": "check_length(words)",
    "repetition": "check_repetition(document.text, words)",
}
"""The call of each rule's function."""


class Dedup(Step):
    """Keeps the first of documents that are the same, or nearly the same."""

    kind: Literal["dedup"]
    method: Annotated[Literal["exact", "minhash"], planned("bloom", "lshbloom", "substring", "line")] = key(
        "`exact`: equal texts (SHA-256); `minhash`: texts that share most of their word n-grams (Broder 1997).",
        "minhash",
        reason="most of what the web repeats differs in a few words",
    )
    ngram: Count = key("minhash: words that are compared together.", 5, reason=_FINEWEB, le=100)
    bands: Count = key(
        "minhash: groups of hashes; two documents that agree in one are near.",
        14,
        reason=f"{_FINEWEB}: of pairs that share 75% of their n-grams, 77% are found",
        le=1000,
    )
    rows: Count = key("minhash: hashes in a group.", 8, reason=_FINEWEB, le=100)

    def name(self) -> str:
        """Return the kind and the method: both methods have their use in one spec."""
        return f"{self.kind}: {self.method}"

    def parts(self) -> StepParts:
        """Return the class of the method."""
        method = _DEDUPS[self.method]
        return StepParts(
            partials=(Partial(method.template, NoView(), (*_STEP, *method.imports)),),
            constants=tuple(Constant(name.upper(), getattr(self, name), why) for name, why in method.sizes.items()),
            instance=method.instance,
        )

    def requirements(self) -> tuple[str, ...]:
        """Return the library that makes signatures."""
        return _DEDUPS[self.method].requirements

    def unused(self) -> Mapping[str, str]:
        """Return the sizes of signatures, where there are none."""
        return {} if self.method == _MINHASH else dict.fromkeys(_DEDUPS[_MINHASH].sizes, f"method: {_MINHASH}")


class _Method(NamedTuple):
    """One way to find documents that repeat."""

    template: str
    instance: str
    imports: tuple[str, ...] = ()
    requirements: tuple[str, ...] = ()
    sizes: Mapping[str, str] = {}


_MINHASH = "minhash"
_DEDUPS: Mapping[str, _Method] = {
    "exact": _Method("data/step/dedup/exact.py.j2", "ExactDedup()", ("from hashlib import sha256",)),
    _MINHASH: _Method(
        "data/step/dedup/minhash.py.j2",
        "MinHashDedup()",
        (
            "import re",
            "import numpy as np",
            "from numpy.lib.stride_tricks import sliding_window_view",
            "from rensa import RMinHash",
        ),
        ("rensa==0.5.0", "numpy==2.4.6"),
        {
            "ngram": "words that are compared together",
            "bands": "documents that agree in one are near",
            "rows": "hashes in a band",
        },
    ),
}

AnyStep = Annotated[
    Extract | Heuristics | Dedup,
    Field(discriminator="kind"),
    variants(planned=("language", "perplexity", "quality", "toxicity", "pii", "decontaminate")),
]
