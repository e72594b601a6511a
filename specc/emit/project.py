"""The files around the code: README, pyproject.toml, requirements and the lock."""

from __future__ import annotations

import hashlib
import inspect
import json
import shlex
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version

import tomli_w

from specc.catalog.align import PRETRAIN
from specc.catalog.launcher import LAUNCHERS, ZERO
from specc.emit.align import align_requirements
from specc.emit.format import LINE_LENGTH
from specc.emit.render import render
from specc.plan import Decided
from specc.spec.schema import package_of

TORCH = "2.13.0"
# One file per stage: training and serving pin different versions of torch.
REQUIREMENTS: Mapping[str, tuple[str, ...]] = {
    "train": (f"torch=={TORCH}", "numpy==2.4.6", "safetensors==0.8.0"),
    "tokenizer": ("tokenizers==0.23.3",),
    "test": ("hypothesis==6.170.15", "numpy==2.4.6", "pytest==9.2.0"),
    "convert": ("transformers==5.23.0",),
    "deepspeed": ("deepspeed==0.19.8",),
    "tensorboard": ("tensorboard==2.21.0",),
}


@dataclass(frozen=True, slots=True)
class Named:
    """A row of a table, or a section with what to run."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Stage:
    """One thing a user can run in the project, and the files that it needs.

    Attributes:
        path: The emitted file that runs it; a stage without its file is left out.
    """

    path: str
    title: str
    about: str
    command: str


@dataclass(frozen=True, slots=True)
class ReadmeView:
    """What `project/README.md.j2` says."""

    name: str
    summary: str
    facts: tuple[Named, ...]
    torch: str
    requirements: str
    stages: tuple[Stage, ...]
    files: tuple[Named, ...]


def training(decided: Decided) -> tuple[str, ...]:
    """Return the commands that start training, the planned one first; their arguments are those of `train.py`."""
    cluster = decided.resolved.spec.cluster
    chosen = LAUNCHERS.get(cluster.launcher or "") if cluster is not None else None
    shards = decided.resolved.machines.ranks > 1 and decided.strategy.zero_stage > 0
    first = () if chosen is None else (chosen.sharded if shards else chosen.whole,)
    others = (launcher.whole for launcher in LAUNCHERS.values())
    return tuple(dict.fromkeys((*first, *others, ZERO)))


def stages(package: str, checkpoint: str, training: tuple[str, ...]) -> tuple[Stage, ...]:
    """Return every stage that a project may have, in the order of the pipeline; training ends with `checkpoint`."""
    return (
        Stage(
            "tests/test_model.py",
            "Prove it",
            "Property tests hold the model against an independent reference in NumPy and float64.",
            "python -m pytest tests",
        ),
        Stage(
            "launch/local.sh",
            "All at once",
            "From text to a model that completes it; what is done is skipped. The stages below are what it runs.",
            "bash launch/local.sh --input TEXT_FOLDER",
        ),
        Stage(
            "train_tokenizer.py",
            "Train the tokenizer",
            "Reads documents, writes `tokenizer.json`.",
            "python train_tokenizer.py --input TEXT_FOLDER --out data",
        ),
        Stage(
            "prepare_data.py",
            "Prepare data",
            "Takes documents through the steps of the spec into token shards, on all cores. `data_card.json` says what "
            "went into each step and came out, what could not be read, and the hash of every file.",
            "python prepare_data.py --input TEXT_FOLDER --out data",
        ),
        Stage(
            "train.py",
            "Train",
            "Writes `metrics.jsonl`, checkpoints and a report. Stopped in any way, each goes on where it was: one "
            "process, on many ranks with PyTorch alone, or with DeepSpeed's ZeRO. `--smoke` takes seconds.",
            "\n".join(f"{command} --data data --out run" for command in training),
        ),
        Stage(
            f"{package}/report.py",
            "Look at a run",
            "Draws loss, learning rate, gradient norm, throughput and events into `run/report.html`, one file that any "
            "browser shows. Training writes it too, whenever it ends.",
            f"python -m {package}.report run",
        ),
        Stage(
            "eval.py",
            "Evaluate",
            "Prints loss, perplexity and bits per byte on held-out documents; `--compare` adds what `gzip -9` and "
            "`xz -9` need for the same ones.",
            f"python eval.py --checkpoint {checkpoint} --data data --compare",
        ),
        Stage(
            "generate.py",
            "Complete a prompt",
            "Loads a checkpoint and continues the text: greedily, with `--beams`, or by chance with `--temperature`, "
            "`--top-k`, `--top-p` and `--seed`.",
            f"python generate.py --checkpoint {checkpoint} --prompt TEXT",
        ),
        Stage(
            f"{package}/convert.py",
            "Exchange weights with Hugging Face",
            "Converts checkpoints in both directions, with tokenizer and chat template. Writes nothing unless logits, "
            "greedy decoding, end of text and conversations are the same on both sides.",
            f"python -m {package}.convert --from-hf HF_FOLDER --to CHECKPOINT\n"
            f"python -m {package}.convert --to-hf {checkpoint} NEW_FOLDER",
        ),
        Stage(
            "serve/launch.sh",
            "Serve",
            "Starts an OpenAI-compatible server of a checkpoint, which is exported first. The engine has its own "
            "environment: `requirements/serve.txt` says how it is made. `smoke.py` sends one request of every kind, "
            "`parity.py` compares the answers with the checkpoint.",
            f"SERVE_PYTHON=SERVE_ENVIRONMENT/bin/python bash serve/launch.sh {checkpoint}\n"
            "python serve/smoke.py --wait 120\n"
            f"python serve/parity.py --checkpoint {checkpoint}",
        ),
    )


def aligning(decided: Decided, checkpoint: str) -> tuple[Stage, ...]:
    """Return the stages after pretraining, which ends with `checkpoint`."""
    results, found = {PRETRAIN: checkpoint}, []
    for stage in decided.resolved.spec.align or ():
        start, out = results[stage.parent], f"align/{stage.name}-run"
        results[stage.name] = f"{out}/checkpoints/step-N" if stage.trains_here else f"{out}/checkpoint"
        says = inspect.cleandoc(type(stage).__doc__ or "").partition("\n")[0]
        file = shlex.quote(stage.data[0].path)
        command = f"python align/{stage.name}.py --model {start} --data {file} --out {out}"
        found.append(Stage(f"align/{stage.name}.py", f"Align: `{stage.name}`", says, command))
    return tuple(found)


def about(package: str) -> tuple[Named, ...]:
    """Return what each file that a project may have is for."""
    return (
        Named(f"{package}/model.py", "the model: `Config`, `Model`, `load`"),
        Named(f"{package}/generation.py", "decoding with a cache of keys and values"),
        Named(f"{package}/checkpoint.py", "checkpoint folders: atomic and checksummed"),
        Named(f"{package}/tokenizer.py", "the files of a tokenizer"),
        Named(f"{package}/assets/", "those of them that are not trained"),
        Named(f"{package}/documents.py", "reading: files to documents, and what becomes of broken ones"),
        Named(f"{package}/steps.py", "which documents are kept"),
        Named(f"{package}/splits.py", "which are held out"),
        Named(f"{package}/encoding.py", "documents to tokens"),
        Named(f"{package}/shards.py", "files of tokens, checked whenever they are read"),
        Named(f"{package}/data.py", "batches of packed documents, a pure function of seed and step"),
        Named(f"{package}/training.py", "one optimizer step, weighted by real tokens"),
        Named(f"{package}/loop.py", "the loop over steps, which every stage of training runs"),
        Named(f"{package}/engine.py", "who takes it: PyTorch alone, the model whole on every rank"),
        Named(f"{package}/zero.py", "the same with DeepSpeed's ZeRO"),
        Named(f"{package}/run.py", "the folder of a run: lock, journals, checkpoints, resume"),
        Named(f"{package}/evaluation.py", "the loss of whole documents, in overlapping windows"),
        Named(f"{package}/report.py", "the page about a run; `charts.py` draws for it"),
        Named(f"{package}/preferences.py", "pairs of answers: checked row by row, held out, tokens"),
        Named(f"{package}/pairwise.py", "how much and how fast stages learn from them, and what TRL is told"),
        Named(f"{package}/trl_stage.py", "the folder of such a stage: journals, resume, the result as a checkpoint"),
        Named(f"{package}/reward.py", "reward models: `load_reward`, `score`"),
        Named(f"{package}/convert.py", "weights from and to Hugging Face"),
        Named(f"{package}/agreement.py", "whether both sides compute the same; `texts.py`: read and write the same"),
        Named(f"{package}/hf/", "the model as files that travel with its weights, for programs that do not know it"),
        Named("serve/server.py", "what `launch.sh` runs: checks, export, the engine in a process group of its own"),
        Named("serve/cpu/", "stand-ins for what the engine has no CPU build of"),
        Named(f"{package}/chat.py", "conversations: rows to tokens, what is learned of them, packing"),
        Named(f"{package}/lora.py", "adapters through PEFT, merged into what is saved"),
        Named("tests/", "property tests"),
        Named("tests/reference/", "what they compare with: the model in NumPy, written to be read"),
    )


def readme(decided: Decided, summary: str, facts: tuple[Named, ...], checkpoint: str, paths: frozenset[str]) -> str:
    """Return `README.md` for a project that has the files `paths`."""
    name = decided.resolved.spec.name
    package = package_of(name)
    folders = {path.rpartition("/")[0] + "/" for path in paths}
    *before, serving = stages(package, checkpoint, training(decided))
    wanted = (*before, *aligning(decided, checkpoint), serving)
    view = ReadmeView(
        name=name,
        summary=summary,
        facts=facts,
        torch=TORCH,
        requirements=" ".join(f"-r {path}" for path in sorted(paths) if _joins(path)),
        stages=tuple(stage for stage in wanted if stage.path in paths),
        files=tuple(row for row in about(package) if row.name in paths | folders),
    )
    return render("project/README.md.j2", view)


def _joins(path: str) -> bool:
    """Return whether a file belongs to the one environment of all stages but serving, which pins another torch."""
    return path.startswith("requirements/") and not path.startswith("requirements/serve")


def requirements(paths: Iterable[str], data: tuple[str, ...]) -> dict[str, str]:
    """Return `requirements/*.txt` for the stages that a project with the files `paths` has.

    Args:
        paths: The project's Python files.
        data: What reading its sources and taking its steps needs.
    """
    paths = tuple(paths)
    names = {path.rpartition("/")[2] for path in paths}
    align = align_requirements(paths)
    wanted = {
        "train": True,
        "test": True,
        "tokenizer": "generate.py" in names,
        "data": "prepare_data.py" in names,
        "convert": "convert.py" in names,
        "deepspeed": "zero.py" in names,
        "tensorboard": "tensorboard.py" in names,
        "align": bool(align),
    }
    pins = {**REQUIREMENTS, "data": data, "align": align}
    return {f"requirements/{name}.txt": "\n".join(pins[name]) + "\n" for name in wanted if wanted[name]}


def pyproject(name: str, summary: str, modules: Collection[str], assets: Collection[str]) -> str:
    """Return `pyproject.toml`: the package with what else is installed of it, and how its tests run.

    Args:
        name: The project's.
        summary: One sentence about it.
        modules: Every Python file by its path.
        assets: Other files of the package.
    """
    package = package_of(name)
    packages = sorted({path.rpartition("/")[0] for path in modules if path.startswith(f"{package}/")})
    data = {"package-data": {package: [path.removeprefix(f"{package}/") for path in assets]}} if assets else {}
    return tomli_w.dumps(
        {
            "build-system": {"requires": ["setuptools>=77"], "build-backend": "setuptools.build_meta"},
            "project": {
                "name": name,
                "version": "0.1.0",
                "description": summary,
                "requires-python": ">=3.11",
                "dependencies": list(REQUIREMENTS["train"]),
            },
            "tool": {
                "setuptools": {"packages": [path.replace("/", ".") for path in packages], **data},
                "pytest": {"ini_options": {"pythonpath": [".", "tests"], "testpaths": ["tests"]}},
                "ruff": {"line-length": LINE_LENGTH, "src": [".", "tests"]},
            },
        }
    )


def lock(name: str, files: Mapping[str, str]) -> str:
    """Return `specc.lock`: what made the output, and the hash of every other file."""
    content = {
        "name": name,
        "specc": version("specc"),
        "ruff": version("ruff"),
        "files": {path: hashlib.sha256(text.encode()).hexdigest() for path, text in sorted(files.items())},
    }
    return json.dumps(content, indent=2, sort_keys=True) + "\n"
