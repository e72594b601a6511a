"""Each part of the reference equals torch's own, in float64 and to rounding."""

import math
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from specc.reference import attention, cross_entropy_mean, cross_entropy_sum, ffn, functions, norm
from specc.reference.context import context_of
from specc.reference.optimizer import adamw, no_moments
from specc.reference.position import learned, rope
from specc.reference.schedule import cosine, wsd
from specc.reference.variant import choose

Array = NDArray[np.float64]
ATOL = 1e-12


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(0)


def torches(arrays: dict[str, Array]) -> dict[str, Tensor]:
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


# Far tails included: there a naive formula overflows or loses every digit.
WIDE = np.concatenate([np.linspace(-6, 6, 241), [-800.0, -40.0, 40.0, 800.0]]).reshape(5, 49)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (functions.erf, torch.erf),
        (functions.sigmoid, torch.sigmoid),
        (functions.softmax, lambda x: torch.softmax(x, dim=-1)),
        (functions.log_softmax, lambda x: torch.log_softmax(x, dim=-1)),
    ],
    ids=["erf", "sigmoid", "softmax", "log_softmax"],
)
@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # of torch.func's own making
def test_function_and_its_complex_step_equal_torch(ours: Any, theirs: Any) -> None:
    direction = np.cos(np.arange(WIDE.size)).reshape(WIDE.shape)
    y, slope = torch.func.jvp(theirs, (torch.from_numpy(WIDE),), (torch.from_numpy(direction),))[:2]

    moved = ours(WIDE + 1e-30j * direction)

    np.testing.assert_allclose(ours(WIDE), y.numpy(), rtol=1e-14, atol=1e-15)
    np.testing.assert_allclose(moved.real, y.numpy(), rtol=1e-14, atol=1e-15)
    np.testing.assert_allclose(moved.imag / 1e-30, slope.numpy(), rtol=1e-12, atol=1e-15)


def test_rmsnorm_equals_torch(random: np.random.Generator) -> None:
    x, weight = random.normal(size=(2, 5, 7)), random.normal(size=7)
    theirs = F.rms_norm(torch.from_numpy(x), (7,), torch.from_numpy(weight), eps=1e-2)
    np.testing.assert_allclose(norm.rmsnorm(x, 1e-2, {"weight": weight}), theirs.numpy(), atol=ATOL)


@pytest.mark.parametrize("names", [("weight",), ("weight", "bias")])
def test_layernorm_equals_torch(random: np.random.Generator, names: tuple[str, ...]) -> None:
    x, weights = random.normal(size=(2, 5, 7)), {name: random.normal(size=7) for name in names}
    theirs = F.layer_norm(torch.from_numpy(x), (7,), **torches(weights), eps=1e-2)
    np.testing.assert_allclose(norm.layernorm(x, 1e-2, weights), theirs.numpy(), atol=ATOL)


def torch_ffn(x: Tensor, tensors: dict[str, Tensor], activation: str) -> Tensor:
    def project(x: Tensor, name: str) -> Tensor:
        return F.linear(x, tensors[f"{name}.weight"], tensors.get(f"{name}.bias"))

    up = project(x, "up_proj")
    if activation == "swiglu":
        return project(F.silu(project(x, "gate_proj")) * up, "down_proj")
    return project(F.gelu(up, approximate={"gelu": "none", "gelu_tanh": "tanh"}[activation]), "down_proj")


@pytest.mark.parametrize("activation", ["gelu", "gelu_tanh", "swiglu"])
@pytest.mark.parametrize("bias", [False, True])
def test_ffn_equals_torch(random: np.random.Generator, activation: str, bias: bool) -> None:
    model = {"hidden_size": 7, "ffn": {"activation": activation, "intermediate_size": 11, "bias": bias}}
    weights = {name: random.normal(size=shape) for name, shape in ffn.parameters(model).items()}
    x = random.normal(size=(2, 5, 7))
    theirs = torch_ffn(torch.from_numpy(x), torches(weights), activation)

    np.testing.assert_allclose(ffn.apply(x, model, weights), theirs.numpy(), atol=ATOL)


@pytest.mark.parametrize(("kind", "kv_heads"), [("mha", 6), ("gqa", 3), ("gqa", 2), ("mqa", 1)])
@pytest.mark.parametrize("bias", ["none", "qkv", "all"])
def test_attention_equals_torch(random: np.random.Generator, kind: str, kv_heads: int, bias: str) -> None:
    model = {
        "hidden_size": 7,
        "num_heads": 6,
        "num_kv_heads": kv_heads,
        "head_dim": 4,
        "max_seq_len": 5,
        "attention": {"kind": kind, "bias": bias},
        "position": {"kind": "learned"},
    }
    weights = {name: random.normal(size=shape) for name, shape in attention.parameters(model).items()}
    x = random.normal(size=(2, 5, 7))
    tensors = torches(weights)
    q, k, v = (
        F.linear(torch.from_numpy(x), tensors[f"{n}_proj.weight"], tensors.get(f"{n}_proj.bias"))
        .view(2, 5, -1, 4)
        .transpose(1, 2)
        for n in "qkv"
    )
    mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
    theirs = F.linear(mixed.transpose(1, 2).flatten(2), tensors["o_proj.weight"], tensors.get("o_proj.bias"))

    ours = attention.apply(x, model, weights, context_of(np.zeros((2, 5), dtype=np.int64)))

    np.testing.assert_allclose(ours, theirs.numpy(), atol=ATOL)


def test_context_keeps_documents_apart() -> None:
    context = context_of(np.array([[4, 4, 7, 7, 7]]))

    assert context.positions.tolist() == [[0, 1, 0, 1, 2]]
    assert context.visible[0].astype(int).tolist() == [
        [1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [0, 0, 1, 0, 0],
        [0, 0, 1, 1, 0],
        [0, 0, 1, 1, 1],
    ]


def test_document_that_comes_back_is_refused() -> None:
    with pytest.raises(ValueError, match="document 0 of sequence 1 comes back at token 2"):
        context_of(np.array([[0, 0, 0], [0, 1, 0]]))


def test_rope_turns_each_pair_by_its_own_angle(random: np.random.Generator) -> None:
    heads, positions = random.normal(size=(2, 5, 3, 6)), random.integers(0, 100, size=(2, 5))
    points = heads[..., :3] + 1j * heads[..., 3:]
    angles = np.array([1.0, 50.0 ** (-2 / 6), 50.0 ** (-4 / 6)])
    turned = points * np.exp(1j * positions[:, :, None, None] * angles)

    ours = rope(heads, positions, 50.0)

    np.testing.assert_allclose(ours, np.concatenate([turned.real, turned.imag], axis=-1), atol=ATOL)


def test_learned_positions_are_looked_up(random: np.random.Generator) -> None:
    x, table = random.normal(size=(1, 3, 4)), random.normal(size=(2, 4))
    np.testing.assert_array_equal(learned(x, np.array([[0, 1, 0]]), table)[0], x[0] + table[[0, 1, 0]])


def test_cross_entropy_equals_torch(random: np.random.Generator) -> None:
    logits, targets = 300 * random.normal(size=(2, 6, 11)), random.integers(0, 11, size=(2, 6))
    targets[0, 2:] = -100
    theirs = F.cross_entropy(torch.from_numpy(logits).flatten(0, 1), torch.from_numpy(targets).flatten())

    total, count = cross_entropy_sum(logits, targets)

    assert count == 8
    np.testing.assert_allclose(total / count, theirs.item(), rtol=1e-14)
    np.testing.assert_allclose(cross_entropy_mean(logits, targets), theirs.item(), rtol=1e-14)


def test_mean_loss_of_no_target_is_refused() -> None:
    with pytest.raises(ValueError, match="every target is ignored"):
        cross_entropy_mean(np.zeros((1, 2, 3)), np.full((1, 2), -100))


def test_adamw_equals_torch(random: np.random.Generator) -> None:
    optimizer: dict[str, Any] = {"betas": (0.8, 0.95), "eps": 1e-3, "weight_decay": 0.1}
    ours = random.normal(size=(3, 4))
    theirs = torch.nn.Parameter(torch.from_numpy(ours.copy()))
    torch_adamw = torch.optim.AdamW([theirs], lr=1.0, **optimizer)
    moments = no_moments(ours)
    for step in range(5):
        gradient, lr = random.normal(size=ours.shape), 0.1 / (step + 1)
        ours, moments = adamw(ours, gradient, moments, optimizer, lr)
        theirs.grad = torch.from_numpy(gradient)
        torch_adamw.param_groups[0]["lr"] = lr
        torch_adamw.step()

        np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=1e-12, atol=ATOL)


def test_cosine_by_hand() -> None:
    schedule = {"warmup": 4, "min_lr_ratio": 0.1}
    rates = [cosine(step, 10, schedule, 2.0) for step in range(13)]

    assert rates[:5] == pytest.approx([0.5, 1.0, 1.5, 2.0, 2.0])
    assert rates[5] == pytest.approx(0.2 + 1.8 * (1 + math.cos(math.pi / 6)) / 2)
    assert rates[7] == pytest.approx((2.0 + 0.2) / 2)
    assert rates[9] > rates[10] == pytest.approx(0.2)
    assert rates[11:] == pytest.approx([0.2, 0.2])


def test_cosine_without_warmup_starts_at_the_top() -> None:
    assert cosine(0, 10, {"warmup": 0, "min_lr_ratio": 0.0}, 3.0) == 3.0


def test_wsd_by_hand() -> None:
    schedule = {"warmup": 2, "decay": 4, "min_lr_ratio": 0.5}
    rates = [wsd(step, 10, schedule, 2.0) for step in range(12)]

    assert rates == pytest.approx([1.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 1.75, 1.5, 1.25, 1.0, 1.0])


@pytest.mark.parametrize(
    ("steps", "rates"),
    [
        (5, [1.0, 2.0, 2.0, 4 / 3, 2 / 3]),  # the decay has the three steps that the warm-up leaves
        (3, [1.0, 2.0, 2.0]),
        (2, [1.0, 2.0]),
        (1, [1.0]),
    ],
)
def test_wsd_of_training_too_short_for_its_parts(steps: int, rates: list[float]) -> None:
    schedule = {"warmup": 2, "decay": 4, "min_lr_ratio": 0.0}

    assert [wsd(step, steps, schedule, 2.0) for step in range(steps)] == pytest.approx(rates)


def test_unknown_variant_is_named_with_what_there_is() -> None:
    with pytest.raises(KeyError, match=r"no norm.kind 'batchnorm'; it has rmsnorm, layernorm"):
        choose("norm.kind", norm.VARIANTS, "batchnorm")
