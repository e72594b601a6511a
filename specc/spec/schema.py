"""The spec language, version 1: what a file may say. Defaults that are plain values stand here with their reasons."""

import keyword
import sys
from typing import Annotated, Any, Literal

from pydantic import field_validator
from pydantic_core import PydanticCustomError

from specc.catalog.fields import Bandwidth, Count, Section, key, only, planned
from specc.catalog.gpu import InlineGpu
from specc.catalog.serving import ENGINE_MODULES, AnyEngine
from specc.catalog.tokenizer import AnyTokenizer
from specc.spec.align_schema import Align
from specc.spec.data_schema import Data
from specc.spec.model_schema import Model
from specc.spec.train_schema import Parallel, Train

NOT_BUILT = "not built yet, and absent from what is emitted"
# The emitted package must not shadow what its own code imports.
IMPORTED_BY_OUTPUT = frozenset(
    {
        *("accelerate", "datasets", "deepspeed", "flash_attn", "hypothesis", "jinja2", "numpy", "peft", "pytest"),
        *ENGINE_MODULES,
        *("reference", "safetensors", "specc", "tests", "tokenizers", "torch", "transformers", "triton"),
        *("trl", "wandb", "xformers", "yaml"),
    }
)


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
    launcher: Annotated[Literal["local", "torchrun"], planned("slurm", "kubernetes")] | None = key(
        "What starts the ranks: a script on this machine, or torchrun on each node.", None
    )
    price_per_gpu_hour: float | None = key("USD per device and hour.", None, reason="the catalogue's range", gt=0)
    calibration: Annotated[Any, only(None, "calibration profiles")] = key(
        "Measured profile.", None, reason="uncalibrated"
    )


class Eval(Section):
    """How the model is judged while it trains."""

    every: Count | None = key("Optimizer steps between two losses of the held-out documents.", None)
    tasks: Annotated[Any, only(None, "evaluation on tasks")] = key("Benchmarks.", None, reason="the held-out loss only")
    gates: Annotated[Any, only(None, "gating on evaluations")] = key("What must be reached.", None, reason="none")


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
    align: Align | None = key(
        "Stages after pretraining, in order.", None, reason="no section, nothing emitted", strict=False, min_length=1
    )
    safety: Annotated[Any, only(None, "`safety`")] = key("Guards and attacks.", None, reason=NOT_BUILT)
    serve: AnyEngine | None = key("The server.", None, reason="no section, nothing emitted")
    eval: Eval | None = key(
        "Evaluation.", None, reason="the loss of held-out documents, where there are any, at each checkpoint"
    )

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
