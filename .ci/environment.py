#!/usr/bin/env python3
"""Print the folder of a virtual environment; build it first when it is missing.

    python3 .ci/environment.py NAME REQUIREMENTS [PROJECT]

The folder is `$SPECC_ENVS/NAME-KEY` (`.envs/NAME-KEY` unless set). KEY is a hash of the requirements file, with those
it includes (`-r FILE`), and of all else that a build depends on, so a changed pin makes a new environment and an
unchanged one is found at once. PROJECT is a folder to install editable, again whenever its `pyproject.toml` changes. A
line `# pip: OPTIONS` begins a part of the file that pip installs by itself, with these options. A marker is written
last: a build that was killed has none and starts over. Progress goes to stderr. Needs the standard library only.
"""

import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import time
import venv
from pathlib import Path

OLDEST_PYTHON = (3, 11)
PIP = ("-m", "pip", "--quiet", "--quiet", "--no-input", "--disable-pip-version-check")


def key(requirements: Path, folder: Path, project: Path | None) -> str:
    """Hash everything that a build depends on; scripts hold absolute paths, so places count too."""
    parts = (
        whole(requirements).encode(),
        f"{platform.python_implementation()} {platform.python_version()} {platform.platform()}".encode(),
        f"{sys.executable} {folder} {project}".encode(),
    )
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:12]


def whole(requirements: Path) -> str:
    """Return the text of a requirements file, with that of the files it includes."""
    lines = []
    for line in requirements.read_text(encoding="utf-8").splitlines(keepends=True):
        included = line.removeprefix("-r ")
        lines.append(line if included == line else whole(requirements.parent / included.strip()))
    return "".join(lines)


def torch_line(text: str) -> str | None:
    """Return the pin of torch, if there is one."""
    return next((line for line in text.splitlines() if line.startswith("torch==")), None)


def parts(text: str) -> list[tuple[list[str], str]]:
    """Return the parts of requirements, each with pip's options for it; what comes before the first has none."""
    first, *others = re.split(r"^# pip: ", text, flags=re.MULTILINE)
    found = [([], first), *((head.split(), body) for head, _, body in (other.partition("\n") for other in others))]
    return [(options, body) for options, body in found if any(not re.match(r"#|$", line) for line in body.splitlines())]


def build(environment: Path, requirements: Path) -> None:
    """Create the environment and install the requirements.

    torch goes first and alone: pip then takes the build that fits the machine (a CPU build where one is offered), and
    the pin keeps everything after it from replacing that build with gigabytes of CUDA libraries.
    """
    shutil.rmtree(environment, ignore_errors=True)
    venv.create(environment, with_pip=True)
    python, text = str(environment / "bin" / "python"), whole(requirements)
    torch = torch_line(text)
    if torch:
        subprocess.run([python, *PIP, "install", torch], check=True, stdout=sys.stderr)
    part = environment / "requirements.txt"
    for options, body in parts(text):
        part.write_text(body, encoding="utf-8")
        subprocess.run([python, *PIP, "install", *options, "-r", str(part)], check=True, stdout=sys.stderr)


def install_editable(environment: Path, project: Path) -> None:
    """Install `project` itself; its dependencies and its build backend are in the requirements already."""
    options = ("--no-deps", "--no-build-isolation", "--editable")
    python = str(environment / "bin" / "python")
    subprocess.run([python, *PIP, "install", *options, str(project)], check=True, stdout=sys.stderr)


def mark(marker: Path, text: str) -> None:
    """Write `marker` whole or not at all."""
    aside = marker.with_suffix(".new")
    aside.write_text(text, encoding="utf-8")
    aside.replace(marker)


def ensure(name: str, requirements: Path, project: Path | None) -> Path:
    """Return the environment's folder, ready to use. One process builds while others wait."""
    folder = Path(os.environ.get("SPECC_ENVS", ".envs")).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    environment = folder / f"{name}-{key(requirements, folder, project)}"
    built, installed = environment / ".built", environment / ".installed"
    with (folder / f"{environment.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not built.exists():
            started = time.monotonic()
            print(
                f"building the environment {environment.name} (a minute or more)",
                file=sys.stderr,
                flush=True,
            )
            build(environment, requirements)
            mark(built, "")
            print(f"built in {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
        if project:
            version = hashlib.sha256((project / "pyproject.toml").read_bytes()).hexdigest()
            if not installed.exists() or installed.read_text(encoding="utf-8") != version:
                install_editable(environment, project)
                mark(installed, version)
    return environment


def main(arguments: list[str]) -> int:
    """Run the command line; exit 2 on wrong usage, 1 when a build fails."""
    if len(arguments) not in (2, 3):
        print(__doc__, file=sys.stderr)
        return 2
    if sys.version_info < OLDEST_PYTHON:
        wanted = ".".join(map(str, OLDEST_PYTHON))
        found = platform.python_version()
        print(f"error: Python {wanted} or newer is needed, this is {found}; say `make PYTHON=...`", file=sys.stderr)
        return 1
    name, requirements = arguments[0], Path(arguments[1]).resolve()
    project = Path(arguments[2]).resolve() if len(arguments) == len(("NAME", "REQUIREMENTS", "PROJECT")) else None
    try:
        print(ensure(name, requirements, project))
    except subprocess.CalledProcessError as error:
        print(f"error: {' '.join(error.cmd)} exited with {error.returncode}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
