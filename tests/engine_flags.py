"""Print what a serving engine's own parser knows and reads; its own Python runs this, which has nothing of ours.

python tests/engine_flags.py ENGINE CONFIG...

Prints JSON: `known`, each flag with its type and choices, and `read`, for each file the values of its flags.
"""

import argparse
import json
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import yaml


def sglang() -> tuple[argparse.ArgumentParser, Callable[[list[str]], Any]]:
    """Return SGLang's parser, and how it reads a command line."""
    module = import_module("sglang.srt.server_args")
    parser = argparse.ArgumentParser()
    module.ServerArgs.add_cli_args(parser)
    return parser, lambda arguments: module.prepare_server_args(["--model-path", "m", *arguments])


def vllm() -> tuple[argparse.ArgumentParser, Callable[[list[str]], Any]]:
    """Return vLLM's parser, and how it reads a command line."""
    parsers, flags = import_module("vllm.utils.argparse_utils"), import_module("vllm.entrypoints.launchers.cli_args")
    parser: argparse.ArgumentParser = flags.make_arg_parser(parsers.FlexibleArgumentParser())
    return parser, parser.parse_args


def kind(action: argparse.Action) -> str:
    """Return what a flag takes, in Python's words."""
    if isinstance(action, argparse._StoreTrueAction | argparse.BooleanOptionalAction):
        return "bool"
    name = getattr(action.type, "__name__", "str")
    return "int" if name.startswith("human_readable_int") else name


def main() -> None:
    """Run the parser over the files."""
    parser, parse = {"sglang": sglang, "vllm": vllm}[sys.argv[1]]()
    flags = {option[2:]: action for action in parser._actions for option in action.option_strings if option[:2] == "--"}
    known = {flag: [kind(action), [str(choice) for choice in action.choices or ()]] for flag, action in flags.items()}
    read = {}
    for file in sys.argv[2:]:
        given = yaml.safe_load(Path(file).read_text(encoding="utf-8"))
        found = parse(["--config", file])
        read[file] = {flag: getattr(found, flags[flag].dest) for flag in given}
    print(json.dumps({"known": known, "read": read}, default=str))


if __name__ == "__main__":
    main()
