"""The reference model as a whole: its shapes, its gradients, packing, and that it stands alone."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import specc.reference
from specc.reference import cross_entropy_mean, directional_derivative, forward, parameters

Array = NDArray[Any]
FOLDER = Path(specc.reference.__file__).parent


def decoder(**changes: Any) -> dict[str, Any]:
    """Return a small decided model; `changes` replace sizes, or keys within a section."""
    model: dict[str, Any] = {
        "architecture": "decoder",
        "num_layers": 2,
        "hidden_size": 10,
        "num_heads": 4,
        "num_kv_heads": 2,
        "head_dim": 6,
        "vocab_size": 11,
        "max_seq_len": 9,
        "tie_embeddings": False,
        "dropout": {"embedding": 0.0, "attention": 0.0, "residual": 0.0},
        "attention": {"kind": "gqa", "bias": "none"},
        "position": {"kind": "rope", "theta": 10000.0},
        "ffn": {"activation": "swiglu", "intermediate_size": 15, "bias": False},
        "norm": {"kind": "rmsnorm", "eps": 1e-5, "bias": False, "placement": "pre"},
        "init": {"kind": "normal", "std": 0.02},
    }
    for key, value in changes.items():
        model[key] = {**model[key], **value} if isinstance(value, dict) else value
    return model


LAYERNORM = {"kind": "layernorm", "bias": True}
MODELS = {
    "llama": decoder(),
    "gpt2": decoder(
        num_kv_heads=4,
        tie_embeddings=True,
        attention={"kind": "mha", "bias": "all"},
        position={"kind": "learned"},
        ffn={"activation": "gelu_tanh", "bias": True},
        norm=LAYERNORM,
    ),
    "mqa": decoder(num_kv_heads=1, attention={"kind": "mqa", "bias": "qkv"}, ffn={"activation": "gelu"}),
    "layernorm-without-bias": decoder(norm={"kind": "layernorm"}, position={"kind": "learned"}),
    "rmsnorm-has-no-bias": decoder(norm={"bias": True}, tie_embeddings=True),
}
each_model = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(0)


def random_weights(model: dict[str, Any], random: np.random.Generator) -> dict[str, Array]:
    return {name: random.normal(0.1, 0.5, size=shape) for name, shape in parameters(model).items()}


def test_parameters_of_a_llama() -> None:
    layer = {
        "input_layernorm.weight": (10,),
        "self_attn.q_proj.weight": (24, 10),
        "self_attn.k_proj.weight": (12, 10),
        "self_attn.v_proj.weight": (12, 10),
        "self_attn.o_proj.weight": (10, 24),
        "post_attention_layernorm.weight": (10,),
        "mlp.gate_proj.weight": (15, 10),
        "mlp.up_proj.weight": (15, 10),
        "mlp.down_proj.weight": (10, 15),
    }
    assert parameters(MODELS["llama"]) == {
        "model.embed_tokens.weight": (11, 10),
        **{f"model.layers.{index}.{name}": shape for index in range(2) for name, shape in layer.items()},
        "model.norm.weight": (10,),
        "lm_head.weight": (11, 10),
    }


@each_model
def test_logits_have_a_row_per_token(model: dict[str, Any], random: np.random.Generator) -> None:
    logits = forward(model, random_weights(model, random), random.integers(0, 11, size=(3, 7)))

    assert logits.shape == (3, 7, 11)
    assert logits.dtype == np.float64


@each_model
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_complex_step_agrees_with_differences(model: dict[str, Any], random: np.random.Generator) -> None:
    tokens, targets = random.integers(0, 11, size=(2, 2, 8))
    targets[0, :3] = -100
    documents = np.array([[0] * 8, [0] * 3 + [1] * 5])
    weights = random_weights(model, random)

    def loss(moved: Any) -> Array:
        return cross_entropy_mean(forward(model, moved, tokens, documents), targets)

    for name, array in weights.items():
        direction, step = random.normal(size=array.shape), 1e-5
        ahead = loss({**weights, name: array + step * direction})
        behind = loss({**weights, name: array - step * direction})
        exact = directional_derivative(loss, weights, name, direction)

        np.testing.assert_allclose(exact, (ahead - behind) / (2 * step), rtol=1e-6, atol=1e-8, err_msg=name)


@each_model
def test_every_tensor_is_read(model: dict[str, Any], random: np.random.Generator) -> None:
    tokens, weights = random.integers(0, 11, size=(2, 9)), random_weights(model, random)
    logits = forward(model, weights, tokens)
    for name, array in weights.items():
        changed = forward(model, {**weights, name: array + random.normal(size=array.shape)}, tokens)
        # Softmax ignores what all scores share, so only rotation makes a bias of the keys count.
        unseen = name.endswith("k_proj.bias") and model["position"]["kind"] == "learned"
        assert np.allclose(changed, logits, rtol=0, atol=1e-9) == unseen, name


def test_derivative_of_an_unread_tensor_is_zero() -> None:
    weights = {"read": np.ones(2), "unread": np.ones(2)}
    assert directional_derivative(lambda moved: moved["read"].sum(), weights, "unread", np.ones(2)) == 0


@each_model
def test_the_future_changes_nothing(model: dict[str, Any], random: np.random.Generator) -> None:
    weights, tokens = random_weights(model, random), random.integers(0, 11, size=(1, 9))
    changed = tokens.copy()
    changed[0, 5:] = (tokens[0, 5:] + 1) % 11

    before, after = forward(model, weights, tokens), forward(model, weights, changed)

    np.testing.assert_array_equal(before[:, :5], after[:, :5])
    assert (before[:, 5:] != after[:, 5:]).any(axis=-1).all()


@each_model
def test_packed_documents_equal_documents_alone(model: dict[str, Any], random: np.random.Generator) -> None:
    weights, tokens = random_weights(model, random), random.integers(0, 11, size=(1, 9))
    documents = np.array([[3, 3, 3, 3, 5, 9, 9, 9, 9]])

    packed = forward(model, weights, tokens, documents)

    for number in (3, 5, 9):
        alone = forward(model, weights, tokens[:, documents[0] == number])
        np.testing.assert_allclose(packed[:, documents[0] == number], alone, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"architecture": "perceptron"}, "architecture 'perceptron'; it has decoder"),
        ({"attention": {"kind": "mla"}}, "attention.kind 'mla'; it has mha, gqa, mqa"),
        ({"attention": {"bias": "q"}}, "attention.bias 'q'"),
        ({"position": {"kind": "alibi"}}, "position.kind 'alibi'"),
        ({"ffn": {"activation": "relu"}}, "ffn.activation 'relu'"),
        ({"norm": {"kind": "batchnorm"}}, "norm.kind 'batchnorm'"),
        ({"norm": {"placement": "post"}}, "norm.placement 'post'; it has pre"),
    ],
)
def test_unknown_variant_is_refused(changes: dict[str, Any], complaint: str, random: np.random.Generator) -> None:
    weights = random_weights(decoder(), random)
    with pytest.raises(KeyError, match=complaint):
        forward(decoder(**changes), weights, np.zeros((1, 2), dtype=np.int64))


@pytest.mark.parametrize(
    ("name", "array", "complaint"),
    [
        ("model.norm.bias", np.zeros(10), r"model.norm.bias: \(10,\), not None"),
        ("model.norm.weight", np.zeros(1), r"model.norm.weight: \(1,\), not \(10,\)"),
    ],
)
def test_weights_of_another_model_are_refused(
    name: str, array: Array, complaint: str, random: np.random.Generator
) -> None:
    weights = {**random_weights(decoder(), random), name: array}
    with pytest.raises(ValueError, match=complaint):
        forward(decoder(), weights, np.zeros((1, 2), dtype=np.int64))


def test_missing_weight_is_refused(random: np.random.Generator) -> None:
    weights = random_weights(decoder(), random)
    del weights["lm_head.weight"]
    with pytest.raises(ValueError, match=r"lm_head.weight: None, not \(11, 10\)"):
        forward(decoder(), weights, np.zeros((1, 2), dtype=np.int64))


def test_reference_imports_numpy_and_the_standard_library_only() -> None:
    for path in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level != 1:
                modules.append("." * node.level + (node.module or ""))
            for module in modules:
                root = module.split(".")[0]
                assert root == "numpy" or root in sys.stdlib_module_names, f"{path.name} imports {module}"


def test_copied_folder_works_alone(tmp_path: Path) -> None:
    shutil.copytree(FOLDER, tmp_path / "reference", ignore=shutil.ignore_patterns("__pycache__"))
    program = (
        "import sys, numpy as np, reference as r\n"
        f"model = {MODELS['llama']!r}\n"
        "weights = {name: np.ones(shape) for name, shape in r.parameters(model).items()}\n"
        "print(r.forward(model, weights, np.zeros((1, 2), dtype=np.int64)).shape)\n"
        "assert 'specc' not in sys.modules\n"
    )
    result = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (0, "(1, 2, 11)\n"), result.stderr
