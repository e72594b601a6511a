"""What training does about steps that went wrong."""

from typing import Annotated, Literal

from specc.catalog.base import Variant
from specc.catalog.fields import Count, key, planned, variants


class NonFinite(Variant):
    """A loss or a gradient norm that is no finite number: the step is not taken."""

    when: Literal["nonfinite"] = "nonfinite"
    do: Annotated[Literal["skip"], planned("rollback", "lower_lr")] = key(
        "What is done instead: weights and optimizer stay as they were, and the step counts.",
        "skip",
        reason="one overflow passes; weights that took a NaN stay NaN",
    )
    limit: Count = key("Skipped steps in a row after which the run stops.", 3, reason="three in a row are no accident")


AnyPolicy = Annotated[NonFinite, variants("when", default="nonfinite", planned=("loss_spike", "grad_norm"))]
