"""The `train:` and `parallel:` sections of a spec."""

from typing import Annotated, Any, Literal

from specc.catalog.fields import Count, Section, key, one_rank, only, planned
from specc.catalog.schedule import AnySchedule, Cosine
from specc.catalog.stability import AnyPolicy, NonFinite
from specc.catalog.training import AdamW, AnyOptimizer


class Checkpoint(Section):
    """Which steps are saved, and which of those are kept. The last step is always both."""

    every: Count | None = key("Optimizer steps between checkpoints.", None)
    keep_last: Count = key(
        "Newest checkpoints that are kept.", 3, reason="one to resume from, two more should it be damaged"
    )
    keep_every: Count | None = key(
        "Checkpoints of steps that this divides are kept for good.", None, reason="only the newest are kept"
    )
    path: Annotated[Any, only(None, "a checkpoint store")] = key(
        "Where checkpoints go.", None, reason="the folder of the run"
    )
    # `async` is a word of Python.
    in_background: Annotated[Any, only(False, "asynchronous checkpointing")] = key(
        "Whether training goes on while a checkpoint is written.",
        False,
        reason="a checkpoint is whole before the next step",
        alias="async",
    )


class Logging(Section):
    """Where metrics go beside `metrics.jsonl`, which has every step."""

    every: Count = key("Optimizer steps between two reports to these loggers.", 10, reason="enough for a curve")
    to: tuple[Annotated[Literal["tensorboard"], planned("wandb", "mlflow")], ...] = key(
        "Loggers.", (), reason="metrics.jsonl has everything", strict=False
    )


class Train(Section):
    """Pretraining."""

    objective: Annotated[Literal["causal_lm"], planned("masked_lm", "seq2seq")] = key(
        "What is learned.", "causal_lm", reason="the objective of a decoder"
    )
    tokens: Count | None = key("Tokens to train on; or `steps`.", None)
    steps: Count | None = key("Optimizer steps to train; or `tokens`.", None)
    sequence_length: Count | None = key("Tokens per sequence.", None)
    global_batch_size: Count | None = key("Sequences per optimizer step, over all ranks.", None)
    micro_batch_size: Count | Literal["auto"] = key(
        "Sequences per rank per forward.", "auto", reason="the planner fills the device"
    )
    optimizer: AnyOptimizer = key("The optimizer.", AdamW.default(), reason="the field's default")
    schedule: AnySchedule = key("Learning rate over time.", Cosine.default(), reason="the field's default")
    grad_clip: float | None = key("Largest norm of the gradient; null: no clipping.", 1.0, reason="GPT-3", gt=0)
    precision: Annotated[Literal["fp32", "bf16"], planned("fp16", "fp8")] | None = key("Element types.", None)
    activation_checkpointing: Annotated[Literal["none", "full", "auto"], planned("selective", "per_op")] = key(
        "What the backward pass computes again instead of keeping.",
        "auto",
        reason="the planner recomputes when memory is short",
    )
    compile: bool = key(
        "Whether model and loss go through torch.compile.", True, reason="fuses norms, activations, rotations and loss"
    )
    seed: int = key("Seed of weights and data order.", 0, reason="any number, the same in every run", ge=0, lt=2**63)
    phases: Annotated[Any, only(None, "training phases")] = key("What changes, in order.", None, reason="one phase")
    curriculum: Annotated[Any, only(None, "a curriculum")] = key("Order of the data.", None, reason="shuffled")
    batch_ramp: Annotated[Any, only(None, "a batch ramp")] = key("Growth of the batch.", None, reason="constant batch")
    checkpoint: Checkpoint = key(
        "What is saved, and when.", Checkpoint.model_construct(), reason="a run resumes from its last checkpoint"
    )
    stability: tuple[AnyPolicy, ...] = key(
        "What is done about steps that went wrong, one entry for each `when`.",
        (NonFinite.default(),),
        reason="weights that took a NaN stay NaN",
        strict=False,
    )
    logging: Logging = key(
        "Where metrics go.", Logging.model_construct(), reason="metrics.jsonl needs nothing installed"
    )
    early_stopping: Annotated[Any, only(None, "early stopping")] = key("When to stop.", None, reason="never early")


class Parallel(Section):
    """How training spreads over devices."""

    engine: Annotated[Literal["deepspeed"], planned("fsdp", "ddp", "megatron")] = key(
        "What runs it.", "deepspeed", reason="every ZeRO stage behind one configuration"
    )
    zero_stage: Literal[0, 1, 2, 3, "auto"] = key(
        "What ZeRO shards: 1 optimizer state, 2 gradients too, 3 weights too.",
        "auto",
        reason="the planner takes the shortest step that fits, then the lowest of the stages that are emitted: 0, 1, 2",
    )
    sharding: Annotated[Any, only(None, "FSDP sharding")] = key("FSDP's kind of sharding.", None, reason="DeepSpeed")
    tensor: Annotated[Literal[1, "auto"], one_rank("tensor parallelism")] = key(
        "Degree.", 1, reason="data parallel only"
    )
    context: Annotated[Literal[1, "auto"], one_rank("context parallelism")] = key(
        "Degree.", 1, reason="data parallel only"
    )
    pipeline: Annotated[Literal[1, "auto"], one_rank("pipeline parallelism")] = key(
        "Degree.", 1, reason="data parallel only"
    )
    expert: Annotated[Literal[1, "auto"], one_rank("expert parallelism")] = key(
        "Degree.", 1, reason="data parallel only"
    )
    offload: Annotated[Any, only(None, "offload")] = key("What lives off the device.", None, reason="all on the device")
