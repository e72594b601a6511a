"""Any spec of the built space computes what the reference says, in float64, to rounding."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from numpy.typing import NDArray
from torch import Tensor
from torch.testing import assert_close

from specc import reference
from specc.emit.model import model_module
from specc.plan import Decided, plan, plan_json
from specc.resolve import model_document, resolve
from specc.spec.load import load
from tests.conftest import PROOF
from tests.emitted import decide, imported
from tests.spec_space import SpecValues, models
from tests.test_cases import RIGHT

EXAMPLES = 2000 if PROOF else 150


@dataclass(frozen=True)
class Built:
    """A model at the spec's own sizes with random weights, a batch, and what the reference needs."""

    module: ModuleType
    model: Any
    decided: dict[str, Any]
    plan: dict[str, Any]
    tokens: Tensor
    targets: Tensor
    documents: Tensor

    def weights(self) -> dict[str, NDArray[Any]]:
        return {name: tensor.detach().numpy() for name, tensor in self.model.named_parameters()}


@contextmanager
def built(decided: Decided) -> Iterator[Built]:
    resolved, dims = decided.resolved, decided.resolved.network.dims
    network = resolved.network
    text = model_module("drawn", network, network.parts(resolved.spec.model.attention.backend))
    generator = torch.Generator().manual_seed(0)
    with TemporaryDirectory() as folder:
        package = Path(folder, "drawn")
        package.mkdir()
        (package / "model.py").write_text(text)
        (package / "checkpoint.py").write_text("class CheckpointError(Exception): ...\nread_checkpoint = None\n")
        with imported("drawn", Path(folder)) as module:
            model = module.Model(module.Config()).double().eval()
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter.normal_(std=0.4, generator=generator)
            shape = (2, dims.max_seq_len)
            targets = torch.randint(dims.vocab_size, shape, generator=generator)
            targets[:, 2] = module.IGNORED
            yield Built(
                module=module,
                model=model,
                decided=model_document(resolved),
                plan=plan_json(decided),
                tokens=torch.randint(dims.vocab_size, shape, generator=generator),
                targets=targets,
                documents=(torch.rand(shape, generator=generator) < 0.3).long().cumsum(dim=1),
            )


@settings(max_examples=EXAMPLES)
@given(models())
def test_any_model_equals_the_reference(section: SpecValues) -> None:
    check_model(decide({"specc": 1, "name": "drawn", "model": section}))


@pytest.mark.parametrize("folder", RIGHT, ids=lambda folder: folder.name)
def test_the_model_of_each_case_equals_the_reference(folder: Path) -> None:
    """What the expected files say is run, not only compared."""
    check_model(plan(resolve(load(str(folder / "spec.yaml")))))


def check_model(decided: Decided) -> None:
    """Require that the emitted model is the reference's: count, names, shapes, logits, loss, gradients."""
    with built(decided) as it:
        count = sum(parameter.numel() for parameter in it.model.parameters())
        assert count == it.plan["model"]["parameters"]
        shapes = {name: tuple(tensor.shape) for name, tensor in it.model.state_dict().items()}
        assert shapes == reference.parameters(it.decided)
        alone = reference.forward(it.decided, it.weights(), it.tokens.numpy())
        assert_close(it.model(it.tokens), torch.from_numpy(alone), rtol=1e-10, atol=1e-10)
        check_loss_and_gradients(it)


def check_loss_and_gradients(it: Built) -> None:
    """Require the loss of packed documents, and its slope along every parameter tensor."""
    targets = it.targets.numpy()

    def expected(weights: reference.tensors.Weights) -> NDArray[Any]:
        logits = reference.forward(it.decided, weights, it.tokens.numpy(), it.documents.numpy())
        return reference.cross_entropy_sum(logits, targets)[0]

    loss = it.module.loss_sum(it.model(it.tokens, it.documents), it.targets)
    assert_close(loss.item(), float(expected(it.weights())), rtol=1e-10, atol=1e-10)
    loss.backward()
    random, weights = np.random.default_rng(0), it.weights()
    for name, parameter in it.model.named_parameters():
        direction = random.standard_normal(tuple(parameter.shape))
        slope = reference.directional_derivative(expected, weights, name, direction)
        gradient = float(np.vdot(parameter.grad.numpy(), direction))
        assert abs(gradient - slope) <= 1e-9 * (1 + abs(slope)), f"{name}: {gradient} against {slope}"


def test_the_document_of_the_model_is_plain_json() -> None:
    section = {"num_layers": 1, "hidden_size": 4, "num_heads": 1, "vocab_size": 5}
    document = model_document(decide({"specc": 1, "name": "plain", "model": section}).resolved)
    assert json.loads(json.dumps(document)) == document
