"""Small projects to build, what a folder holds, and a build in a process of its own that may be harmed.

Run as `python -m tests.building COMMAND ...` from the root of the repository; see `main`.
"""

import argparse
import ctypes
import json
import os
import resource
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from specc.emit.failure import WriteFailed
from specc.emit.fileset import FileSet
from specc.emit.write import recover, write

Snapshot = dict[str, tuple[bytes, bool] | None]
"""For each path its bytes and whether it is executable; None is a folder."""


def project(version: str, files: int = 40) -> FileSet:
    """Return a project whose every third file differs between versions, and some exist in one only."""
    folders = ("", "tiny/", "tests/", "launch/")
    texts = {f"{folders[i % 4]}part_{i}.py": _text(i, version if i % 3 == 0 else "all versions") for i in range(files)}
    texts["launch/local.sh"] = "#!/bin/sh\n"
    texts[f"only_{version}.md"] = version
    texts[f"align_{version}/deep/down.py"] = version
    texts["turning" if version == "a" else "turning/folder"] = version
    return FileSet.of(texts, executable=["launch/local.sh"])


def _text(number: int, version: str) -> str:
    lines = [f"line {line} of part {number}" for line in range(60)]
    lines[30] = f"made for {version}"
    return "\n".join(lines) + "\n"


def snapshot(root: Path) -> Snapshot:
    """Return all that `root` holds, as one reader saw it who entered once and stayed inside."""
    while True:
        descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            found = dict(_entries(descriptor, ""))
            if os.fstat(descriptor).st_ino == root.stat().st_ino:
                return found
        except FileNotFoundError:  # the folder was exchanged, and the old one is being removed
            continue
        finally:
            os.close(descriptor)


def _entries(descriptor: int, prefix: str) -> Iterator[tuple[str, tuple[bytes, bool] | None]]:
    for name in os.listdir(descriptor):
        child = os.open(name, os.O_RDONLY, dir_fd=descriptor)
        try:
            status = os.fstat(child)
            if stat.S_ISDIR(status.st_mode):
                yield prefix + name, None
                yield from _entries(child, f"{prefix}{name}/")
            else:
                yield prefix + name, (os.read(child, status.st_size), bool(status.st_mode & stat.S_IXUSR))
        finally:
            os.close(child)


@contextmanager
def in_memory() -> Iterator[Path]:
    """Lend a folder without a disk below it, where there is one: the tests sync thousands of files."""
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        yield Path(folder)


def main() -> None:
    """Run one command and print what became of it as JSON, one document per line.

    `build`: one build, on request without root's privileges or with a limit on the size of a file.
    `loop`: builds of alternating versions without end; prints a line once the first is done.
    `sweep`: for n = 1, 2, ...: a build that dies before its n-th file operation; what is there then, what after
    `recover`. `die`: one build that dies before operation --operation. `sweep-recovery`: the build dies there
    every time, and `recover` at its n-th operation.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=list(COMMANDS))
    parser.add_argument("directory", type=Path)
    parser.add_argument("versions", nargs="+")
    parser.add_argument("--files", type=int, default=40)
    parser.add_argument("--file-size", type=int)
    parser.add_argument("--unprivileged", action="store_true")
    parser.add_argument("--operation", type=int)
    arguments = parser.parse_args()
    if arguments.file_size is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (arguments.file_size, arguments.file_size))
    if arguments.unprivileged:
        _drop_capabilities()
    COMMANDS[arguments.command](arguments)


def _drop_capabilities() -> None:
    """Let permission bits count for root too."""
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    nothing = (ctypes.c_uint32 * 6)()
    if ctypes.CDLL(None).capset(header, nothing) != 0:
        raise SystemExit("cannot drop privileges")


def _say(**facts: Any) -> None:
    print(json.dumps(facts), flush=True)


def _build(arguments: argparse.Namespace) -> None:
    try:
        report = write(project(arguments.versions[0], arguments.files), arguments.directory)
    except WriteFailed as error:
        _say(error=str(error), help=error.help)
    else:
        _say(ok=report.ok)


def _loop(arguments: argparse.Namespace) -> None:
    for count, version in enumerate(cycle(arguments.versions)):
        write(project(version, arguments.files), arguments.directory)
        if count == 0:
            _say(ready=True)


def _dies_at(operation: int, action: Callable[[], object]) -> bool:
    """Run `action` in a child that dies, as by kill -9, before its n-th file operation; False if it lived."""
    child = os.fork()
    if child == 0:
        left = operation

        def count(event: str, _: tuple[Any, ...]) -> None:
            nonlocal left
            if event == "open" or event.startswith("os."):
                left -= 1
                if left == 0:
                    os._exit(137)

        sys.addaudithook(count)
        action()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0


def _restore(root: Path) -> Snapshot:
    """Put the folder back to what lies in `<name>.before`."""
    for path in root.parent.iterdir():
        if path.name.startswith((f".{root.name}.specc-", root.name)) and not path.name.endswith(".before"):
            shutil.rmtree(path)
    template = root.with_name(f"{root.name}.before")
    if template.exists():
        shutil.copytree(template, root)
    return snapshot(root) if root.exists() else {}


def _after_build(root: Path, files: FileSet) -> Snapshot:
    write(files, root)
    return snapshot(root)


def _sweep(arguments: argparse.Namespace) -> None:
    root, files = arguments.directory, project(arguments.versions[0], arguments.files)
    old = _restore(root)
    new = _after_build(root, files)

    def state() -> str:
        found = snapshot(root) if root.exists() else {}
        return "old" if found == old else "new" if found == new else "mixed"

    operation, died = 0, True
    while died:
        operation += 1
        _restore(root)
        died = _dies_at(operation, lambda: write(files, root))
        at_once = state()
        recover(root)
        recovered = state()
        write(files, root)
        beside = [path.name for path in root.parent.iterdir() if ".specc-" in path.name]
        _say(operation=operation, at_once=at_once, recovered=recovered, finished=state(), beside=beside)


def _die(arguments: argparse.Namespace) -> None:
    _restore(arguments.directory)
    files = project(arguments.versions[0], arguments.files)
    _say(died=_dies_at(arguments.operation, lambda: write(files, arguments.directory)))


def _sweep_recovery(arguments: argparse.Namespace) -> None:
    root = arguments.directory
    old = _restore(root)
    operation, died = 0, True
    while died:
        operation += 1
        _die(arguments)
        died = _dies_at(operation, lambda: recover(root))
        recover(root)
        _say(recovered="old" if snapshot(root) == old else "mixed")


COMMANDS = {
    "build": _build,
    "loop": _loop,
    "sweep": _sweep,
    "die": _die,
    "sweep-recovery": _sweep_recovery,
}


if __name__ == "__main__":
    main()
