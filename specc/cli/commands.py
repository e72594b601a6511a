"""The commands: which there are, and how one is found and loaded."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperGroup

from specc.cli import console


class Command(NamedTuple):
    """Where a command is defined, and its line in `specc --help`."""

    module: str
    function: str
    summary: str


COMMANDS: Mapping[str, Command] = MappingProxyType(
    {
        "check": Command("check", "check", "Every problem of a spec at once."),
        "resolve": Command("decisions", "resolve", "The spec with every value decided, each with where it came from."),
        "plan": Command("decisions", "plan", "What fits, how fast, what it costs, and why."),
        "build": Command("produce", "build", "Emit the project; hand edits are kept."),
        "verify": Command("produce", "verify", "Run a project's own proof and write its certificate."),
        "diff": Command("diff", "diff", "What changes between two specs, in values and in code."),
        "import": Command("produce", "import_folder", "A spec from a Hugging Face model folder."),
        "schema": Command("language", "schema", "JSON Schema of the spec language, for editors."),
        "explain": Command("language", "explain", "What a diagnostic or a key means, with an example."),
    }
)


class Commands(TyperGroup):
    """Loads a command's module only when that command runs, so that `check` never waits for what `build` imports."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]  # its type is private to typer
        """Return the commands in the order of a user's work."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: typer.Context, cmd_name: str) -> Any:  # type: ignore[override]  # as above
        """Return one command, or None when there is none of this name."""
        del ctx
        return _load(cmd_name) if cmd_name in COMMANDS else None

    def format_commands(self, ctx: typer.Context, formatter: Any) -> None:  # type: ignore[override]  # as above
        """Write the list of commands without loading them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.summary) for name, command in COMMANDS.items()])


app = typer.Typer(cls=Commands, add_completion=False, rich_markup_mode=None, no_args_is_help=True)


def _show_version(wanted: bool) -> None:
    if wanted:
        metadata = importlib.import_module("importlib.metadata")
        console.write(f"specc {metadata.version('specc')}\n")
        raise typer.Exit


@app.callback()
def specc(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Compile one YAML spec of a language model to a standalone, proven PyTorch project.

    SPEC is a file, or `-` for standard input. Exit codes: 0 all is well, 1 the spec or the result has errors,
    2 wrong usage, 70 a bug of specc itself.
    """
    del version  # its callback has done the work


def run() -> None:
    """Run the command that the arguments of the process name, and raise SystemExit with its exit code."""
    typer.main.get_command(app)(prog_name="specc")


def _load(name: str) -> Any:
    entry = COMMANDS[name]
    module = importlib.import_module(f"specc.cli.{entry.module}")
    function: Callable[..., None] = getattr(module, entry.function)
    single = typer.Typer(add_completion=False, rich_markup_mode=None)
    single.command(name)(function)
    return typer.main.get_command(single)
