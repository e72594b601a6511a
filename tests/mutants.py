"""Plausible mistakes in templates and catalog, one at a time: the proof must notice them."""

from __future__ import annotations

from dataclasses import dataclass

MODEL = "templates/model"
CATALOG = "specc/catalog"
TRAIN = "templates/train"


@dataclass(frozen=True)
class Mutant:
    """One mistake: the first `old` in the file `path` becomes `new`.

    Attributes:
        survives: Why no test can or should notice it; empty for a mistake that must be caught.
    """

    name: str
    path: str
    old: str
    new: str
    survives: str = ""


MUTANTS = (
    Mutant("heads-not-moved-back", f"{CATALOG}/backend.py", ".transpose(1, 2)", ""),
    Mutant("keys-as-values", f"{MODEL}/attention/multi_head.py.j2", "v = self.v_proj(x)", "v = self.k_proj(x)"),
    Mutant("head-layout", f"{MODEL}/attention/multi_head.py.j2", "-1, self.head_dim)", "self.head_dim, -1)"),
    Mutant(
        "only-queries-rotate",
        f"{CATALOG}/position.py",
        "rotate(q, context), rotate(k, context)",
        "rotate(q, context), k",
    ),
    Mutant("rotate-backwards", f"{MODEL}/position/rope.py.j2", "[-second, first]", "[second, -first]"),
    Mutant("frequencies-upside-down", f"{MODEL}/position/rope.py.j2", "(-pairs / head_dim)", "(pairs / head_dim)"),
    Mutant(
        "interleaved-tables",
        f"{MODEL}/position/rope.py.j2",
        "torch.cat([angles, angles], dim=-1)",
        "angles.repeat_interleave(2, dim=-1)",
    ),
    Mutant(
        "tables-in-float32",
        f"{MODEL}/position/rope.py.j2",
        "torch.promote_types(dtype, torch.float32)",
        "torch.float32",
    ),
    Mutant("half-the-frequencies", f"{MODEL}/position/rope.py.j2", "pairs / head_dim", "pairs / (2 * head_dim)"),
    Mutant("theta-ignored", f"{CATALOG}/position.py", "self.theta),", "10000.0),"),
    Mutant("rmsnorm-eps", f"{MODEL}/norm/rmsnorm.py.j2", "self.eps = NORM_EPS", "self.eps = 2 * NORM_EPS"),
    Mutant(
        "layernorm-no-bias",
        f"{MODEL}/norm/layernorm.py.j2",
        "self.weight, self.bias, NORM_EPS",
        "self.weight, None, NORM_EPS",
    ),
    Mutant("layernorm-eps-default", f"{MODEL}/norm/layernorm_no_bias.py.j2", "eps=NORM_EPS", "eps=1e-6"),
    Mutant(
        "mlp-reads-attention-norm",
        f"{CATALOG}/block.py",
        "self.mlp(self.post_attention_layernorm(x))",
        "self.mlp(self.input_layernorm(x))",
    ),
    Mutant("no-residual", f"{MODEL}/block/pre_norm.py.j2", "x = x + {{ v.attention }}", "x = {{ v.attention }}"),
    Mutant("mlp-unnormalised", f"{CATALOG}/block.py", "self.mlp(self.post_attention_layernorm(x))", "self.mlp(x)"),
    Mutant("gelu-exact", f"{CATALOG}/ffn.py", ', approximate="tanh"', ""),
    Mutant(
        "gelu-tanh", f"{CATALOG}/ffn.py", '"F.gelu(self.up_proj(x))"', "'F.gelu(self.up_proj(x), approximate=\"tanh\")'"
    ),
    Mutant(
        "gate-and-up-swapped",
        f"{CATALOG}/ffn.py",
        "F.silu(self.gate_proj(x)) * self.up_proj(x)",
        "F.silu(self.up_proj(x)) * self.gate_proj(x)",
    ),
    Mutant("gate-through-gelu", f"{CATALOG}/ffn.py", "F.silu(", "F.gelu("),
    Mutant("no-final-norm", f"{MODEL}/decoder/decoder.py.j2", "return self.norm(x)", "return x"),
    Mutant(
        "sees-the-next-token",
        f"{MODEL}/decoder/decoder.py.j2",
        "causal = steps[:, None] >= steps",
        "causal = steps[:, None] >= steps - 1",
    ),
    Mutant("documents-leak", f"{MODEL}/decoder/decoder.py.j2", "(same & causal)[:, None]", "causal[None, None]"),
    Mutant("positions-run-on", f"{MODEL}/decoder/decoder.py.j2", "(same & causal).sum(dim=-1) - 1", "steps[None]"),
    Mutant(
        "positions-from-one",
        f"{MODEL}/decoder/decoder.py.j2",
        "(same & causal).sum(dim=-1) - 1",
        "(same & causal).sum(dim=-1)",
    ),
    Mutant("not-causal", f"{MODEL}/backend/sdpa.py.j2", "is_causal=context.mask is None", "is_causal=False"),
    Mutant(
        "cache-position-stands",
        f"{MODEL}/decoder/decoder.py.j2",
        "positions = cache.length + steps",
        "positions = steps",
    ),
    Mutant("cache-blind-to-itself", f"{MODEL}/decoder/decoder.py.j2", "seen <= positions", "seen < positions"),
    Mutant(
        "cache-length-stands", f"{MODEL}/decoder/decoder.py.j2", "cache.length += tokens.shape[1]", "cache.length += 1"
    ),
    Mutant(
        "cache-backwards", f"{MODEL}/model.py.j2", "torch.cat([past[0], k], dim=2)", "torch.cat([k, past[0]], dim=2)"
    ),
    Mutant("cache-of-one-layer", f"{MODEL}/attention/multi_head.py.j2", "self.layer_idx = layer", "self.layer_idx = 0"),
    Mutant("loss-is-a-mean", f"{MODEL}/model.py.j2", 'reduction="sum"', 'reduction="mean"'),
    Mutant("loss-ignores-token-0", f"{MODEL}/model.py.j2", "ignore_index=IGNORED", "ignore_index=0"),
    Mutant(
        "loss-in-float32",
        f"{MODEL}/model.py.j2",
        "logits.to(torch.promote_types(logits.dtype, torch.float32))",
        "logits.float()",
    ),
    Mutant("bias-lost", f"{CATALOG}/base.py", 'return "" if present else ", bias=False"', 'return ", bias=False"'),
    Mutant(
        "bias-on-all",
        f"{CATALOG}/attention.py",
        'output_bias=bias_argument(self.bias == "all")',
        'output_bias=bias_argument(self.bias != "none")',
    ),
    Mutant(
        "gqa-as-mha",
        f"{CATALOG}/attention.py",
        'kv_width = "config.num_kv_heads * config.head_dim"',
        'kv_width = "config.num_heads * config.head_dim"',
    ),
    Mutant(
        "tied-counted-twice",
        f"{CATALOG}/model.py",
        "head = () if self.tie_embeddings else",
        "head = () if not self.dims else",
    ),
    Mutant(
        "untied-though-tied",
        f"{CATALOG}/model.py",
        "if self.tie_embeddings:\n            imports",
        "if not self.tie_embeddings:\n            imports",
    ),
    Mutant(
        "learned-positions-unused",
        f"{CATALOG}/position.py",
        'embedded=("x = x + self.embed_positions(positions)",),',
        "",
    ),
    Mutant(
        "dropout-outside-training",
        f"{CATALOG}/backend.py",
        "ATTENTION_DROPOUT if self.training else 0.0",
        "ATTENTION_DROPOUT",
    ),
    Mutant("no-residual-dropout", f"{CATALOG}/block.py", "if dropout.residual:", "if not dropout:"),
    Mutant("no-embedding-dropout", f"{CATALOG}/block.py", "if not self.embedding:", "if self.embedding:"),
    Mutant("init-std", f"{CATALOG}/init.py", 'Constant("INIT_STD", self.std)', 'Constant("INIT_STD", 2 * self.std)'),
    Mutant(
        "init-not-scaled", f"{MODEL}/init/gpt2.py.j2", "INIT_STD / math.sqrt(depth)", "INIT_STD / math.sqrt(depth / 2)"
    ),
    Mutant(
        "init-forgets-biases", f"{MODEL}/init/normal.py.j2", "nn.init.zeros_(parameter)", "nn.init.ones_(parameter)"
    ),
    Mutant(
        "attention-flops",
        f"{CATALOG}/attention.py",
        "return 2 * dims.query_width * length",
        "return 4 * dims.query_width * length",
    ),
    Mutant("cache-bytes", f"{CATALOG}/attention.py", "return 2 * dims.key_width", "return 2 * dims.query_width"),
    Mutant("schedule-warmup-late", f"{CATALOG}/schedule.py", "(step + 1) / WARMUP", "step / WARMUP"),
    Mutant("schedule-counts-warmup", f"{CATALOG}/schedule.py", 'later=" - WARMUP_STEPS"', 'later=""'),
    Mutant("schedule-floor", f"{TRAIN}/schedule/cosine.py.j2", "MIN_LR_RATIO + (1", "(1"),
    Mutant("decay-too-long", f"{TRAIN}/schedule/wsd.py.j2", "min(DECAY_STEPS, steps)", "steps"),
    Mutant("decay-to-zero", f"{TRAIN}/schedule/wsd.py.j2", "1 - (1 - MIN_LR_RATIO) * done", "1 - done"),
    Mutant("norms-decay", f"{TRAIN}/optimizer/adamw.py.j2", '"weight_decay": 0.0', '"weight_decay": WEIGHT_DECAY'),
    Mutant("betas-swapped", f"{TRAIN}/optimizer/adamw.py.j2", "(BETA1, BETA2)", "(BETA2, BETA1)"),
    Mutant("clip-twice-as-high", f"{TRAIN}/gradient/clip.py.j2", "GRAD_CLIP)", "2 * GRAD_CLIP)"),
    Mutant(
        "mean-of-means",
        f"{TRAIN}/training.py.j2",
        "objective(batch) / targets",
        "objective(batch) / (batch.targets != IGNORED).sum() / len(micro_batches)",
    ),
    Mutant(
        "ignored-targets-count", f"{TRAIN}/training.py.j2", "(batch.targets != IGNORED).sum()", "batch.targets.numel()"
    ),
    Mutant("documents-not-passed", f"{CATALOG}/packing.py", "batch.tokens, batch.documents", "batch.tokens"),
    Mutant("gradients-pile-up", f"{TRAIN}/training.py.j2", "    optimizer.zero_grad()\n", ""),
    Mutant(
        "tokens-not-promoted",
        f"{MODEL}/position/rope.py.j2",
        ".type_as(x)",
        ".to(x.dtype)",
        survives="says the same in other words: `x` and the tables are on one device",
    ),
    Mutant("ignored-is-minus-one", f"{MODEL}/model.py.j2", "IGNORED = -100", "IGNORED = -1"),
)
