"""Networks that no public family expresses: their exports carry the model as code, here loaded and run by strangers."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch.testing import assert_close
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from tests.exports import ODD, Exporting, changed, exporting, randomised

STRANGER = Path(__file__).with_name("stranger.py")


@pytest.fixture(scope="module", params=list(ODD))
def odd(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporting]:
    with exporting(request.param, tmp_path_factory.mktemp(request.param)) as lent:
        lent.convert.to_hf(lent.checkpoint, lent.checkpoint.with_name("folder"))
        yield lent


@pytest.fixture
def theirs(odd: Exporting) -> Any:
    """Return the model as the project itself loads it, in float64."""
    model = odd.convert.read_theirs(odd.checkpoint.with_name("folder"), odd.model.Config())
    return model.double().eval()


def modeling(odd: Exporting) -> Any:
    return importlib.import_module(f"{odd.package}.hf.modeling_{odd.package}")


def asked(odd: Exporting, folder: Path) -> dict[str, torch.Tensor]:
    """Return what a process answers that has neither specc nor the project."""
    save_file({"tokens": odd.tokens()}, folder / "tokens.safetensors")
    environment = {**os.environ, "HF_HOME": str(folder / "cache"), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-I", str(STRANGER), str(odd.checkpoint.with_name("folder")), str(folder)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return load_file(folder / "answers.safetensors")


def test_a_stranger_gets_the_same_numbers_and_texts(odd: Exporting, tmp_path: Path) -> None:
    ours = odd.model.load(odd.checkpoint).eval()
    generation, tokens = odd.module("generation"), odd.tokens()
    answers = asked(odd, tmp_path)

    assert torch.equal(answers["written"], generation.generate(ours, tokens, 64))
    answer = generation.generate(ours, answers["chat"], 32)
    ends = [place for place, token in enumerate(answer[0]) if token in (0, 3) and place >= answers["chat"].shape[1]]
    assert torch.equal(answers["answer"], answer[:, : ends[0] + 1] if ends else answer)
    assert answers["score"].shape == (2, 1)
    with torch.no_grad():
        logits = ours.double()(tokens)
    for kernel in ("sdpa", "eager"):
        assert_close(answers[f"{kernel}.logits"], logits, rtol=0, atol=1e-10 * float(logits.abs().max()))


def test_padding_changes_nothing(odd: Exporting, theirs: Any) -> None:
    long, short = odd.tokens()[0], odd.tokens()[1, 8:]
    padded = torch.stack([long, F.pad(short, (8, 0), value=1)])
    mask = torch.ones_like(padded)
    mask[1, :8] = 0
    together = theirs.generate(padded, attention_mask=mask, max_new_tokens=12, do_sample=False, eos_token_id=None)

    for row, alone in enumerate((long, short)):
        written = theirs.generate(alone[None], max_new_tokens=12, do_sample=False, eos_token_id=None)
        assert torch.equal(together[row, -12:], written[0, -12:])


def test_documents_packed_by_positions_do_not_see_each_other(odd: Exporting, theirs: Any) -> None:
    tokens = odd.tokens()[:1]
    positions = torch.cat([torch.arange(7), torch.arange(13)])[None]
    with torch.no_grad():
        packed = theirs(tokens, position_ids=positions, use_cache=False).logits
        alone = theirs(tokens[:, 7:], use_cache=False).logits
    assert_close(packed[:, 7:], alone, rtol=0, atol=1e-9)


def test_it_has_what_trainers_ask_for(odd: Exporting, theirs: Any) -> None:
    tokens = odd.tokens()
    inner = theirs.model(tokens, output_hidden_states=True)
    assert inner.last_hidden_state.shape == (2, 20, theirs.config.hidden_size)
    assert len(inner.hidden_states) == theirs.config.num_hidden_layers + 1
    assert (theirs.config.num_attention_heads, theirs.config.num_layers) == (4, 3)
    assert isinstance(theirs(tokens, return_dict=False), tuple)

    labels = tokens.masked_fill(torch.rand(tokens.shape, generator=torch.Generator().manual_seed(2)) < 0.3, -100)
    outputs = theirs(tokens, labels=labels)
    expected = F.cross_entropy(outputs.logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten())
    assert_close(outputs.loss, expected.to(outputs.loss.dtype))
    assert_close(theirs(tokens, logits_to_keep=1).logits, outputs.logits[:, -1:])
    embedded = theirs.get_input_embeddings()(tokens)
    assert_close(theirs(inputs_embeds=embedded).logits, outputs.logits)


def test_recomputation_gives_the_same_gradients(odd: Exporting, theirs: Any) -> None:
    gradients = []
    for recompute in (False, True):
        theirs.train()
        theirs.zero_grad()
        torch.manual_seed(0)  # of dropout
        if recompute:
            theirs.activation_checkpointing_enable()
        theirs(odd.tokens(), labels=odd.tokens(), attention_mask=torch.ones(2, 20)).loss.backward()
        gradients.append({name: tensor.grad for name, tensor in theirs.named_parameters()})
    assert_close(*gradients)


def test_attention_is_written_as_engines_read_it(odd: Exporting) -> None:
    """vLLM parses the source of `forward`: one look-up, unconditional, and one call of it with `scaling=`."""
    source = textwrap.dedent(inspect.getsource(modeling(odd).Attention.forward))
    body = ast.parse(source).body[0]
    assert isinstance(body, ast.FunctionDef)
    lookups = [
        statement
        for statement in body.body  # not within a branch
        if isinstance(statement, ast.Assign)
        and "ALL_ATTENTION_FUNCTIONS.get_interface(" in ast.unparse(statement.value)
    ]
    assert len(lookups) == 1
    name = ast.unparse(lookups[0].targets[0])
    calls = [node for node in ast.walk(body) if isinstance(node, ast.Call) and ast.unparse(node.func) == name]
    assert [ast.unparse(keyword.value) for call in calls for keyword in call.keywords if keyword.arg == "scaling"] == [
        "self.scaling"
    ]


def test_engines_get_what_they_ask_for(odd: Exporting, theirs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As SGLang and vLLM call a model: a kernel and caches of their own, one sequence, positions, a tuple back."""
    calls: list[tuple[int, Any, float, Any]] = []

    def kernel(module: Any, q: Any, k: Any, v: Any, mask: Any, scaling: float, **options: Any) -> Any:
        calls.append((module.layer_idx, mask, scaling, options["forward_batch"]))
        assert module.config._attn_implementation == "engine"
        y, _ = ALL_ATTENTION_FUNCTIONS["sdpa"](module, q, k, v, mask, scaling=scaling)
        return y.flatten(0, 1).flatten(1), None

    monkeypatch.setitem(ALL_ATTENTION_FUNCTIONS._global_mapping, "engine", kernel)
    tokens, batch = odd.tokens()[:1], object()
    with torch.no_grad():
        expected = theirs.model(tokens).last_hidden_state
        theirs.config._attn_implementation = "engine"
        arguments = {"position_ids": torch.arange(20)[None], "use_cache": False, "return_dict": False}
        found = theirs.model(input_ids=tokens, inputs_embeds=None, forward_batch=batch, **arguments)[0]

    assert_close(found, expected)
    assert calls == [(layer, None, 6**-0.5, batch) for layer in range(3)]


def test_config_says_how_to_split_it_and_which_epsilon_norms_have(odd: Exporting, theirs: Any) -> None:
    plan = theirs.config.base_model_tp_plan
    split = {name.rpartition(".")[2]: how for name, how in plan.items()}
    assert split == {
        **dict.fromkeys(("q_proj", "k_proj", "v_proj", "up_proj"), "colwise"),
        **({"gate_proj": "colwise"} if "gate_proj" in split else {}),
        **dict.fromkeys(("o_proj", "down_proj"), "rowwise"),
    }
    linears = {name for name, module in theirs.model.layers[0].named_modules() if isinstance(module, torch.nn.Linear)}
    assert {name.removeprefix("layers.*.") for name in plan} == linears
    norms = [module for module in theirs.modules() if type(module).__name__ == "RMSNorm"]
    assert all(norm.eps == 1e-2 for norm in norms)
    assert len(norms) == (7 if odd.package == "gelu_rmsnorm" else 0)


def test_folder_of_another_network_is_refused(odd: Exporting, tmp_path: Path) -> None:
    """Its tensors fit, and the code that would run them is this project's: only config.json can tell."""
    folder = tmp_path / "other"
    odd.convert.to_hf(odd.checkpoint, folder)
    network = json.loads((folder / "config.json").read_text())["network"]
    changed(folder / "config.json", network={**network, "norm": {**network["norm"], "eps": 0.5}})
    with pytest.raises(odd.convert.ConversionError, match="is another model: network is"):
        odd.convert.from_hf(folder, tmp_path / "checkpoint")
    assert not (tmp_path / "checkpoint").exists()


def test_code_in_a_folder_is_not_run(odd: Exporting, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    odd.convert.to_hf(odd.checkpoint, folder)
    for file in folder.glob("*.py"):
        file.write_text("raise SystemExit('this ran')\n")
    odd.convert.from_hf(folder, tmp_path / "checkpoint")
    assert (tmp_path / "checkpoint" / "manifest.json").exists()


def test_new_weights_can_be_drawn(odd: Exporting) -> None:
    """As a reward model's head is, of which a folder holds no weights."""
    code = modeling(odd)
    judge = getattr(code, f"{odd.convert.PREFIX}ForSequenceClassification")(code.Config(num_labels=1, pad_token_id=1))
    std = float(judge.model.layers[0].mlp.up_proj.weight.detach().std())
    assert 0.015 < std < 0.025
    assert randomised(judge)(odd.tokens()).logits.shape == (2, 1)
