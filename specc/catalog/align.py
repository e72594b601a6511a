"""Stages after pretraining: what each learns from, and how."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, NamedTuple

from pydantic import Field

from specc.catalog.base import Constant, NoView, Partial, Variant
from specc.catalog.fields import Count, Section, key, only, planned, variants
from specc.catalog.loop import TrainParts
from specc.catalog.schedule import ScheduleView

PRETRAIN = "pretrain"
"""What `from` calls the model before all stages."""


LORA_LR_FACTOR = 10
"""How much larger the learning rate of adapters is than that of all weights (Schulman et al. 2025)."""


class Rows(Section):
    """A file of examples, one JSON object per line."""

    path: str = key("The file; `--data` takes its place.", min_length=1)
    format: Annotated[
        Literal["chat", "alpaca", "preference"],
        planned("dolly", "flan", "natural_instructions", "openassistant", "sharegpt"),
    ] = key(
        "Columns: `messages`; or `instruction`, `input` and `output`; or `prompt`, `chosen` and `rejected`.",
    )


class HeldOut(Section):
    """What is held out of a stage."""

    fraction: float = key(
        "Share of the rows, chosen by their hash; at least one.",
        0.05,
        reason="a few of the dozens of rows that a small file has, hundreds of a large one's",
        gt=0,
        le=0.5,
    )


class Lora(Variant):
    """Low-rank adapters beside frozen linear layers (Hu et al. 2021), trained by PEFT and merged into what is saved."""

    kind: Literal["lora"] = "lora"
    rank: Count = key("Width of the adapters.", 16, reason="enough for the thousands of rows of most files")
    alpha: float = key(
        "The adapters' product is multiplied by alpha / rank.", 32.0, reason="twice the default rank", gt=0
    )
    dropout: float = key(
        "Probability of dropping an adapter's input.", 0.0, reason="no noise: few weights overfit slowly", ge=0, lt=1
    )
    target_modules: tuple[str, ...] | None = key(
        "Names of the linear layers that get adapters, as `q_proj`.",
        None,
        strict=False,
        min_length=1,
    )


AnyPeft = Annotated[Lora, variants(planned=("qlora",), default="lora")]


class StageOptimizer(Section):
    """What a stage's optimizer has of its own; its kind and other numbers are those of `train.optimizer`."""

    lr: float | None = key("Peak learning rate.", None, gt=0)
    weight_decay: float = key(
        "Decay of weight matrices.", 0.0, reason="few steps: the weights stay close to where they come from", ge=0
    )


class StageSchedule(Section):
    """Learning rate over a stage. How many steps it has is known once its rows are read: lengths are shares of them."""

    kind: Annotated[Literal["cosine"], planned("linear", "wsd", "constant", "inverse_sqrt")] = key(
        "Shape after the warm-up.", "cosine", reason="as in Alpaca and Zephyr"
    )
    warmup_ratio: float = key(
        "Steps of linear warm-up, as a share of all.", 0.03, reason="as in Alpaca (Taori et al. 2023)", ge=0, lt=1
    )
    min_lr_ratio: float = key("Floor of the learning rate, as a ratio of its peak.", 0.0, reason="Alpaca", ge=0, le=1)

    def parts(self) -> TrainParts:
        """Return the function `learning_rate` and its shape; `LEARNING_RATE` is the stage's."""
        warmup = ("warmup = math.ceil(WARMUP_RATIO * steps)", "if step < warmup:")
        view = ScheduleView("From its peak: half a cosine.", (), "half_cosine", "")
        constants: tuple[Constant, ...] = (Constant("MIN_LR_RATIO", self.min_lr_ratio, "of LEARNING_RATE, at the end"),)
        if self.warmup_ratio:
            course = "Linear warm-up, then half a cosine."
            view = ScheduleView(
                course, (*warmup, "    return LEARNING_RATE * (step + 1) / warmup"), "half_cosine", " - warmup"
            )
            constants = (Constant("WARMUP_RATIO", self.warmup_ratio, "of all steps"), *constants)
        partials = (
            Partial("train/schedule/learning_rate.py.j2", view),
            Partial("train/schedule/cosine.py.j2", NoView(), ("import math",)),
        )
        return TrainParts(partials=partials, constants=constants)


class Layout(NamedTuple):
    """How rows of a format hold a conversation.

    Attributes:
        column: The column that tells it from others.
        reader: The emitted function that returns the messages of a row.
        partial: That function.
    """

    column: str
    reader: str
    partial: Partial


LAYOUTS: Mapping[str, Layout] = {
    "chat": Layout("messages", "chat_messages", Partial("align/format/chat.py.j2", NoView())),
    "alpaca": Layout("instruction", "alpaca_messages", Partial("align/format/alpaca.py.j2", NoView())),
}
"""The formats of conversations."""


class Stage(Variant):
    """What all stages share."""

    kind: str
    name: str = key(
        "Names the stage: its script is `align/<name>.py`. Lower-case letters, digits, `-` and `_`.",
        pattern=r"^[a-z][a-z0-9_-]{0,62}$",
    )
    # `from` is a word of Python.
    parent: str = key("The stage whose model it starts from.", PRETRAIN, reason="the trained model", alias="from")
    data: tuple[Rows, ...] = key("Files of examples.", strict=False, min_length=1)
    peft: AnyPeft | None = key("Adapters that are trained in place of all weights.", None, reason="all weights learn")
    epochs: Count = key("Times that every row is seen.", 3, reason="as in Alpaca (Taori et al. 2023)")
    sequence_length: Count | None = key("Tokens per sequence; longer rows are refused.", None)
    global_batch_size: Count = key(
        "Sequences per optimizer step, over all ranks.", 32, reason="between the 16 and 128 that are usual"
    )
    micro_batch_size: Count = key("Sequences per rank per forward.", 1, reason="the least memory")
    optimizer: StageOptimizer = key(
        "The optimizer.", StageOptimizer.model_construct(), reason="that of training, gentler"
    )
    schedule: StageSchedule = key(
        "Learning rate over the stage.", StageSchedule.model_construct(), reason="the field's default"
    )
    validation: HeldOut | None = key("What is held out.", HeldOut.model_construct(), reason="whether it learns is seen")
    seed: int = key("Seed of the order of rows.", 0, reason="any number, the same in every run", ge=0, lt=2**63)

    formats: ClassVar[tuple[str, ...]]
    """The formats of rows that it can learn from."""
    peak_lr: ClassVar[float]
    """The learning rate of all weights, unless the spec says another."""
    peak_lr_source: ClassVar[str]
    trains_here: ClassVar[bool] = False
    """Whether it is the loop of pretraining that takes its steps."""
    makes_model: ClassVar[bool] = True
    """Whether a later stage can start from its result: a language model."""

    def default_lr(self) -> tuple[float, str]:
        """Return the learning rate of a stage that gives none, and why it is that."""
        if self.peft is None:
            return self.peak_lr, f"as in {self.peak_lr_source}"
        reason = f"{LORA_LR_FACTOR} times {self.peak_lr:g}, that of all weights (Schulman et al. 2025)"
        return self.peak_lr * LORA_LR_FACTOR, reason


class Sft(Stage):
    """Supervised fine-tuning: the loss of pretraining on the assistant's tokens of conversations."""

    kind: Literal["sft"]
    loss_on: Annotated[Literal["assistant"], planned("all")] = key(
        "Whose tokens are learned.", "assistant", reason="the user's are never generated"
    )

    formats = ("chat", "alpaca")
    peak_lr, peak_lr_source = 2e-5, "Alpaca (Taori et al. 2023)"
    trains_here = True


class Pairwise(Stage):
    """What the stages share that learn which of two answers is better: TRL takes their steps."""

    peft: Annotated[None, only(None, "`peft` of a stage that learns from pairs")] = key(
        "Adapters that are trained in place of all weights.", None, reason="all weights learn"
    )
    formats = ("preference",)


class Reward(Pairwise):
    """A reward model: how much better one answer is than another (Bradley & Terry 1952, Ouyang et al. 2022)."""

    kind: Literal["reward"]
    epochs: Count = key("Times that every row is seen.", 1, reason="as in Llama 2: more overfits")

    peak_lr, peak_lr_source = 1e-5, "Llama 2 (Touvron et al. 2023)"
    makes_model = False


class Dpo(Pairwise):
    """Direct preference optimization (Rafailov et al. 2023)."""

    kind: Literal["dpo"]
    beta: float = key(
        "How dear it is to leave the model before the stage.", 0.1, reason="as in Rafailov et al. 2023", gt=0
    )
    epochs: Count = key("Times that every row is seen.", 1, reason="preferences overfit soon")

    peak_lr, peak_lr_source = 1e-6, "Rafailov et al. 2023"


AnyStage = Annotated[
    Sft | Reward | Dpo,
    Field(discriminator="kind"),
    variants(planned=("ppo", "grpo", "rloo", "kto", "orpo", "simpo", "cai", "distill", "prune")),
]
