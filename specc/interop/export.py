"""A decided network to the `config.json` of the public family that it is equal to."""

from __future__ import annotations

from specc.catalog.family import family_of
from specc.catalog.model import Network


def config_json(network: Network) -> dict[str, object] | None:
    """Return the keys and values of `config.json`; None for a network that no public family expresses."""
    family = family_of(network)
    if family is None:
        return None
    settings = (*family.architecture(network), *family.habits(network))
    return {
        "architectures": [family.model_class],
        "model_type": family.model_type,
        **{setting.key: setting.value for setting in settings},
    }
