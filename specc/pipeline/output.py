"""From a plan to a proven project: what `build`, `verify`, `diff` and `import` run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from specc.diagnostics import CompileFailed, Diagnostic, Severity
from specc.emit.assemble import emit
from specc.emit.changes import WriteReport
from specc.emit.fileset import FileSet
from specc.emit.write import compare, recover, write
from specc.interop import import_folder
from specc.plan import Decided, plan
from specc.resolve import resolve
from specc.resolve.rules import PLAN_ONLY
from specc.spec import attempt
from specc.verify.execute import Certificate, verify_project
from specc.verify.static import verify_static


def compiled(path: str, overrides: Sequence[str] = ()) -> tuple[Decided, FileSet]:
    """Return a spec with every value decided, and its project in memory.

    Raises:
        CompileFailed: The spec has errors, or what it asks for can only be planned.
    """
    loaded = attempt(path, overrides)
    resolved = resolve(loaded)
    if any(warning.code in PLAN_ONLY for warning in resolved.warnings):
        raise CompileFailed(tuple(map(_refused, resolved.warnings)))
    decided = plan(resolved)
    return decided, emit(decided, loaded.locator.root.span.source.text)


def _refused(warning: Diagnostic) -> Diagnostic:
    return warning._replace(severity=Severity.ERROR) if warning.code in PLAN_ONLY else warning


def built(files: FileSet, directory: Path, *, check: bool = False, force: bool = False) -> WriteReport:
    """Bring a project folder to its new output, or with `check` only say what would change.

    Raises:
        WriteFailed: The folder cannot be read or written; nothing was changed.
        UnsoundOutput: The output is not fit to hand out, which is a bug of specc.
    """
    verify_static(files)
    return compare(files, directory) if check else write(files, directory, force=force)


def verified(directory: Path, python: str) -> Certificate:
    """Run a project's own property tests and write its certificate; undo a build that was killed first.

    Raises:
        VerifyFailed: There is no project, or its tests cannot be run.
        WriteFailed: Another build is running.
    """
    recover(directory)
    return verify_project(directory, python)


def imported(folder: Path) -> str:
    """Return the text of a spec for a Hugging Face model folder.

    Raises:
        CompileFailed: The folder has no configuration that a spec can express.
    """
    return import_folder(folder)
