"""Networks that no public family expresses: what an export of them carries along as Python files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from typing_extensions import override

from specc.catalog.base import Partial, Use
from specc.catalog.family import Conversion, Family, Setting
from specc.catalog.model import Network

# What the `transformers` library and serving engines call our sizes.
NAMES: Mapping[str, str] = {
    "max_seq_len": "max_position_embeddings",
    "num_layers": "num_hidden_layers",
    "num_heads": "num_attention_heads",
    "num_kv_heads": "num_key_value_heads",
}
# The library's classes that load a folder, and which of its own they find there.
AUTO_CLASSES: Mapping[str, str] = {
    "AutoModel": "Model",
    "AutoModelForCausalLM": "ForCausalLM",
    "AutoModelForSequenceClassification": "ForSequenceClassification",
}
# Projections that tensor parallelism splits along their inputs; all others along their outputs.
ROWWISE = ("o_proj.weight", "down_proj.weight")


class Loader(NamedTuple):
    """A class of the library that loads folders, and the end of the name of the class that it makes."""

    name: str
    made: str


class CopyView(NamedTuple):
    """What `convert/remote.py.j2` says."""

    configuration: str
    modeling: str
    prefix: str
    loaders: tuple[Loader, ...]


class Linear(NamedTuple):
    """A projection of a block, and how tensor parallelism splits it."""

    name: str
    split: str


class RemoteCode(Family):
    """A model whose own code travels with its weights ("remote code" of the `transformers` library).

    Attributes:
        configuration: Module of its sizes.
        modeling: Module of the model.
        prefix: Of the names of its classes. Engines tell public families by these names: `Decoder` keeps a spec that
            is called `bloom` from being taken for one of them.
    """

    title = "remote code"
    blocks = "model.layers"

    def __init__(self, package: str) -> None:
        self.configuration, self.modeling = f"configuration_{package}", f"modeling_{package}"
        self.prefix = "".join(part[:1].upper() + part[1:] for part in package.split("_")) + "Decoder"
        self.model_type = f"{package}_decoder"
        self.config_class, self.model_class = f"{self.prefix}Config", f"{self.prefix}ForCausalLM"

    @property
    def imports(self) -> tuple[str, ...]:
        """Return the import of its two classes from the package itself."""
        return (
            f"from .hf.{self.configuration} import {self.config_class}",
            f"from .hf.{self.modeling} import {self.model_class}",
        )

    @override
    def expresses(self, network: Network) -> bool:
        """Return True: its text is rendered from the network."""
        return True

    def architecture(self, network: Network) -> tuple[Setting, ...]:
        """Return the sizes, and the choices that the modeling file says in code: folders of others differ in these."""
        return (
            *(Setting(key, value, expression) for key, value, expression in self.sizes(network)),
            _literal("tie_word_embeddings", network.tie_embeddings),
            _literal("network", _choices(network)),
        )

    def sizes(self, network: Network) -> tuple[tuple[str, int, str], ...]:
        """Return each size by the library's name, with its value and its expression over our `config`."""
        implied = dict(network.attention.implied)
        return tuple(
            (NAMES.get(name, name), value, implied.get(name, f"config.{name}"))
            for name, value in network.dims._asdict().items()
        )

    def habits(self, network: Network) -> tuple[Setting, ...]:
        """Return the scale of initial weights, and where the library finds the classes."""
        auto_map = {auto: f"{self.modeling}.{self.prefix}{own}" for auto, own in AUTO_CLASSES.items()}
        return (
            Setting("initializer_range", network.init.std, "INIT_STD", ("INIT_STD",)),
            Setting("auto_map", {"AutoConfig": f"{self.configuration}.{self.config_class}", **auto_map}, "AUTO_MAP"),
        )

    def conversion(self) -> Conversion:
        """Return nothing to do for the tensors; the code is copied."""
        loaders = tuple(Loader(auto, own) for auto, own in AUTO_CLASSES.items())
        view = CopyView(self.configuration, self.modeling, self.prefix, loaders)
        partial = Partial("convert/remote.py.j2", view, ("import shutil", "from pathlib import Path"))
        return Conversion("tensors_of(model)", "ours", ("copy_code(folder)",), (partial,))


def linears(network: Network) -> tuple[Linear, ...]:
    """Return every projection of a block."""
    matrices = (p.name for p in network.layer_parameters() if p.use is Use.MATMUL)
    return tuple(
        Linear(name.removesuffix(".weight"), "rowwise" if name.endswith(ROWWISE) else "colwise") for name in matrices
    )


def _literal(key: str, value: Any) -> Setting:
    return Setting(key, value, repr(value))


def _choices(network: Network) -> dict[str, dict[str, Any]]:
    """Return what decides the function besides sizes: the keys of each axis that say anything."""
    axes = {"attention": network.attention, "position": network.position, "ffn": network.ffn, "norm": network.norm}
    elsewhere = {"backend", "intermediate_size"}
    return {
        axis: {
            key: value
            for key, value in variant.model_dump(mode="json", exclude=elsewhere).items()
            if value not in (None, False, "none")
        }
        for axis, variant in axes.items()
    }
