"""Chat templates: how a conversation is written as one text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from specc.catalog.base import Partial

BEGIN, END = "{% generation %}", "{% endgeneration %}"
"""What stands around what the assistant says in a chat template that marks it."""


class ChatTemplate(NamedTuple):
    """How a conversation becomes a text, and the special tokens that this takes.

    Attributes:
        path: The template under `templates/`, in the Jinja that `transformers` renders: what the assistant says stands
            in a `generation` block, which tells training what to learn.
        special_tokens: What marks turns.
        end_of_turn: The one of them that ends a turn; generation stops there.
    """

    path: str
    special_tokens: tuple[str, ...]
    end_of_turn: str


CHAT_TEMPLATES: Mapping[str, ChatTemplate] = {
    # OpenAI's ChatML; the role stands in the first line of each turn.
    "chatml": ChatTemplate("chat/chatml.jinja", ("<|im_start|>", "<|im_end|>"), "<|im_end|>"),
}
"""Every chat template by its tag."""

EXAMPLE = CHAT_TEMPLATES["chatml"]
"""What tests take in place of a chat template that is known only when a stage runs: most resemble it."""


class MarkedView(NamedTuple):
    """What `align/render/marked.py.j2` says."""

    name: str


class AnyTemplateView(NamedTuple):
    """What `align/render/any.py.j2` says: the marks."""

    begin: str
    end: str


def rendering(*, marked: bool) -> tuple[Partial, ...]:
    """Return the function `render`, which writes a conversation and says what is learned of it.

    Args:
        marked: The chat template is one that marks it; otherwise what it is turns out when a stage runs.
    """
    by_marks = Partial("align/render/marked.py.j2", MarkedView("render" if marked else "marked"))
    others = Partial("align/render/any.py.j2", AnyTemplateView(BEGIN, END), ("import re",))
    return (by_marks,) if marked else (by_marks, others)
