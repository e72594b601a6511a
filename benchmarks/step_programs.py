"""Programs that train: one emitted by specc and its peers; same shape, same batches, same first weights.

`benchmarks.train_step` runs this file, once per program, and talks to it in lines of JSON:

    python -m benchmarks.step_programs '{"program": "specc", "compile": "none", "project": ..., "data": ..., ...}'

It answers with the losses of its first steps, then to each number of steps with the seconds that each took, to
"memory" with bytes, to "profile" with milliseconds. A peer that cannot be imported is said to be absent.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from benchmarks import step_costs

LEARNING_RATE = 1e-3
BATCHES = 8
MATMUL = 1024  # rows and columns of square matrices that fit into the caches
MATMULS = 8  # in a row, so that they take as long as a step

Step = Callable[[int], float]  # takes optimizer step i, returns the loss before it


class Project(NamedTuple):
    """The parts of an emitted package that train, and batches to train on."""

    model: Any
    training: Any
    batches: list[Any]
    isolated: list[Any]  # the same, whose documents do not see each other


class Program(NamedTuple):
    """A model in training."""

    step: Step
    tensors: Callable[[], Iterator[Tensor]]  # what it holds between steps


def open_project(folder: Path, package: str, data: Path) -> Project:
    """Import an emitted package, and read its first batches."""
    sys.path.insert(0, str(folder))
    model, training, reader = (importlib.import_module(f"{package}.{name}") for name in ("model", "training", "data"))
    config, work = model.Config(), training.Work()
    dataset = reader.Dataset(data, "train", config.vocab_size, work.sequence_length, 0)
    size = work.micro_batch_size
    isolated = [dataset.batch(range(size * i, size * (i + 1))) for i in range(BATCHES)]
    # Without numbers of documents the model is plainly causal, as its peers are.
    batches = [batch._replace(documents=None) for batch in isolated]
    return Project(model, training, batches, isolated)


def first_weights(project: Project) -> nn.Module:
    """Return the emitted model with the weights that every program starts from."""
    torch.manual_seed(0)
    model: nn.Module = project.model.Model(project.model.Config())
    return model


def held(model: nn.Module, optimizer: torch.optim.Optimizer) -> Iterator[Tensor]:
    """Yield the tensors that a model in training holds between two steps."""
    yield from model.buffers()
    for parameter in model.parameters():
        yield parameter
        if parameter.grad is not None:
            yield parameter.grad
        yield from (value for value in optimizer.state[parameter].values() if isinstance(value, Tensor))


def emitted(project: Project, compiled: str, batches: list[Any]) -> Program:
    """Train as an emitted train.py does."""
    model = first_weights(project)
    objective = project.training.Objective(model)
    if compiled != "none":
        project.training.compile_objective(objective)
    optimizer = project.training.make_optimizer(model)

    def step(number: int) -> float:
        batch = batches[number % BATCHES]
        return float(project.training.train_step(objective, optimizer, [batch], LEARNING_RATE).loss)

    return Program(step, lambda: held(model, optimizer))


def specc(project: Project, compiled: str) -> Program:
    """Train the emitted model, plainly causal: the work of its peers."""
    return emitted(project, compiled, project.batches)


def specc_isolated(project: Project, compiled: str) -> Program:
    """Train the emitted model as packed documents need it, which is more work than the peers do."""
    return emitted(project, compiled, project.isolated)


def peer(project: Project, model: nn.Module, loss: Callable[[Any], Tensor]) -> Program:
    """Train a peer by a plain loop with the emitted project's own optimizer and clipping."""
    optimizer = project.training.make_optimizer(model)
    for group in optimizer.param_groups:
        group["lr"] = LEARNING_RATE

    def step(number: int) -> float:
        optimizer.zero_grad()
        value = loss(project.batches[number % BATCHES])
        torch.autograd.backward(value)
        nn.utils.clip_grad_norm_(model.parameters(), project.training.GRAD_CLIP).item()
        optimizer.step()
        return float(value)

    return Program(step, lambda: held(model, optimizer))


def compiled_as(mode: str, model: nn.Module, blocks: nn.ModuleList) -> Any:
    """Return a model that is compiled not at all, as a whole, or block by block."""
    if mode == "blocks":
        for block in blocks:
            block.forward = torch.compile(block.forward)
    return torch.compile(model) if mode == "whole" else model


def transformers(project: Project, compiled: str) -> Program:
    """Train LlamaForCausalLM with SDPA; it computes its own loss, which compiling it as a whole fuses."""
    library = importlib.import_module("transformers")
    sizes = project.model.Config()
    config = library.LlamaConfig(
        vocab_size=sizes.vocab_size,
        hidden_size=sizes.hidden_size,
        intermediate_size=sizes.intermediate_size,
        num_hidden_layers=sizes.num_layers,
        num_attention_heads=sizes.num_heads,
        num_key_value_heads=sizes.num_kv_heads,
        head_dim=sizes.head_dim,
        max_position_embeddings=sizes.max_seq_len,
        rms_norm_eps=project.model.NORM_EPS,
        rope_parameters={"rope_type": "default", "rope_theta": project.model.ROPE_THETA},
        tie_word_embeddings=True,
        use_cache=False,
        attn_implementation="sdpa",
    )
    model = library.LlamaForCausalLM(config)
    model.load_state_dict(first_weights(project).state_dict(), strict=False)
    run = compiled_as(compiled, model, model.model.layers)
    return peer(
        project,
        model,
        # Targets are shifted already.
        lambda batch: run(input_ids=batch.tokens, labels=batch.targets, shift_labels=batch.targets).loss,
    )


def litgpt(project: Project, compiled: str) -> Program:
    """Train litgpt's GPT; the loss is PyTorch's, as litgpt's own, in pieces of 128, is slower here."""
    library = importlib.import_module("litgpt")
    sizes = project.model.Config()
    config = library.Config(
        name=project.model.__package__,
        block_size=sizes.max_seq_len,
        padded_vocab_size=sizes.vocab_size,
        vocab_size=sizes.vocab_size,
        n_layer=sizes.num_layers,
        n_head=sizes.num_heads,
        n_query_groups=sizes.num_kv_heads,
        head_size=sizes.head_dim,
        n_embd=sizes.hidden_size,
        intermediate_size=sizes.intermediate_size,
        rotary_percentage=1.0,
        rope_base=project.model.ROPE_THETA,
        parallel_residual=False,
        bias=False,
        norm_class_name="RMSNorm",
        norm_eps=project.model.NORM_EPS,
        mlp_class_name="LLaMAMLP",
    )
    model = library.GPT(config)
    model.load_state_dict(litgpt_names(first_weights(project).state_dict(), sizes.num_layers))
    model.transformer.wte.weight = model.lm_head.weight
    run = compiled_as(compiled, model, model.transformer.h)
    return peer(
        project,
        model,
        lambda batch: nn.functional.cross_entropy(run(batch.tokens).flatten(0, 1), batch.targets.flatten()),
    )


def litgpt_names(weights: Mapping[str, Tensor], layers: int) -> dict[str, Tensor]:
    """Return the emitted model's weights under the names of litgpt, which joins queries, keys and values."""
    embedding = weights["model.embed_tokens.weight"]
    named = {"transformer.wte.weight": embedding, "lm_head.weight": embedding}
    named["transformer.ln_f.weight"] = weights["model.norm.weight"]
    plain = {
        "norm_1": "input_layernorm",
        "norm_2": "post_attention_layernorm",
        "attn.proj": "self_attn.o_proj",
        "mlp.fc_1": "mlp.gate_proj",
        "mlp.fc_2": "mlp.up_proj",
        "mlp.proj": "mlp.down_proj",
    }
    for layer in range(layers):
        ours, theirs = f"model.layers.{layer}", f"transformer.h.{layer}"
        named |= {f"{theirs}.{a}.weight": weights[f"{ours}.{b}.weight"] for a, b in plain.items()}
        joined = [weights[f"{ours}.self_attn.{kind}_proj.weight"] for kind in "qkv"]
        named[f"{theirs}.attn.qkv.weight"] = torch.cat(joined)
    return named


def matmul(_project: Project, _compiled: str) -> Program:
    """Multiply matrices, and nothing else: what this machine can do at most."""
    a, b, out = (torch.randn(MATMUL, MATMUL) for _ in range(3))

    def step(_number: int) -> float:
        for _ in range(MATMULS):
            torch.mm(a, b, out=out)
        return 0.0

    return Program(step, lambda: iter((a, b, out)))


PROGRAMS: Mapping[str, Callable[[Project, str], Program]] = {
    "specc": specc,
    "specc-isolated": specc_isolated,
    "transformers": transformers,
    "litgpt": litgpt,
    "matmul": matmul,
}


def timed(program: Program, count: int) -> list[float]:
    """Return the seconds of each of some steps."""
    seconds = []
    for number in range(count):
        started = time.perf_counter()
        program.step(number)
        seconds.append(time.perf_counter() - started)
    return seconds


def main() -> None:
    """Serve until standard input ends."""
    asked = json.loads(sys.argv[1])
    answers = sys.stdout
    sys.stdout = sys.stderr  # what libraries say is no answer
    if asked["program"] not in ("specc", "specc-isolated", "matmul"):
        try:
            importlib.import_module(asked["program"])
        except ImportError as error:
            print(json.dumps({"absent": str(error)}), file=answers, flush=True)
            return
    project = open_project(Path(asked["project"]), asked["package"], Path(asked["data"]))
    imported = step_costs.resident()
    step_costs.name_kernels()
    program = PROGRAMS[asked["program"]](project, asked["compile"])
    losses = [program.step(number) for number in range(BATCHES)]
    print(json.dumps({"losses": losses}), file=answers, flush=True)
    serve: dict[str, Callable[[], object]] = {
        "memory": lambda: step_costs.memory(program.step, program.tensors, imported),
        "profile": lambda: step_costs.profile(program.step),
    }
    for line in sys.stdin:
        command = json.loads(line)
        answer = timed(program, command) if isinstance(command, int) else serve[command]()
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
