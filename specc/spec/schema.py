"""The spec language, version 1: what a file may say. Defaults that are plain values stand here with their reasons."""

import keyword
import sys
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator
from pydantic_core import PydanticCustomError

from specc.catalog.fields import Bandwidth, Count, Only, Section, key, only, planned
from specc.catalog.gpu import InlineGpu
from specc.catalog.tokenizer import AnyTokenizer
from specc.catalog.training import AdamW, AnyOptimizer, AnySchedule, Cosine
from specc.spec.model_schema import Model

NOT_BUILT = "not built yet, and absent from what is emitted"
# The emitted package must not shadow what its own code imports.
IMPORTED_BY_OUTPUT = frozenset(
    {
        *("deepspeed", "flash_attn", "hypothesis", "jinja2", "numpy", "pytest", "reference", "safetensors", "sglang"),
        *("specc", "tests", "tokenizers", "torch", "transformers", "triton", "trl", "wandb", "xformers", "yaml"),
    }
)


class Source(Section):
    """A folder of documents."""

    name: str = key("Names the source in the data card.", min_length=1)
    path: str = key("Folder or glob of the files.", min_length=1)
    format: Annotated[
        Literal["text", "code"],
        planned("jsonl", "parquet", "html", "warc", "wet", "wikipedia", "huggingface"),
    ] = key("What the files hold: each file is one document.", "text", reason="plain files")
    weight: Annotated[Any, only(1.0, "source weights")] = key("Share in the mixture.", 1.0, reason="all documents once")
    license: str | None = key("Licence note, carried to the data card.", None, reason="unknown")


class Packing(Section):
    """How documents fill sequences."""

    kind: Annotated[Literal["concatenate"], planned("best_fit", "none")] = key(
        "Which documents share a sequence.", "concatenate", reason="no padding: every token trains"
    )
    isolate_documents: bool = key(
        "Whether attention stops at document borders.", True, reason="unrelated documents only add noise"
    )


class Data(Section):
    """Where text comes from and how it becomes sequences."""

    sources: tuple[Source, ...] = Field(description="Folders of documents.", strict=False, min_length=1)
    steps: Annotated[Any, only(None, "data steps")] = key("Filters, in order.", None, reason="every document is kept")
    validation: Annotated[Any, only(None, "a validation split")] = key(
        "Held-out share.", None, reason="nothing held out"
    )
    packing: Packing = key("How documents fill sequences.", Packing.model_construct(), reason="no padding")
    shards: Annotated[Any, only(None, "shard formats")] = key("Shard format.", None, reason="one file of token ids")
    on_error: Annotated[Literal["skip", "fail"], planned()] = key(
        "What an unreadable file does.",
        "skip",
        reason="one broken file should not stop a long job; it is reported",
    )
    engine: Annotated[Literal["local"], planned("spark", "ray", "slurm")] = key(
        "Where data is prepared.", "local", reason="one machine"
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
        "Whether blocks go through torch.compile.", True, reason="fuses norms, activations and rotations"
    )
    seed: int = key("Seed of weights and data order.", 0, reason="any number, the same in every run", ge=0, lt=2**63)
    phases: Annotated[Any, only(None, "training phases")] = key("What changes, in order.", None, reason="one phase")
    curriculum: Annotated[Any, only(None, "a curriculum")] = key("Order of the data.", None, reason="shuffled")
    batch_ramp: Annotated[Any, only(None, "a batch ramp")] = key("Growth of the batch.", None, reason="constant batch")
    checkpoint: Annotated[Any, only(None, "checkpoint policies")] = key("When to save.", None, reason="at the end")
    stability: Annotated[Any, only(None, "stability policies")] = key("What to do about spikes.", None, reason="none")
    logging: Annotated[Any, only(None, "loggers")] = key("Where metrics go.", None, reason="metrics.jsonl")
    early_stopping: Annotated[Any, only(None, "early stopping")] = key("When to stop.", None, reason="never early")


def _one_rank(what: str) -> BeforeValidator:
    """Read `{degree: N}` as N; one rank, or the planner's choice of one, is all that is built."""
    refuse = Only(1, what)

    def check(value: Any) -> Any:
        if isinstance(value, dict) and set(value) == {"degree"}:
            value = value["degree"]
        return value if value == "auto" else refuse(value)

    return BeforeValidator(check)


class Parallel(Section):
    """How training spreads over devices."""

    engine: Annotated[Literal["deepspeed"], planned("fsdp", "ddp", "megatron")] = key(
        "What runs it.", "deepspeed", reason="ZeRO 0-3 behind one configuration"
    )
    zero_stage: Literal[0, 1, 2, 3, "auto"] = key(
        "What ZeRO shards: 1 optimizer state, 2 gradients too, 3 weights too.",
        "auto",
        reason="the planner takes the shortest step that fits, then the lowest stage",
    )
    sharding: Annotated[Any, only(None, "FSDP sharding")] = key("FSDP's kind of sharding.", None, reason="DeepSpeed")
    tensor: Annotated[Literal[1, "auto"], _one_rank("tensor parallelism")] = key(
        "Degree.", 1, reason="data parallel only"
    )
    context: Annotated[Literal[1, "auto"], _one_rank("context parallelism")] = key(
        "Degree.", 1, reason="data parallel only"
    )
    pipeline: Annotated[Literal[1, "auto"], _one_rank("pipeline parallelism")] = key(
        "Degree.", 1, reason="data parallel only"
    )
    expert: Annotated[Literal[1, "auto"], _one_rank("expert parallelism")] = key(
        "Degree.", 1, reason="data parallel only"
    )
    offload: Annotated[Any, only(None, "offload")] = key("What lives off the device.", None, reason="all on the device")


class Network(Section):
    """Links between nodes."""

    bandwidth_per_gpu: Bandwidth | None = key("Per GPU and direction.", None)
    topology: Literal["fat_tree"] = key("Shape of the network.", "fat_tree", reason="full bisection")


class Cluster(Section):
    """The machines that training runs on."""

    gpu: str | InlineGpu = key(
        "A name of the catalogue, or a device's numbers.", "h100-sxm", reason="the default device"
    )
    gpus_per_node: Count = key("Devices in one node.", 1, reason="one device")
    nodes: Count = key("Nodes.", 1, reason="one node")
    network: Network = key("Links between nodes.", Network.model_construct(), reason="the device's usual network")
    launcher: Annotated[Literal["local"], planned("torchrun", "slurm", "kubernetes")] = key(
        "What starts the ranks.", "local", reason="this machine"
    )
    price_per_gpu_hour: float | None = key("USD per device and hour.", None, reason="the catalogue's range", gt=0)
    calibration: Annotated[Any, only(None, "calibration profiles")] = key(
        "Measured profile.", None, reason="uncalibrated"
    )


def package_of(name: str) -> str:
    """Return the name of the Python package of a project."""
    return name.replace("-", "_")


class Spec(Section):
    """One model and its pipeline."""

    specc: Literal[1] = key("Version of the spec language.")
    name: str = key("Name of the project; the package is the name with `-` replaced by `_`.")
    model: Model = key("The network.")
    tokenizer: AnyTokenizer | None = key("How text becomes tokens.", None, reason="no section, nothing emitted")
    data: Data | None = key("Where text comes from.", None, reason="no section, nothing emitted")
    train: Train | None = key("Pretraining.", None, reason="no section, nothing emitted")
    parallel: Parallel | None = key("How training spreads.", None, reason="data parallel")
    cluster: Cluster | None = key("The machines.", None, reason="one device of the default kind")
    align: Annotated[Any, only(None, "`align`")] = key("Stages after pretraining.", None, reason=NOT_BUILT)
    safety: Annotated[Any, only(None, "`safety`")] = key("Guards and attacks.", None, reason=NOT_BUILT)
    serve: Annotated[Any, only(None, "`serve`")] = key("Serving.", None, reason=NOT_BUILT)
    eval: Annotated[Any, only(None, "`eval`")] = key("Evaluation.", None, reason=NOT_BUILT)

    @field_validator("name")
    @classmethod
    def _name_is_a_module(cls, name: str) -> str:
        module = package_of(name)
        if not (
            len(name) <= 63
            and name[:1].isascii()
            and name[:1].isalpha()
            and module.isidentifier()
            and name.isascii()
            and name == name.lower()
            and "_" not in name
        ):
            raise PydanticCustomError(
                "bad_name",
                "`name` is lower-case letters, digits and `-`, starts with a letter, and has at most 63 characters",
                {"help": "choose a name such as `my-model-1`"},
            )
        if keyword.iskeyword(module) or module in sys.stdlib_module_names or module in IMPORTED_BY_OUTPUT:
            raise PydanticCustomError(
                "bad_name",
                "`{name}` is the name of a Python keyword or module",
                {"name": name, "help": f"call it `{name}-model`"},
            )
        return name
