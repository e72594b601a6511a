"""The emitted `launch/` and `ds_config.json`: what starts the stages."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from specc.catalog.align import PRETRAIN, Stage
from specc.catalog.tokenizer import Trained
from specc.emit.render import render
from specc.emit.views import HEADER
from specc.plan import Decided

# DeepSpeed's own prints: the run says more.
STEPS_PER_PRINT = 1_000_000
# Stage 0 has no shards to save and load by parameter, and steps Adam once before training when bf16 is on.
LOWEST_STAGE = 1
TOKENIZER = 'stage tokenizer python "$project/train_tokenizer.py" --out "$out/data" "$@" ${SMOKE:+--smoke}'
EVALUATION = (
    'say "evaluation"',
    'python "$project/eval.py" --checkpoint "$checkpoint" --data "$out/data" --compare ${SMOKE:+--smoke}',
)

UNTIL = (
    "# UNTIL=completion: ends with the trained model. UNTIL=alignment: serves nothing. SMOKE=1 serves nothing either."
)
SERVER_STARTS = 600  # seconds, at most


@dataclass(frozen=True, slots=True)
class LocalView:
    """What `launch/local.sh.j2` says; `readers` are the stages that read text."""

    header: str
    result: str
    readers: str
    tokenizer: tuple[str, ...]
    evaluation: tuple[str, ...]
    options: tuple[str, ...]
    alignment: tuple[str, ...]
    serving: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RanksView:
    """What `launch/torchrun.sh.j2` and `launch/deepspeed.sh.j2` say."""

    header: str
    name: str
    ranks: int


def launch_files(decided: Decided) -> dict[str, str]:
    """Return the launchers, by path; none for a spec without `train`."""
    resolved = decided.resolved
    spec = resolved.spec
    if spec.train is None:
        return {}
    ranks = RanksView(HEADER, spec.name, resolved.machines.gpus_per_node)
    files = {
        "ds_config.json": json.dumps(ds_config(decided), indent=2) + "\n",
        "launch/deepspeed.sh": render("launch/deepspeed.sh.j2", ranks),
        "launch/torchrun.sh": render("launch/torchrun.sh.j2", ranks),
    }
    if spec.data is not None and spec.tokenizer is not None:
        held_out = EVALUATION if spec.data.validation is not None else ()
        stages = spec.align or ()
        trained = isinstance(spec.tokenizer, Trained)
        view = LocalView(
            header=HEADER,
            result=f"{'an aligned' if stages else 'a trained'} {spec.name}",
            readers="train_tokenizer.py and prepare_data.py" if trained else "prepare_data.py",
            tokenizer=(TOKENIZER,) if trained else (),
            evaluation=held_out,
            options=(UNTIL,) if stages or spec.serve else (),
            alignment=tuple(aligning(stages)),
            serving=tuple(serving(stages)) if spec.serve else (),
        )
        files["launch/local.sh"] = render("launch/local.sh.j2", view)
    return files


def place(stage: str) -> str:
    """Return where the results of a stage lie in the folder of all results."""
    return "run" if stage == PRETRAIN else f"align/{stage}"


def aligning(stages: Sequence[Stage]) -> Iterator[str]:
    """Yield the lines of `launch/local.sh` that run the stages after pretraining; their scripts know their data."""
    if stages:
        yield ""
        yield 'if [ "${UNTIL:-}" = completion ]; then exit; fi'
    for stage in stages:
        yield ""
        yield f'say "{stage.name}"'
        run = f'python "$project/align/{stage.name}.py" --model "$(result {place(stage.parent)})"'
        yield f'{run} --out "$out/{place(stage.name)}" ${{SMOKE:+--smoke}}'


def serving(stages: Sequence[Stage]) -> Iterator[str]:
    """Yield the lines that serve the last model, and hold what it answers against its checkpoint."""
    last = next((stage.name for stage in reversed(stages) if stage.makes_model), PRETRAIN)
    yield ""
    yield 'if [ -n "${UNTIL:-}${SMOKE:-}" ]; then exit; fi'
    yield ""
    yield 'say "serving"'
    yield f'checkpoint="$(result {place(last)})"'
    yield 'OUT="$out" bash "$project/serve/launch.sh" "$checkpoint" >"$out/server.log" 2>&1 &'
    yield "trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT"
    yield f'python "$project/serve/smoke.py" --wait {SERVER_STARTS} &'
    yield "# Whichever ends first: the checks, or a server that cannot start."
    yield 'wait -n || { tail -n 20 "$out/server.log" >&2; exit 1; }'
    yield 'python "$project/serve/parity.py" --checkpoint "$checkpoint"'
    yield """printf 'serve it again: bash %q %q\\n' "$project/serve/launch.sh" "$checkpoint" >&2"""


def ds_config(decided: Decided) -> dict[str, Any]:
    """Return DeepSpeed's configuration; train.py brings the optimizer, and sets the learning rate of each step."""
    run, strategy, train = decided.resolved.run, decided.strategy, decided.resolved.spec.train
    config: dict[str, Any] = {
        "train_batch_size": run.global_batch_size,
        "train_micro_batch_size_per_gpu": strategy.micro_batch_size,
        "gradient_accumulation_steps": strategy.gradient_accumulation,
        "zero_optimization": {"stage": max(strategy.zero_stage, LOWEST_STAGE)},
        "steps_per_print": STEPS_PER_PRINT,
    }
    if train is not None and train.grad_clip is not None:
        config["gradient_clipping"] = train.grad_clip
    return config | PRECISIONS[run.precision.compute]


PRECISIONS: dict[str, dict[str, Any]] = {
    "fp32": {},
    # Weights in bf16 beside fp32 master weights; gradients are added up and reduced in fp32.
    "bf16": {
        "bf16": {"enabled": True},
        "data_types": {"grad_accum_dtype": "fp32"},
        "communication_data_type": "fp32",
    },
}
