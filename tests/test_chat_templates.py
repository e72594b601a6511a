"""Chat templates as public models have them: what is learned of a conversation, and what cannot be told."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.emitted import compiled, imported, lay_out
from tests.other_tokenizers import CHATML, SPEC, SPECIAL_TOKENS, change_config, write_tokenizer

PACKAGE = "tiny_model"
TURNS = [
    {"role": "user", "content": "alpha?"},
    {"role": "assistant", "content": "beta gamma"},
    {"role": "user", "content": "delta?"},
    {"role": "assistant", "content": "naïve"},
]
SYSTEM = {"role": "system", "content": "Be brief."}


class Written(NamedTuple):
    """A template in the manner of a family of models, and what is learned of `TURNS`."""

    template: str
    learned: str


EACH = "{% for m in messages %}"
TEMPLATES = {
    # The header of an answer is the end of the user's turn.
    "brackets": Written(
        f"{{{{ '<s>' }}}}{EACH}{{% if m.role == 'user' %}}[INST] {{{{ m.content }}}} [/INST]"
        "{% else %}{{ ' ' + m.content + ' </s>' }}{% endif %}{% endfor %}",
        " beta gamma </s> naïve </s>",
    ),
    # A line break follows each end.
    "bars": Written(
        f"{EACH}<|{{{{ m.role }}}}|>\n{{{{ m.content }}}}</s>\n{{% endfor %}}"
        "{% if add_generation_prompt %}<|assistant|>\n{% endif %}",
        "beta gamma</s>naïve</s>",
    ),
    "chatml": Written(CHATML, "beta gamma<|im_end|>naïve<|im_end|>"),
    # It marks, and writes the last answer in another way than those before.
    "marked": Written(
        f"{EACH}{{% if m.role == 'user' %}}{{{{ m.content }}}}\n{{% else %}}{{% generation %}}"
        "{{ ('' if loop.last else '(old) ') + m.content }}</s>{% endgeneration %}{% endif %}{% endfor %}",
        "(old) beta gamma</s>naïve</s>",
    ),
}


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = lay_out(compiled(SPEC), tmp_path_factory.mktemp("chat"))
    with imported(PACKAGE, folder):
        yield importlib.import_module(f"{PACKAGE}.chat")


def learned(chat: Any, folder: Path, turns: list[dict[str, str]]) -> str:
    """Return what is learned of a conversation, as text."""
    tokenizer = chat.open_tokenizer(folder)
    ((tokens, mask),) = chat.encode(tokenizer, [chat.checked("rows.jsonl:7", turns)], 1000)
    text: str = tokenizer.decode(tokens[mask])
    return text


@pytest.mark.parametrize("place", ["chat_template.jinja", "tokenizer_config.json"])
@pytest.mark.parametrize("written", list(TEMPLATES.values()), ids=list(TEMPLATES))
def test_answers_and_their_ends_are_learned(chat: Any, tmp_path: Path, written: Written, place: str) -> None:
    in_file = place == "chat_template.jinja"
    write_tokenizer(tmp_path, written.template if in_file else None)
    if not in_file:
        change_config(tmp_path, chat_template=written.template)
    assert learned(chat, tmp_path, TURNS) == written.learned


def test_a_template_of_several_is_the_default_one(chat: Any, tmp_path: Path) -> None:
    write_tokenizer(tmp_path, None)
    both = [{"name": "tool_use", "template": "tools"}, {"name": "default", "template": CHATML}]
    change_config(tmp_path, chat_template=both)
    assert learned(chat, tmp_path, TURNS) == TEMPLATES["chatml"].learned


# What keeps the answers of TURNS from being told: the template, and what is said.
REFUSED = {
    "a thought before the last answer only": (
        CHATML.replace(
            "{{ m.content }}", "{% if loop.last and m.role == 'assistant' %}(hm)\n{% endif %}{{ m.content }}"
        ),
        "rows.jsonl:7: the chat template writes what leads to turn 2, or the turn, in another way when more follows",
    ),
    "an end of all, not of each turn": (
        CHATML.replace("{% if add", "{% if not add_generation_prompt %}</s>{% endif %}{% if add"),
        "turn 2, or the turn, in another way when more follows, so that nobody can tell what to learn: end the",
    ),
    "no end": (f"{EACH}{{{{ m.role }}}}: {{{{ m.content }}}}\n{{% endfor %}}", "without the special token that ends"),
    "no answers": (
        CHATML.replace(EACH, "{% for m in messages if m.role == 'user' %}"),
        "what leads to turn 2, or the turn, in another way",
    ),
    "no template": (None, "holds no chat_template.jinja, and its tokenizer_config.json has no `chat_template`"),
    "it refuses": ("{{ raise_exception('never') }}", "the chat template refuses this: never"),
}


@pytest.mark.parametrize(("template", "said"), list(REFUSED.values()), ids=list(REFUSED))
def test_what_cannot_be_told_is_refused(chat: Any, tmp_path: Path, template: str | None, said: str) -> None:
    write_tokenizer(tmp_path, template)
    with pytest.raises(chat.DataError, match=said):
        learned(chat, tmp_path, TURNS)


def test_a_row_that_ends_with_the_answer_is_learned_all_the_same(chat: Any, tmp_path: Path) -> None:
    write_tokenizer(tmp_path, REFUSED["a thought before the last answer only"][0])
    assert learned(chat, tmp_path, TURNS[:2]) == "(hm)\nbeta gamma<|im_end|>"


def test_a_template_that_drops_the_system_turn_is_refused(chat: Any, tmp_path: Path) -> None:
    write_tokenizer(tmp_path, TEMPLATES["brackets"].template.replace("{% else %}", "{% elif m.role == 'assistant' %}"))
    with pytest.raises(chat.DataError, match="rows.jsonl:7: the chat template drops the system turn"):
        learned(chat, tmp_path, [SYSTEM, *TURNS])


def test_a_folder_as_older_libraries_wrote_it(chat: Any, tmp_path: Path) -> None:
    """Tokens with all their properties, a class of the model's own, the template beside them."""
    write_tokenizer(tmp_path, None)
    plain = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False}
    tokens = {str(n): {"content": token, "special": True, **plain} for n, token in enumerate(SPECIAL_TOKENS)}
    change_config(
        tmp_path,
        backend=None,
        tokenizer_class="LlamaTokenizer",
        legacy=False,
        add_bos_token=True,
        added_tokens_decoder=tokens,
        eos_token={"__type": "AddedToken", "content": "</s>", **plain},
        chat_template=CHATML,
    )
    assert learned(chat, tmp_path, TURNS) == TEMPLATES["chatml"].learned
