"""Measure the emitted data stages: each step, all together, and tokenization beside the library's own speed.

python -m benchmarks.data [--runs N] [--documents N]

The corpus is the standard library of the interpreter, and a near duplicate of every tenth file, in which one word of a
hundred is another. Every figure is CPU time of one process, that is per core; what is compared takes turns, and the
medians are printed as a table.
"""

from __future__ import annotations

import argparse
import html
import importlib
import json
import os
import random
import statistics
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from specc.pipeline.output import compiled

MODULES = ("documents", "encoding", "progress", "splits", "steps", "workers")
SPEC = {
    "specc": 1,
    "name": "measured",
    "model": {"num_layers": 1, "hidden_size": 64, "num_heads": 4, "vocab_size": 2048, "max_seq_len": 512},
    "tokenizer": "bpe",
    "data": {
        "sources": [
            {"name": "code", "path": "corpus", "format": "code"},
            {"name": "pages", "path": "pages", "format": "html"},
        ],
        "steps": [
            "extract",
            "heuristics",
            {"kind": "dedup", "method": "exact"},
            {"kind": "dedup", "method": "minhash"},
        ],
        "validation": {},
    },
    "train": {"steps": 1000, "sequence_length": 256, "global_batch_size": 8},
}


def texts_of_the_library(most: int) -> list[str]:
    """Return the modules of the standard library, and a near duplicate of every tenth."""
    folder = Path(sysconfig.get_paths()["stdlib"])
    found = []
    for file in sorted(folder.rglob("*.py")):
        if "site-packages" not in file.parts and file.stat().st_size:
            found.append(file.read_bytes().decode(errors="replace"))
    return [text for number, text in enumerate(found[:most]) for text in (text, *([near(text)] * (number % 10 == 0)))]


def near(text: str) -> str:
    """Return a text with one word of a hundred replaced."""
    drawn, words = random.Random(len(text)), text.split(" ")
    for place in drawn.sample(range(len(words)), -(-len(words) // 100)):
        words[place] = f"other{place}"
    return " ".join(words)


def project(folder: Path, texts: Sequence[str]) -> SimpleNamespace:
    """Emit the project, write its corpus, train its tokenizer; return its modules."""
    (folder / "spec.yaml").write_text(json.dumps(SPEC), encoding="utf-8")
    for path, data in compiled(str(folder / "spec.yaml"))[1].items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    for name in ("corpus", "pages"):
        (folder / name).mkdir()
    for number, text in enumerate(texts):
        (folder / "corpus" / f"{number:05}.py").write_text(text, encoding="utf-8")
    (folder / "pages" / "one.html").write_text(page(texts[0]), encoding="utf-8")
    sys.path.insert(0, str(folder))
    os.chdir(folder)
    modules = {name: importlib.import_module(f"measured.{name}") for name in MODULES}
    trained = importlib.import_module("train_tokenizer").train_tokenizer(iter(texts), 2048)
    trained.save("tokenizer.json")
    return SimpleNamespace(**modules, prepare=importlib.import_module("prepare_data"))


def page(text: str) -> str:
    """Return a web page around a text."""
    paragraphs = "".join(f"<p>{html.escape(part)}</p>" for part in text.split("\n\n"))
    return f"<html><body><nav><a href='/'>home</a></nav><main>{paragraphs}</main></body></html>"


def seconds(work: Callable[[], object]) -> float:
    """Return the CPU time of this process."""
    started = time.process_time()
    work()
    return time.process_time() - started


def through(emitted: SimpleNamespace, steps: Sequence[type], documents: Sequence[Any]) -> Callable[[], object]:
    """Return what takes documents through new steps of these kinds."""

    def work() -> int:
        emitted.steps.STEPS = tuple(step() for step in steps)
        sieve = emitted.steps.Sieve()
        batches = emitted.workers.batched(documents)
        return sum(sieve.keeps(examined) for batch in batches for examined in emitted.steps.examine(batch))

    return work


def stages(emitted: SimpleNamespace, texts: Sequence[str]) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield every stage by its name, with what runs it."""
    found, steps = emitted.documents, emitted.steps
    code, web = found.SOURCES
    documents = [found.Document(code, text) for text in texts]
    pages = [found.Document(web, page(text)) for text in texts]
    progress = emitted.progress.Progress()
    progress.show = lambda _: None  # a terminal would be measured too

    def corpus() -> Any:
        return found.Corpus([(code, file) for file in sorted(Path("corpus").iterdir())], progress)

    def whole() -> None:
        steps.STEPS = (steps.Extract(), steps.Heuristics(), steps.ExactDedup(), steps.MinHashDedup())
        with tempfile.TemporaryDirectory() as folder, emitted.workers.Workers(1) as alone:
            Path(folder, "tokenizer.json").write_bytes(Path("tokenizer.json").read_bytes())
            emitted.prepare.prepare(corpus(), Path(folder), alone, None)

    yield "read", lambda: list(corpus())
    yield "extract (Resiliparse, pages made of the same text)", through(emitted, [steps.Extract], pages)
    yield "heuristics: length, repetition", through(emitted, [steps.Heuristics], documents)
    yield "dedup: exact", through(emitted, [steps.ExactDedup], documents)
    yield "dedup: minhash", through(emitted, [steps.MinHashDedup], documents)
    yield "dedup: exact, then minhash", through(emitted, [steps.ExactDedup, steps.MinHashDedup], documents)
    yield "all of it: read, four steps, tokenization, shards", whole


def tokenization(emitted: SimpleNamespace, texts: Sequence[str]) -> tuple[float, float]:
    """Return the CPU time of the library alone, and of ours to the bytes of a shard; they take turns batch by batch."""
    file = Path("tokenizer.json")
    tokenizer = emitted.encoding.open_tokenizer(file)
    library = ours = 0.0
    for batch in emitted.workers.batched([emitted.splits.Kept("train", text, b"") for text in texts]):
        alone = [kept.text for kept in batch]
        library += seconds(partial(tokenizer.encode_batch_fast, alone))
        ours += seconds(partial(emitted.encoding.encode, file, batch))
    return library, ours


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--documents", type=int, default=10**6)
    args = parser.parse_args()
    texts = texts_of_the_library(args.documents)
    megabytes = sum(len(text.encode()) for text in texts) / 1e6
    print(f"{len(texts):,} documents, {megabytes:.1f} MB; medians of {args.runs} runs, CPU time of one process\n")
    with tempfile.TemporaryDirectory() as folder:
        emitted = project(Path(folder), texts)
        work = dict(stages(emitted, texts))
        runs = [{name: seconds(run) for name, run in work.items()} for _ in range(args.runs)]
        library, ours = zip(*(tokenization(emitted, texts) for _ in range(args.runs)), strict=True)
        os.chdir("/")
    medians = {name: statistics.median(run[name] for run in runs) for name in work}
    medians["tokenization: `encode_batch_fast` of the library, alone"] = statistics.median(library)
    medians["tokenization: ours, to the bytes of a shard"] = statistics.median(ours)
    print("| stage | documents/s | MB/s |\n|---|---|---|")
    for name, took in medians.items():
        print(f"| {name} | {len(texts) / took:,.0f} | {megabytes / took:,.1f} |")
    ratio = statistics.median(alone / whole for alone, whole in zip(library, ours, strict=True))
    print(f"\ntokenization runs at {ratio:.2f} of the library's own speed")


if __name__ == "__main__":
    main()
