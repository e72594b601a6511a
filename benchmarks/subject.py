"""What benchmarks of emitted code measure: a project, built from a spec unless one is given, and data for it."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Subject:
    """An emitted project, the name of its package, and a folder that its prepare_data.py wrote."""

    project: Path
    package: str
    data: Path


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what says where project and data come from."""
    default = ROOT / "specs" / "quickstart.yaml"
    parser.add_argument("--spec", type=Path, default=default, help="spec to build (%(default)s)")
    parser.add_argument("--project", type=Path, metavar="DIR", help="measure this project; build none")
    parser.add_argument("--data", type=Path, metavar="DIR", help="data for it; default: the standard library's")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of each program (%(default)s)")


def subject(options: argparse.Namespace, folder: str) -> Subject:
    """Return what the options ask for; what has to be made goes below `folder`.

    Raises:
        subprocess.CalledProcessError: A stage failed.
    """
    project = options.project or build(options.spec, Path(folder, "project"))
    data = options.data or prepare(project, Path(folder, "data"))
    (package,) = (file.parent.name for file in project.glob("*/model.py"))
    return Subject(project.resolve(), package, data.resolve())


def build(spec: Path, project: Path) -> Path:
    """Write the project of a spec."""
    run("-m", "specc", "build", str(spec), "-o", str(project), where=ROOT)
    return project


def prepare(project: Path, data: Path) -> Path:
    """Turn the standard library of this interpreter, without its tests, into tokens of a project's own tokenizer."""
    library = sysconfig.get_path("stdlib")
    corpus = [
        *("--input", f"{library}/**/*.py"),
        *("--exclude", f"{library}/site-packages/*", f"{library}/test/*", f"{library}/*/test*/*"),
    ]
    for stage in ("train_tokenizer.py", "prepare_data.py"):
        run(stage, "--out", str(data), *corpus, where=project)
    return data


def run(*arguments: str, where: Path) -> None:
    """Run Python in a folder, saying nothing unless it fails."""
    done = subprocess.run([sys.executable, *arguments], cwd=where, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.stderr.write(done.stderr)
        done.check_returncode()


def environment(options: argparse.Namespace) -> dict[str, str]:
    """Return the environment of a program that is measured: threads that sleep, not spin, while others take turns."""
    return {**os.environ, "OMP_NUM_THREADS": str(options.threads), "OMP_WAIT_POLICY": "passive"}
