"""The pass itself: `Decided` to `FileSet`. A section that the spec does not have emits nothing."""

from __future__ import annotations

import json

from specc.diagnostics import printable
from specc.emit.convert import convert_modules
from specc.emit.data import data_modules, data_requirements
from specc.emit.dataset import dataset_modules
from specc.emit.fileset import FileSet
from specc.emit.format import format_python
from specc.emit.generation import generation_modules
from specc.emit.launch import launch_files
from specc.emit.model import model_module, summary
from specc.emit.preferences import preference_modules
from specc.emit.project import Named, lock, pyproject, readme, requirements
from specc.emit.proof import decided_section, proof_modules, reference_files
from specc.emit.results import result_modules, result_pages
from specc.emit.serve import serve_files, serve_modules
from specc.emit.tokenizer import tokenizer_assets, tokenizer_module
from specc.emit.training import training_modules
from specc.plan import Decided, plan_json
from specc.resolve import Resolved, as_yaml, model_document
from specc.spec.nodes import Origin
from specc.spec.schema import package_of
from specc.units import format_bytes, format_count


def emit(decided: Decided, spec_text: str) -> FileSet:
    """Return the project of one decided spec, in memory.

    Args:
        decided: The spec with every value decided, and its plan.
        spec_text: The text of the spec file, kept as `spec.yaml`.
    """
    resolved = decided.resolved
    name = resolved.spec.name
    about = summary(name, resolved.network)
    modules, assets = python_modules(decided), {**result_pages(resolved), **tokenizer_assets(resolved)}
    files = {
        **format_python(modules),
        **assets,
        **reference_files(training=resolved.spec.train is not None),
        **requirements(modules, data_requirements(resolved.spec.data)),
        **launch_files(decided),
        **serve_files(decided),
        "tests/model.json": decided_section(model_document(resolved)),
        "pyproject.toml": pyproject(name, about, modules, assets),
        "spec.yaml": spec_text,
        "spec.resolved.yaml": as_yaml(resolved, comment),
        "plan.json": json.dumps(plan_json(decided), indent=2) + "\n",
    }
    if resolved.spec.train is not None:
        files["tests/train.json"] = decided_section(resolved.spec.train.model_dump(mode="json"))
    trained = f"run/checkpoints/step-{resolved.run.steps}" if "train.py" in files else "CHECKPOINT"
    files["README.md"] = readme(decided, about, facts(decided), trained, frozenset(files))
    files["specc.lock"] = lock(name, files)
    return FileSet.of(files, (path for path in files if path.endswith(".sh")))


def python_modules(decided: Decided) -> dict[str, str]:
    """Return every Python file of the project by its path, not yet formatted."""
    resolved = decided.resolved
    name = resolved.spec.name
    package = package_of(name)
    parts = resolved.network.parts(resolved.spec.model.attention.backend)
    return {
        f"{package}/__init__.py": f'"""{summary(name, resolved.network)}"""\n',
        f"{package}/model.py": model_module(name, resolved.network, parts),
        **generation_modules(resolved),
        **convert_modules(resolved),
        **tokenizer_module(resolved),
        **data_modules(resolved),
        **dataset_modules(resolved),
        **training_modules(decided),
        **preference_modules(decided),
        **result_modules(resolved),
        **serve_modules(decided),
        **proof_modules(package, resolved.network, parts),
    }


def comment(origin: Origin) -> str:
    """Return where a value came from without the folders of the build machine."""
    place = origin.detail if origin.kind in ("default", "derived", "planner") else origin.detail.rpartition("/")[2]
    return printable(f"{origin.kind}: {place}")


def facts(decided: Decided) -> tuple[Named, ...]:
    """Return the lines of the README's plan."""
    resolved, shapes, memory = decided.resolved, decided.estimate.shapes, decided.estimate.memory
    return (
        Named("parameters", f"{shapes.parameters:,} ({format_count(shapes.parameters)})"),
        Named("training FLOPs per token", format_count(shapes.flops_per_token)),
        Named("KV cache per token", format_bytes(shapes.kv_bytes_per_token)),
        Named("device", device(resolved)),
        Named(
            "peak memory per device, uncalibrated", f"{format_bytes(memory.peak_bytes_per_gpu)} (fits: {memory.fits})"
        ),
    )


def device(resolved: Resolved) -> str:
    """Return what the plan is for, and whether the spec said so."""
    machines = resolved.machines
    text = f"{machines.ranks} x {machines.gpu.name}"
    return f"{text} (assumed: the spec has no `cluster`)" if "cluster" in resolved.assumed else text
