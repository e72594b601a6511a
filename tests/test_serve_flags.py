"""The flags that specc knows, beside those that the real engines know.

SGLang's parser runs in its own environment, without a GPU; vLLM's with `make proof`.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.measures import ROOT
from specc.catalog.flags import Flag, FlagValue
from specc.catalog.serving import Engine, Sglang, Vllm
from tests.conftest import PROOF
from tests.emitted import CASES
from tests.serving import engine_python
from tests.spec_space import tag_of

ENGINES = [Sglang, *([Vllm] if PROOF else [])]
TEXT_TYPES = {"str", "_optional_type"}  # vLLM's name for a text or nothing


def sample(flag: Flag) -> FlagValue:
    """Return a value that a flag takes, at the edge of its range where it has one."""
    if flag.type is bool:
        return True
    if flag.type is str:
        return flag.choices[-1] if flag.choices else "text"
    return flag.type(flag.low)


def ask(engine: type[Engine], configs: list[Path], stand_ins: Path) -> dict[str, Any]:
    """Return what the engine's parser knows, and what it reads in these files."""
    tag = tag_of(engine, "engine")
    command = [engine_python(tag), "tests/engine_flags.py", tag, *map(str, configs)]
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    path = {"PYTHONPATH": str(stand_ins)} if stand_ins.is_dir() else {}
    done = subprocess.run(command, cwd=ROOT, env=variables | path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


@pytest.fixture(scope="module", params=ENGINES, ids=lambda engine: engine.title)
def engine(request: pytest.FixtureRequest) -> type[Engine]:
    chosen: type[Engine] = request.param
    return chosen


@pytest.fixture(scope="module")
def answer(engine: type[Engine], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the parser says of all files of all cases, and of one with every flag."""
    folder = tmp_path_factory.mktemp("flags")
    every = folder / "every.yaml"
    every.write_text(yaml.safe_dump({name: sample(flag) for name, flag in engine.flags.items()}))
    cases = sorted(CASES.glob(f"serve-*/expected/serve/{tag_of(engine, 'engine')}*.yaml"))
    assert cases
    return ask(engine, [every, *cases], CASES / "serve-sglang" / "expected" / "serve" / "cpu")


def test_flags_are_those_of_the_engine(engine: type[Engine], answer: dict[str, Any]) -> None:
    known: Mapping[str, tuple[str, list[str]]] = answer["known"]
    wrong = {}
    for name, flag in engine.flags.items():
        kind, choices = known.get(name, ("absent", []))
        same = kind == flag.type.__name__ or (flag.type is str and kind in TEXT_TYPES) or kind == "_optional_type"
        if not same or (choices and not set(flag.choices) <= set(choices)):
            wrong[name] = (kind, choices)

    assert wrong == {}
    assert set(engine.decided) <= set(known)
    assert {engine.model_flag, engine.context_flag, "served-model-name", "host", "port", "config"} <= set(known)
    assert {setting.flag for setting in engine.recipe} <= set(known)


def test_parser_reads_what_is_emitted(answer: dict[str, Any]) -> None:
    """Every value of every file arrives as it was written; a JSON text may arrive as what it says."""
    assert len(answer["read"]) > 1
    for file, read in answer["read"].items():
        written = yaml.safe_load(Path(file).read_text(encoding="utf-8"))
        assert {key: value for key, value in read.items() if key in PLAIN} == {
            key: value for key, value in written.items() if key in PLAIN
        }
        assert read.keys() == written.keys()


PLAIN = {*Sglang.flags, *Vllm.flags, "dtype", "tp-size", "dp-size", "tensor-parallel-size", "device"}


@pytest.mark.parametrize(
    ("flag", "takes", "refuses"),
    [
        (Flag(bool), [True, False], [1, 0, "true"]),
        (Flag(int, 1, 8), [1, 8], [0, 9, 1.0, True, "4"]),
        (Flag(float, 0.1, 1), [0.1, 1, 0.5], [0, 1.01, True, "0.5"]),
        (Flag(str, choices=("a", "b")), ["a", "b"], ["c", "", 1]),
        (Flag(str), ["anything"], ["", "two\nlines", 1]),
    ],
)
def test_flag_takes_its_type_and_range(flag: Flag, takes: list[FlagValue], refuses: list[FlagValue]) -> None:
    assert [value for value in takes if not flag.takes(value)] == []
    assert [value for value in refuses if flag.takes(value)] == []


@pytest.mark.parametrize("flag", [*Sglang.flags.values(), *Vllm.flags.values()])
def test_flag_takes_a_sample_of_itself(flag: Flag) -> None:
    assert flag.takes(sample(flag))
    assert str(flag)


def test_requirements_of_the_tests_are_those_of_projects() -> None:
    """What a project asks for is what its server was tested with."""
    for engine, name in ((Sglang, "serve"), (Vllm, "serve-vllm")):
        asked = (ROOT / "templates" / "serve" / "requirements" / f"{tag_of(engine, 'engine')}-cpu.txt").read_text()
        assert f"-r ../templates/serve/requirements/{tag_of(engine, 'engine')}-cpu.txt" in (
            ROOT / "requirements" / f"{name}.txt"
        ).read_text(encoding="utf-8")
        assert any(f"{package}=={engine.version}\n" in asked for package in engine.distributions)
