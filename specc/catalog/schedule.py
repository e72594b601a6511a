"""Learning-rate schedules: a warm-up that they share, and the shape of what follows."""

from abc import abstractmethod
from typing import Annotated, ClassVar, Literal, NamedTuple

from pydantic import Field

from specc.catalog.base import Constant, NoView, Partial, Variant
from specc.catalog.fields import Count, key, variants
from specc.catalog.loop import TrainParts


class ScheduleView(NamedTuple):
    """What `train/schedule/learning_rate.py.j2` says.

    Attributes:
        course: What the rate does over a run, in words.
        warmup: Statements that return the rate of the first steps.
        shape: The function that returns the rate of the others, as a share of its peak.
        later: What is subtracted from `step` and `steps` to count without the warm-up.
    """

    course: str
    warmup: tuple[str, ...]
    shape: str
    later: str


class Schedule(Variant):
    """What all schedules share."""

    kind: str
    warmup: int | None = key("Optimizer steps of linear warm-up.", None, ge=0)

    course: ClassVar[str]
    shape: ClassVar[str]
    template: ClassVar[str]
    imports: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def constants(self) -> tuple[Constant, ...]:
        """Return the numbers that the shape reads."""

    def parts(self) -> TrainParts:
        """Return the function `learning_rate` and its shape; every key of the schedule is decided."""
        return TrainParts(
            partials=(
                Partial("train/schedule/learning_rate.py.j2", self._view()),
                Partial(self.template, NoView(), self.imports),
            ),
            constants=(*([Constant("WARMUP_STEPS", self.warmup)] if self.warmup else ()), *self.constants()),
        )

    def _view(self) -> ScheduleView:
        if not self.warmup:
            return ScheduleView(f"From its peak: {self.course}.", (), self.shape, "")
        return ScheduleView(
            course=f"Linear warm-up, then {self.course}. A run shorter than the warm-up ends in it.",
            warmup=("if step < WARMUP_STEPS:", "    return LEARNING_RATE * (step + 1) / WARMUP_STEPS"),
            shape=self.shape,
            later=" - WARMUP_STEPS",
        )


def _lowest(ratio: float) -> Constant:
    return Constant("MIN_LR_RATIO", ratio, "of LEARNING_RATE, at the end")


class Cosine(Schedule):
    """Linear warm-up, then half a cosine down to a floor (Loshchilov & Hutter 2017)."""

    kind: Literal["cosine"]
    min_lr_ratio: float = key("Floor of the learning rate, as a ratio of its peak.", 0.1, reason="GPT-3", ge=0, le=1)

    course = "half a cosine"
    shape = "half_cosine"
    template = "train/schedule/cosine.py.j2"
    imports = ("import math",)

    def constants(self) -> tuple[Constant, ...]:
        """Return the floor."""
        return (_lowest(self.min_lr_ratio),)


class Wsd(Schedule):
    """Warm-up, stable, decay: at the peak until a linear decay ends the run (Hu et al. 2024, Haegele et al. 2024)."""

    kind: Literal["wsd"]
    decay: Count | None = key("Optimizer steps of linear decay, the last of the run.", None)
    min_lr_ratio: float = key(
        "Where the decay ends, as a ratio of the peak.", 0.0, reason="Haegele et al. 2024", ge=0, le=1
    )

    course = "constant, then a line down"
    shape = "decay_at_the_end"
    template = "train/schedule/wsd.py.j2"

    def constants(self) -> tuple[Constant, ...]:
        """Return the length of the decay and where it ends."""
        assert self.decay is not None  # derived before anything is emitted
        return Constant("DECAY_STEPS", self.decay, "the last of the run"), _lowest(self.min_lr_ratio)


AnySchedule = Annotated[
    Cosine | Wsd,
    Field(discriminator="kind"),
    variants(planned=("linear", "constant", "inverse_sqrt"), default="cosine"),
]
