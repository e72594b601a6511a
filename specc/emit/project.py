"""The files around the code: README, pyproject.toml, requirements and the lock."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version

import tomli_w

from specc.emit.format import LINE_LENGTH
from specc.emit.render import render
from specc.spec.schema import package_of

TORCH = "2.13.0"
# One file per stage: training and serving pin different versions of torch.
REQUIREMENTS: Mapping[str, tuple[str, ...]] = {
    "train": (f"torch=={TORCH}", "numpy==2.4.6", "safetensors==0.8.0"),
    "tokenizer": ("tokenizers==0.23.3",),
    "test": ("hypothesis==6.170.15", "numpy==2.4.6", "pytest==9.2.0"),
    "convert": ("transformers==5.23.0",),
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


def stages(package: str, checkpoint: str) -> tuple[Stage, ...]:
    """Return every stage that a project may have, in the order of the pipeline; training ends with `checkpoint`."""
    return (
        Stage(
            "tests/test_model.py",
            "Prove it",
            "Property tests hold the model against an independent reference in NumPy and float64.",
            "python -m pytest tests",
        ),
        Stage(
            "train_tokenizer.py",
            "Train the tokenizer",
            "Reads text files, writes `tokenizer.json`.",
            "python train_tokenizer.py --input TEXT_FOLDER --out data",
        ),
        Stage(
            "prepare_data.py",
            "Prepare data",
            "Turns text into token shards and writes `data_card.json`: what went in, what came out, and every hash.",
            "python prepare_data.py --input TEXT_FOLDER --out data",
        ),
        Stage(
            "train.py",
            "Train",
            "Trains in one process and writes `metrics.jsonl` and a checkpoint. `--smoke` takes seconds.",
            "python train.py --data data --out run",
        ),
        Stage(
            "generate.py",
            "Complete a prompt",
            "Loads a checkpoint and continues the text.",
            f"python generate.py --checkpoint {checkpoint} --prompt TEXT",
        ),
        Stage(
            f"{package}/convert.py",
            "Exchange weights with Hugging Face",
            "Converts checkpoints in both directions and refuses when the logits differ.",
            f"python -m {package}.convert --from-hf HF_FOLDER --to CHECKPOINT\n"
            f"python -m {package}.convert --to-hf {checkpoint} NEW_FOLDER",
        ),
    )


def about(package: str) -> tuple[Named, ...]:
    """Return what each file that a project may have is for."""
    return (
        Named(f"{package}/model.py", "the model: `Config`, `Model`, `load`"),
        Named(f"{package}/generation.py", "decoding with a cache of keys and values"),
        Named(f"{package}/checkpoint.py", "checkpoint folders: atomic and checksummed"),
        Named(f"{package}/data.py", "batches of packed documents, a pure function of seed and step"),
        Named(f"{package}/training.py", "one optimizer step, weighted by real tokens"),
        Named(f"{package}/convert.py", "weights from and to Hugging Face"),
        Named("tests/", "property tests"),
        Named("tests/reference/", "what they compare with: the model in NumPy, written to be read"),
    )


def readme(name: str, summary: str, facts: tuple[Named, ...], checkpoint: str, paths: frozenset[str]) -> str:
    """Return `README.md` for a project that has the files `paths`."""
    package = package_of(name)
    folders = {path.rpartition("/")[0] + "/" for path in paths}
    view = ReadmeView(
        name=name,
        summary=summary,
        facts=facts,
        torch=TORCH,
        requirements=" ".join(f"-r {path}" for path in sorted(paths) if path.startswith("requirements/")),
        stages=tuple(stage for stage in stages(package, checkpoint) if stage.path in paths),
        files=tuple(row for row in about(package) if row.name in paths | folders),
    )
    return render("project/README.md.j2", view)


def requirements(paths: Iterable[str]) -> dict[str, str]:
    """Return `requirements/*.txt` for the stages that a project with the files `paths` has."""
    names = {path.rpartition("/")[2] for path in paths}
    wanted = {"train": True, "test": True, "tokenizer": "generate.py" in names, "convert": "convert.py" in names}
    return {f"requirements/{name}.txt": "\n".join(REQUIREMENTS[name]) + "\n" for name in wanted if wanted[name]}


def pyproject(name: str, summary: str) -> str:
    """Return `pyproject.toml`: the package, installed editable, and how its tests run."""
    package = package_of(name)
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
                "setuptools": {"packages": [package]},
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
