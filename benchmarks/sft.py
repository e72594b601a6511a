"""Compare emitted fine-tuning with TRL's SFTTrainer: same weights, same packed sequences, same optimizer and precision.

    python -m benchmarks.sft

The programs take turns in one process. Each trains so many steps at a time with its own loop, metrics and all; what is
timed is from the end of one step to the end of the next, without the first ones, which may compile. Both see the very
same batches: the loss of their first step must agree.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import torch
from datasets import Dataset
from torch import Tensor
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast, TrainerCallback
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from benchmarks.subject import ROOT, run

STAGE = "[{name: tune, kind: sft, data: [{path: rows.jsonl, format: chat}], validation: null}]"
LENGTH = 256  # of sequences
LR = 1e-4
UNTIMED = 3  # steps of a turn that are not looked at: they may compile, or fill caches
AGREE = 1e-3  # of the loss


class Subject(NamedTuple):
    """A project, its modules by name, and what it trains on."""

    folder: Path
    package: str
    sequences: Any

    def module(self, name: str) -> Any:
        """Return a module of the project's package."""
        return importlib.import_module(f"{self.package}.{name}")


class Turn(NamedTuple):
    """What a program did: the loss of its first step, and the seconds of each timed one."""

    loss: float
    seconds: list[float]


Program = Callable[[int, Path], Turn]

# What TRL's trainer does as the emitted one; it says and saves nothing but a line for each step.
SETTINGS: dict[str, Any] = {
    "learning_rate": LR,
    "lr_scheduler_type": "constant",
    "optim": "adamw_torch_fused",
    "adam_beta2": 0.95,
    "weight_decay": 0.0,
    "max_grad_norm": 1.0,
    "bf16": False,
    "gradient_checkpointing": False,
    "train_sampling_strategy": "sequential",
    "dataset_kwargs": {"skip_prepare_dataset": True},
    "remove_unused_columns": False,
    "report_to": "none",
    "logging_steps": 1,
    "save_strategy": "no",
    "disable_tqdm": True,
}


def prepare(spec: Path, folder: Path) -> Subject:
    """Build a project with a stage of fine-tuning, a checkpoint that was not trained, and rows from our docstrings."""
    project = folder / "project"
    run("-m", "specc", "build", str(spec), "--set", f"align={STAGE}", "-o", str(project), where=ROOT)
    run("train_tokenizer.py", "--input", str(ROOT / "specc/**/*.py"), "--out", "data", where=project)
    rows = [json.dumps({"messages": messages}) for messages in conversations()]
    (project / "rows.jsonl").write_text("\n".join(rows), encoding="utf-8")
    sys.path.insert(0, str(project))
    (package,) = (file.parent.name for file in project.glob("*/model.py"))
    found = Subject(project, package, None)
    model, tokens = found.module("model"), project / "data" / "tokenizer.json"
    torch.manual_seed(0)
    network = model.Model(model.Config())
    files = found.module("tokenizer").tokenizer_files(tokens)
    write = found.module("checkpoint").write_checkpoint
    write(project / "checkpoint", vars(network.config), network.state_dict(), files)
    found.module("convert").to_hf(project / "checkpoint", project / "hf")
    chat = found.module("chat")
    tokenizer = chat.open_tokenizer(project / "checkpoint")
    encoded = chat.encode(tokenizer, chat.read_rows([project / "rows.jsonl"]), LENGTH)
    return found._replace(sequences=chat.Conversations(encoded, LENGTH, seed=0))


def conversations() -> Iterator[list[dict[str, str]]]:
    """Yield a conversation about each function of this repository that says what it does."""
    for path in sorted((ROOT / "specc").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.FunctionDef)
                and (said := ast.get_docstring(node))
                and len(said) < 300
                and "<|" not in said
            ):
                asked = {"role": "user", "content": f"What does {node.name} do?"}
                yield [asked, {"role": "assistant", "content": said}]


def emitted(subject: Subject, batch: int, *, compiled: bool) -> Program:
    """Return emitted fine-tuning, with the loop that its script runs."""
    loop, run_module, training = (subject.module(name) for name in ("loop", "run", "training"))
    model = subject.module("model").load(subject.folder / "checkpoint")
    objective = training.Objective(model)
    if compiled:
        training.compile_objective(objective)
    ranks = subject.module("ranks").ALONE
    engine = subject.module("engine").TorchEngine(objective, training.make_optimizer(model, 0.0), ranks)

    def turn(steps: int, out: Path) -> Turn:
        work = replace(training.Work(), steps=steps, global_batch_size=batch, micro_batch_size=batch)
        work = replace(work, sequence_length=subject.sequences.sequence_length, checkpoint_every=steps)
        stage = loop.Stage(
            config=model.config,
            work=work,
            seed=0,
            learning_rate=lambda *_: LR,
            data=subject.sequences,
            files=[],
            **dict.fromkeys(set(loop.Stage.__dataclass_fields__) & {"held_out"}),
        )
        with run_module.opened(run_module.Run(out, ranks, steps), "never") as this:
            ends: list[float] = []
            this.record = noting(this.record, ends)
            loop.train(this, engine, stage)
        first = json.loads((out / "metrics.jsonl").read_text(encoding="utf-8").partition("\n")[0])
        return Turn(first["loss"], between(ends))

    return turn


def noting(function: Callable[..., None], ends: list[float]) -> Callable[..., None]:
    """Return a function that also notes when it has returned."""

    def noted(*arguments: Any) -> None:
        function(*arguments)
        ends.append(time.perf_counter())

    return noted


class Ends(TrainerCallback):
    """Notes when each step of a trainer ended."""

    def __init__(self) -> None:
        """Start before the first step."""
        self.times: list[float] = []

    def on_step_end(self, *_: Any, **__: Any) -> None:
        """Note that a step ended."""
        self.times.append(time.perf_counter())


def columns(batch: Any) -> dict[str, Tensor]:
    """Return a batch as Hugging Face's models read it: positions that start again tell documents apart."""
    places = torch.arange(batch.tokens.shape[1]).expand_as(batch.tokens)
    starts = torch.zeros_like(places)
    starts[:, 1:] = torch.where(batch.documents[:, 1:] != batch.documents[:, :-1], places[:, 1:], 0)
    return {
        "input_ids": batch.tokens,
        "position_ids": places - starts.cummax(dim=1).values,
        "labels": batch.targets,
        "shift_labels": batch.targets,
    }


def trl(subject: Subject, batch: int, *, compiled: bool) -> Program:
    """Return TRL's trainer on the exported model."""
    model = AutoModelForCausalLM.from_pretrained(subject.folder / "hf", dtype=torch.float32)
    model.config.use_cache = False
    tokenizer = PreTrainedTokenizerFast.from_pretrained(subject.folder / "checkpoint")

    def turn(steps: int, out: Path) -> Turn:
        sizes: dict[str, Any] = {"max_steps": steps, "per_device_train_batch_size": batch}
        config = SFTConfig(str(out), **sizes, **SETTINGS, torch_compile=compiled, use_cpu=not torch.cuda.is_available())
        rows = Dataset.from_dict({"number": list(range(steps * batch)), "input_ids": [[0]] * (steps * batch)})
        ends = Ends()
        trainer = SFTTrainer(
            model=model,
            args=config,
            train_dataset=rows,
            processing_class=tokenizer,
            data_collator=lambda picked: columns(subject.sequences.batch([row["number"] for row in picked])),
            callbacks=[ends],
        )
        trainer.train()
        losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
        return Turn(losses[0], between(ends.times))

    return turn


def between(ends: Sequence[float]) -> list[float]:
    """Return the seconds from step to step, without the first ones."""
    return [later - earlier for earlier, later in zip(ends[UNTIMED:], ends[UNTIMED + 1 :], strict=False)]


def main() -> int:
    """Print a table."""
    parser = argparse.ArgumentParser(description="Compare emitted fine-tuning with TRL's SFTTrainer.")
    parser.add_argument("--spec", type=Path, default=ROOT / "specs" / "quickstart.yaml", help="(%(default)s)")
    parser.add_argument("--steps", type=int, default=24, help="of a turn (%(default)s)")
    parser.add_argument("--turns", type=int, default=3, help="(%(default)s)")
    parser.add_argument("--batch", type=int, default=8, help="sequences of a step (%(default)s)")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="(%(default)s)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with TemporaryDirectory() as folder:
        subject = prepare(options.spec, Path(folder))
        programs = {
            f"{name}{', compiled' if compiled else ''}": make(subject, options.batch, compiled=compiled)
            for compiled in (True, False)
            for name, make in (("specc", emitted), ("TRL", trl))
        }
        turns: dict[str, list[Turn]] = {name: [] for name in programs}
        for number in range(options.turns):
            for name, program in programs.items():
                turns[name].append(program(options.steps, Path(folder, f"{name} {number}")))
    tokens = options.batch * subject.sequences.sequence_length
    print("| program | positions/s | first loss |\n|---|--:|--:|")
    for name, took in turns.items():
        median = statistics.median(second for turn in took for second in turn.seconds)
        print(f"| {name} | {tokens / median:,.0f} | {took[0].loss:.4f} |")
    losses = [took[0].loss for took in turns.values()]
    return int(max(losses) - min(losses) > AGREE)


if __name__ == "__main__":
    sys.exit(main())
