"""The modules behind the stages: one optimizer step, checkpoints, generation."""

from __future__ import annotations

import importlib
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from specc.reference.optimizer import adamw, no_moments
from tests.emitted import compiled, imported, lay_out
from tests.first_light import TINY


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lay_out(compiled(TINY), tmp_path_factory.mktemp("modules"))


@pytest.fixture
def model(project: Path) -> Iterator[ModuleType]:
    with imported("tiny_model", project) as module:
        yield module


def beside(model: ModuleType, name: str) -> Any:
    """Return another module of the same package."""
    return importlib.import_module(f"{model.__package__}.{name}")


def small_model(module: ModuleType) -> Any:
    torch.manual_seed(0)
    return module.Model(module.Config()).double()


def batch(model: ModuleType, sequences: int = 6, length: int = 10) -> Any:
    """Return a batch in which the sequences have unequal numbers of targets."""
    generator = torch.Generator().manual_seed(1)
    tokens, targets = torch.randint(300, (2, sequences, length), generator=generator)
    kept = torch.arange(length) <= torch.arange(sequences)[:, None] * 2
    documents = torch.arange(length).expand(sequences, length) // 4
    return beside(model, "data").Batch(tokens, targets.where(kept, model.IGNORED), documents)


def cut(whole: Any, size: int) -> list[Any]:
    return [type(whole)(*parts) for parts in zip(*(tensor.split(size) for tensor in whole), strict=True)]


def accumulated(module: ModuleType, model: Any, batches: list[Any]) -> tuple[Tensor, list[Tensor]]:
    training = beside(module, "training")
    model.zero_grad()
    loss = training.accumulate(training.Objective(model), batches)
    return loss, [parameter.grad.clone() for parameter in model.parameters()]


@pytest.mark.parametrize("size", [1, 2, 3])
def test_loss_and_gradient_do_not_depend_on_the_cut(model: ModuleType, size: int) -> None:
    network, whole = small_model(model), batch(model)
    expected = accumulated(model, network, [whole])
    assert_close(accumulated(model, network, cut(whole, size)), expected, rtol=1e-12, atol=1e-14)


def test_the_loss_is_the_mean_over_all_targets_that_count(model: ModuleType) -> None:
    network, whole = small_model(model), batch(model)
    logits = network(whole.tokens, whole.documents)
    expected = torch.nn.functional.cross_entropy(logits.flatten(0, 1), whole.targets.flatten())
    assert_close(accumulated(model, network, cut(whole, 2))[0], expected.detach(), rtol=1e-12, atol=0.0)


def test_a_step_clips_and_then_does_what_the_references_adamw_does(model: ModuleType) -> None:
    training, network, whole = beside(model, "training"), small_model(model), batch(model)
    with torch.no_grad():
        network.lm_head.weight.mul_(30)  # a gradient that needs clipping
    _, gradients = accumulated(model, network, [whole])
    norm = torch.cat([gradient.flatten() for gradient in gradients]).norm().item()
    before = [parameter.detach().numpy().copy() for parameter in network.parameters()]
    step = training.train_step(training.Objective(network), training.make_optimizer(network), cut(whole, 2), 0.01)

    assert norm > training.GRAD_CLIP
    assert step.grad_norm == pytest.approx(norm, rel=1e-9)
    for parameter, old, gradient in zip(network.parameters(), before, gradients, strict=True):
        decay = 0.1 if parameter.dim() > 1 else 0.0
        optimizer = {"betas": (0.9, 0.95), "eps": 1e-8, "weight_decay": decay}
        expected, _ = adamw(old, gradient.numpy() * training.GRAD_CLIP / norm, no_moments(old), optimizer, 0.01)
        assert_close(parameter.detach(), torch.from_numpy(expected), rtol=1e-6, atol=1e-6)


def one_step(folder: Path, **train: Any) -> tuple[tuple[float, float, bool], bool]:
    """Return what a step with another `train` section came to, and whether its forward passes are wrapped."""
    values = {**TINY, "train": {**TINY["train"], **train}}
    with imported("tiny_model", lay_out(compiled(values), folder)) as module:
        training, network = beside(module, "training"), small_model(module).float()
        objective = training.Objective(network)
        for name in ("compile_objective", "recompute_blocks"):
            if f"    {name}(objective)\n" in (folder / "train.py").read_text(encoding="utf-8"):
                vars(training)[name](objective)
        wrapped = "forward" in vars(objective) or all("forward" in vars(block) for block in network.model.layers)
        step = training.train_step(objective, training.make_optimizer(network), cut(batch(module), 2), 0.01)
        return step, wrapped


@pytest.mark.parametrize(
    ("train", "wraps", "limit"),
    [
        ({"activation_checkpointing": "full"}, True, 1e-6),
        ({"compile": True}, True, 1e-4),
        ({"compile": True, "activation_checkpointing": "full"}, True, 1e-4),
        ({"grad_clip": None}, False, 1e-6),
    ],
    ids=["recomputed", "compiled whole", "compiled by block and recomputed", "not clipped"],
)
def test_a_feature_keeps_loss_and_gradient(tmp_path: Path, train: dict[str, Any], wraps: bool, limit: float) -> None:
    plain, _ = one_step(tmp_path / "plain")
    changed, wrapped = one_step(tmp_path / "changed", **train)

    assert wrapped == wraps
    assert changed == pytest.approx(plain, rel=limit)


def test_bf16_changes_loss_and_gradient_a_little(tmp_path: Path) -> None:
    plain, _ = one_step(tmp_path / "plain")
    rounded, _ = one_step(tmp_path / "rounded", precision="bf16")

    assert rounded != plain
    assert rounded == pytest.approx(plain, rel=2e-2)


def test_a_compiler_that_is_missing_is_said(tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    _, wrapped = one_step(tmp_path, compile=True)

    assert not wrapped
    assert "no compiler no-such-compiler: training without torch.compile" in capsys.readouterr().err


def write(model: ModuleType, folder: Path) -> Any:
    """Write a checkpoint of a small model, with a file beside the weights; return the model."""
    network = small_model(model).float()
    extra = folder.parent / "tokenizer.json"
    extra.write_text("{}", encoding="utf-8")
    beside(model, "checkpoint").write_checkpoint(folder, asdict(network.config), network.state_dict(), [extra])
    return network


def test_a_checkpoint_gives_the_model_back(model: ModuleType, tmp_path: Path) -> None:
    network = write(model, tmp_path / "saved")
    loaded = model.load(tmp_path / "saved")

    assert sorted(path.name for path in tmp_path.iterdir()) == ["saved", "tokenizer.json"]
    assert (tmp_path / "saved" / "tokenizer.json").read_text(encoding="utf-8") == "{}"
    assert loaded.config == network.config
    assert_close(dict(loaded.named_parameters()), dict(network.named_parameters()), rtol=0.0, atol=0.0)
    assert all(parameter.requires_grad for parameter in loaded.parameters())


def test_weights_in_shards_are_read(model: ModuleType, tmp_path: Path) -> None:
    network = write(model, tmp_path / "saved")
    checkpoint, folder = beside(model, "checkpoint"), tmp_path / "saved"
    (folder / "model.safetensors").unlink()
    shards: dict[str, dict[str, Tensor]] = {"a.safetensors": {}, "b.safetensors": {}}
    for number, (name, tensor) in enumerate(network.state_dict().items()):
        shards[sorted(shards)[number % 2]][name] = tensor
    for name, tensors in shards.items():
        checkpoint.save_file(tensors, folder / name)
    index = {"weight_map": {tensor: name for name, tensors in shards.items() for tensor in tensors}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    sign(checkpoint, folder)

    assert_close(model.load(folder).state_dict(), network.state_dict(), rtol=0.0, atol=0.0)


def sign(checkpoint: Any, folder: Path) -> None:
    """Write a manifest that agrees with the files of a folder."""
    sums = {file.name: checkpoint.sha256(file) for file in folder.iterdir() if file.name != "manifest.json"}
    (folder / "manifest.json").write_text(json.dumps({"sha256": sums}), encoding="utf-8")


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def change_sizes(folder: Path, **changes: int) -> None:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps({**config, **changes}), encoding="utf-8")


# What is done to a checkpoint, whether its manifest is made to agree, and what is said then.
DAMAGE: dict[str, tuple[Callable[[Path], object], bool, str]] = {
    "flipped bit": (lambda f: flip(f / "model.safetensors"), False, "model.safetensors is damaged"),
    "truncated": (lambda f: (f / "config.json").write_text(""), False, "config.json is damaged"),
    "missing file": (lambda f: (f / "tokenizer.json").unlink(), False, "tokenizer.json is missing"),
    "missing manifest": (lambda f: (f / "manifest.json").unlink(), False, "manifest.json is missing"),
    "missing folder": (shutil.rmtree, False, "is no folder"),
    "manifest is no JSON": (lambda f: (f / "manifest.json").write_text("{"), False, "is no JSON"),
    "manifest of another shape": (lambda f: (f / "manifest.json").write_text("[]"), False, "no JSON object"),
    "without sizes": (lambda f: (f / "config.json").unlink(), True, "lists no config.json"),
    "without weights": (lambda f: (f / "model.safetensors").unlink(), True, "lists no model.safetensors"),
    "weights are no tensors": (lambda f: (f / "model.safetensors").write_text("?"), True, "holds no tensors"),
    "sizes of another model": (lambda f: change_sizes(f, hidden_size=12), True, "is of another model"),
    "unknown size": (lambda f: change_sizes(f, experts=2), True, "is of another model"),
}


@pytest.mark.parametrize(("harm", "signed", "said"), list(DAMAGE.values()), ids=list(DAMAGE))
def test_a_damaged_checkpoint_is_refused(
    model: ModuleType, tmp_path: Path, harm: Callable[[Path], object], signed: bool, said: str
) -> None:
    checkpoint, folder = beside(model, "checkpoint"), tmp_path / "saved"
    write(model, folder)
    harm(folder)
    if signed:
        sign(checkpoint, folder)
    with pytest.raises(checkpoint.CheckpointError, match=said):
        model.load(folder)


def test_what_is_there_already_is_not_replaced(model: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work", encoding="utf-8")
    with pytest.raises(beside(model, "checkpoint").CheckpointError, match="is there already"):
        write(model, tmp_path / "mine")

    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


def test_the_sampler_draws_only_likely_tokens(model: ModuleType) -> None:
    sampler = beside(model, "generation").sampler
    logits = torch.tensor([0.4, 0.1, 0.3, 0.2]).log().repeat(2000, 1)

    def shares(**limits: Any) -> Any:
        drawn = sampler(generator=torch.Generator().manual_seed(0), **limits)(logits)
        return pytest.approx([(drawn == token).double().mean().item() for token in range(4)], abs=0.04)

    assert shares() == [0.4, 0.1, 0.3, 0.2]
    assert shares(top_k=2) == [4 / 7, 0.0, 3 / 7, 0.0]
    assert shares(top_p=0.69) == [4 / 7, 0.0, 3 / 7, 0.0]
    assert shares(top_p=0.71) == [4 / 9, 0.0, 3 / 9, 2 / 9]
    assert shares(top_k=3, top_p=0.75) == [4 / 7, 0.0, 3 / 7, 0.0]
    for alone in ({"top_p": 1e-9}, {"top_k": 1}, {"temperature": 1e-3}):
        assert shares(**alone) == [1.0, 0.0, 0.0, 0.0]


@pytest.mark.parametrize("wrong", [{"temperature": 0.0}, {"top_k": 0}, {"top_p": 0.0}, {"top_p": 1.1}])
def test_the_sampler_refuses_what_has_no_meaning(model: ModuleType, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        beside(model, "generation").sampler(**wrong)


def test_generation_stops_at_the_end_of_a_text(model: ModuleType) -> None:
    generation, network = beside(model, "generation"), small_model(model)
    prompts = torch.tensor([[1, 2], [3, 4]])
    free = generation.generate(network, prompts, 20)
    stop = int(free[0, 5])
    stopped = generation.generate(network, prompts, 20, stop=stop)
    first = (free[:, 2:] == stop).int().argmax(dim=1)

    assert network.training
    assert (stopped[0, 2 + first[0] :] == stop).all()
    assert torch.equal(stopped[1, : 2 + first[1]], free[1, : 2 + first[1]]) or not (free[1] == stop).any()
    assert stopped.shape[1] <= free.shape[1]
