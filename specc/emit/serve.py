"""The emitted `serve/`: the engine's flags with their reasons, what starts it, and what asks it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from specc.catalog.base import NoView, Partial
from specc.catalog.family import family_of
from specc.catalog.served import Sizing
from specc.catalog.serving import Engine, FlagSetting
from specc.emit.generation import python_string
from specc.emit.imports import script_imports
from specc.emit.render import definitions, render
from specc.emit.views import HEADER, HeaderView
from specc.plan import Decided
from specc.resources import templates_root
from specc.spec.schema import package_of

LIMIT = "1e-4"
STAND_INS = "serve/cpu"
REQUIREMENTS = "requirements/serve.txt"
REQUIREMENTS_WITHOUT_GPU = "requirements/serve-cpu.txt"
CHECKS = ("health", "models", "completion", "streaming", "structure")
CHAT = Partial("serve/smoke/chat.py.j2", NoView())
SMOKE_IMPORTS = (
    "import argparse",
    "import json",
    "import sys",
    "from collections.abc import Callable",
    "from typing import Any",
    "from client import Answer, Client, Unreachable, add_arguments",
)
PARITY_IMPORTS = (
    "import argparse",
    "import math",
    "import random",
    "import sys",
    "from collections.abc import Iterator",
    "from concurrent.futures import ThreadPoolExecutor",
    "from pathlib import Path",
    "from typing import Any, NamedTuple",
    "import torch",
    "from tokenizers import Tokenizer",
    "from client import Client, Unreachable, add_arguments",
)
PARITY_OWN_IMPORTS = (
    "from {package}.checkpoint import CheckpointError",
    "from {package}.generation import generate",
    "from {package}.model import Model, load",
)


# For a model that no public family computes: its code travels with its weights, and both engines name these alike.
OWN_CODE = (
    FlagSetting("trust-remote-code", True, "the model's code lies beside its weights"),
    FlagSetting("model-impl", "transformers", "the engine has no code of its own for it"),
)


@dataclass(frozen=True, slots=True)
class LaunchView:
    """What `serve/launch.sh.j2` says."""

    header: str
    name: str
    engine: str
    port: int


@dataclass(frozen=True, slots=True)
class ProbeView:
    """What `serve/probe.py.j2` says; `packages` is a Python literal."""

    header: str
    packages: str


@dataclass(frozen=True, slots=True)
class ClientView:
    """What `serve/client.py.j2` says."""

    header: str
    port: int


@dataclass(frozen=True, slots=True)
class Setup:
    """How the engine runs on one kind of device; all but `device` are Python expressions."""

    device: str
    config: str
    label: str
    environment: str
    path: str


@dataclass(frozen=True, slots=True)
class ServerView:
    """What `serve/server.py.j2` says; `sampling` is a Python literal."""

    header: str
    name: str
    package: str
    engine: str
    version: str
    module: str
    model_flag: str
    context_flag: str
    context: int
    sampling: str
    setups: tuple[Setup, ...]
    install: str
    port: int
    about: str


@dataclass(frozen=True, slots=True)
class SmokeView:
    """What `serve/smoke.py.j2` says; `too_long` is more tokens than a request may have."""

    header: str
    name: str
    port: int
    imports: str
    too_long: int
    definitions: tuple[str, ...]
    checks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MetricsView:
    """What `serve/smoke/metrics.py.j2` says: how the names of counters begin."""

    prefix: str


@dataclass(frozen=True, slots=True)
class ParityView:
    """What `serve/parity.py.j2` says; `in_full` is what to add to the command where the server does not by itself."""

    header: str
    name: str
    port: int
    imports: str
    own_imports: str
    limit: str
    in_full: str


def serve_modules(decided: Decided) -> dict[str, str]:
    """Return the Python files of `serve/`, by path, not yet formatted; none for a spec without `serve`."""
    engine, servers = decided.resolved.spec.serve, decided.servers
    if engine is None or servers is None:
        return {}
    name = decided.resolved.spec.name
    return {
        **{f"{STAND_INS}/{path}": render(text, HeaderView(HEADER)) for path, text in engine.stand_ins.items()},
        "serve/client.py": render("serve/client.py.j2", ClientView(HEADER, engine.port)),
        "serve/probe.py": render("serve/probe.py.j2", ProbeView(HEADER, _literal(engine.distributions))),
        "serve/server.py": render("serve/server.py.j2", _server(decided, engine)),
        "serve/smoke.py": render("serve/smoke.py.j2", _smoke(decided, engine)),
        "serve/parity.py": render("serve/parity.py.j2", _parity(name, engine, servers.planned)),
    }


def serve_files(decided: Decided) -> dict[str, str]:
    """Return the other files of `serve/`, and the requirements of its environment, by path."""
    engine, servers = decided.resolved.spec.serve, decided.servers
    if engine is None or servers is None:
        return {}
    name = decided.resolved.spec.name
    view = LaunchView(HEADER, name, engine.title, engine.port)
    code = () if family_of(decided.resolved.network) else OWN_CODE
    own = (FlagSetting("served-model-name", name, "the project"), *code)
    files = {
        "serve/launch.sh": render("serve/launch.sh.j2", view),
        f"serve/{engine.engine}.yaml": _yaml(
            engine, servers.planned, (*own, *engine.settings(servers.planned, engine.extra_args))
        ),
    }
    pinned = (templates_root() / f"serve/requirements/{engine.engine}-cpu.txt").read_text(encoding="utf-8")
    if servers.planned.memory is None:
        return {**files, REQUIREMENTS: pinned}
    return {
        **files,
        f"serve/{engine.engine}-cpu.yaml": _yaml(
            engine, servers.without_gpu, (*own, *engine.settings(servers.without_gpu, {}))
        ),
        REQUIREMENTS: f"# The engine chooses the versions of all that it needs.\n{engine.package}\n",
        REQUIREMENTS_WITHOUT_GPU: pinned,
    }


def _yaml(engine: Engine, sizing: Sizing, settings: tuple[FlagSetting, ...]) -> str:
    """Return the engine's configuration: its own flags, each with its reason."""
    tried = sizing.memory is None
    about = (
        f"{engine.title} {engine.version}{' without a GPU' if tried else ''}: `serve/launch.sh` starts it with these."
    )
    return "".join(f"{line}\n" for line in (HEADER, f"# {about}", *map(_line, settings)))


def _line(setting: FlagSetting) -> str:
    # A JSON scalar is a YAML scalar, for YAML 1.1 too, which the engines read.
    return f"{setting.flag}: {json.dumps(setting.value, ensure_ascii=False)}  # {setting.why}"


def _server(decided: Decided, engine: Engine) -> ServerView:
    servers, name = decided.servers, decided.resolved.spec.name
    assert servers is not None
    return ServerView(
        header=HEADER,
        name=name,
        package=package_of(name),
        engine=engine.title,
        version=engine.version,
        module=engine.module,
        model_flag=engine.model_flag,
        context_flag=engine.context_flag,
        context=int(servers.planned.context.value),
        sampling=_sampling(engine),
        setups=tuple(_setups(engine, servers.planned, servers.without_gpu)),
        install=_install(servers.planned),
        port=engine.port,
        about=f"Serve a checkpoint of {name} with {engine.title}.",
    )


def _setups(engine: Engine, planned: Sizing, without_gpu: Sizing) -> Iterable[Setup]:
    """Yield how the engine runs on a GPU, if the plan is for one, and without."""
    only_one = planned.memory is None
    if not only_one:
        yield Setup("gpu", python_string(f"{engine.engine}.yaml"), '""', "{}", '""')
    config = f"{engine.engine}.yaml" if only_one else f"{engine.engine}-cpu.yaml"
    path = f'str(PROJECT / "{STAND_INS}")' if engine.stand_ins else '""'
    environment = _literal(engine.environment(without_gpu))
    yield Setup("cpu", python_string(config), python_string(f", {engine.label},"), environment, path)


def _sampling(engine: Engine) -> str:
    """Return the defaults for requests that the spec gives, as `generation_config.json` has them."""
    given = engine.sampling.model_dump(exclude_none=True)
    drawn = {"do_sample": True} if given.get("temperature", 1) else {}
    return _literal({**drawn, **given} if given else {})


def _install(planned: Sizing) -> str:
    """Return how the engine is installed on a machine such as the one planned for."""
    if planned.memory is None:
        return f"pip install --no-deps -r {REQUIREMENTS}"
    return f"pip install -r {REQUIREMENTS}"


def _smoke(decided: Decided, engine: Engine) -> SmokeView:
    spec, servers = decided.resolved.spec, decided.servers
    assert servers is not None
    chats = spec.tokenizer is not None and not spec.tokenizer.without_chat_template()
    counters = Partial("serve/smoke/metrics.py.j2", MetricsView(engine.metrics))
    partials = (*((counters,) if engine.counts() else ()), *((CHAT,) if chats else ()))
    return SmokeView(
        header=HEADER,
        name=spec.name,
        port=engine.port,
        imports=script_imports(package_of(spec.name), SMOKE_IMPORTS),
        too_long=int(servers.planned.context.value) + 1,
        definitions=definitions(partials),
        checks=(*CHECKS, *(path.template.rpartition("/")[2].partition(".")[0] for path in partials), "bad_requests"),
    )


def _parity(name: str, engine: Engine, planned: Sizing) -> ParityView:
    full = "." if planned.memory is None else ":\n`bash serve/launch.sh CHECKPOINT --dtype float32`."
    return ParityView(
        header=HEADER,
        name=name,
        port=engine.port,
        imports=script_imports(package_of(name), PARITY_IMPORTS),
        own_imports=script_imports(package_of(name), PARITY_OWN_IMPORTS),
        limit=LIMIT,
        in_full=full,
    )


def _literal(value: object) -> str:
    """Return plain values as Python, with the quotes that Python's formatters prefer."""
    if isinstance(value, tuple):
        items = ", ".join(map(_literal, value))
        return f"({items},)" if len(value) == 1 else f"({items})"
    if isinstance(value, bool | int | float):
        return repr(value)
    if isinstance(value, str):
        return python_string(value)
    assert isinstance(value, dict)
    return "{" + ", ".join(f"{python_string(key)}: {_literal(item)}" for key, item in value.items()) + "}"
