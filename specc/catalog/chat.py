"""Chat templates: how a conversation is written as one text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


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
