"""The `align:` section of a spec: stages after pretraining, in order."""

from specc.catalog.align import AnyStage

Align = tuple[AnyStage, ...]
"""The stages; the catalog has one class for each kind."""
