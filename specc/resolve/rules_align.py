"""Rules about the stages after pretraining."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from specc.catalog.align import PRETRAIN, AnyStage
from specc.diagnostics import Diagnostic, did_you_mean, rule
from specc.resolve.case import Case, Rule, one_of, repeats
from specc.resolve.defaults import network
from specc.resolve.stages import linear_layers
from specc.spec.schema import IMPORTED_BY_OUTPUT, package_of


def stages_of(case: Case) -> Iterator[tuple[str, AnyStage]]:
    """Yield every stage with its dotted path."""
    for index, stage in enumerate(case.written.align or ()):
        yield f"align.{index}", stage


@rule("align-without-chat-template")
def align_without_chat_template(case: Case) -> Iterator[Diagnostic]:
    """The spec has alignment stages, and no tokenizer, or one that is trained without a chat template.

    Why: a stage learns from conversations, and the template says how a conversation is written as one text. Training,
    evaluation and serving have to write it alike, so that it is chosen once, and lives in the tokenizer.
    Example: `align: [{kind: sft, ...}]` with `tokenizer: {kind: bpe, vocab_size: 32k}`.
    Fix: `tokenizer: {chat_template: chatml}`. A tokenizer that comes from elsewhere brings its own template, which is
    read when a stage runs.
    """
    tokenizer = case.written.tokenizer
    if not case.written.align or not (tokenizer is None or tokenizer.without_chat_template()):
        return
    where = "tokenizer.chat_template" if case.at.has("tokenizer.chat_template") else "tokenizer"
    yield Diagnostic(
        code="align-without-chat-template",
        message="`align` has no effect without a chat template" if tokenizer else "`align` needs a `tokenizer`",
        path="align",
        primary=case.at.key_label("align", "nothing says how a conversation is written"),
        related=case.labels({where: "no chat template"}),
        help="add `chat_template: chatml` to `tokenizer`" if tokenizer else "add `tokenizer: {chat_template: chatml}`",
    )


@rule("align-without-train")
def align_without_train(case: Case) -> Iterator[Diagnostic]:
    """A stage takes its steps as pretraining does, and the spec has no `train` section.

    Why: precision, clipping and the kind of optimizer are those of `train`, and for fine-tuning the loop too; a spec
    without the section emits none of it.
    Example: `align: [{kind: sft, ...}]` in a spec of a model that comes from elsewhere.
    Fix: add `train: {}`; what it does not say has defaults.
    """
    found = next(stages_of(case), None)
    if case.written.train is not None or found is None:
        return
    path, stage = found
    yield Diagnostic(
        code="align-without-train",
        message=f"the stage `{stage.name}` needs a `train` section",
        path=f"{path}.kind",
        primary=case.at.label(f"{path}.kind", "takes its steps as `train` says"),
        help="add `train: {}`",
    )


@rule("conversations-not-isolated")
def conversations_not_isolated(case: Case) -> Iterator[Diagnostic]:
    """Conversations share sequences, and attention is to cross documents.

    Why: an answer would be learned as the continuation of the conversation before it in the sequence, which is no part
    of what the model sees when it is used.
    Example: `data: {packing: {isolate_documents: false}}` with a stage of kind `sft`.
    Fix: remove `isolate_documents`, or set it to true.
    """
    data, path = case.written.data, "data.packing.isolate_documents"
    stage = next((path for path, stage in stages_of(case) if stage.trains_here), None)
    if data is None or data.packing.isolate_documents or stage is None:
        return
    yield Diagnostic(
        code="conversations-not-isolated",
        message="conversations that share a sequence would see each other",
        path=path,
        primary=case.at.label(path, "attention crosses documents"),
        related=(case.at.label(f"{stage}.kind", "packs conversations"),),
        help="remove `isolate_documents`",
    )


@rule("duplicate-stage-name")
def duplicate_stage_name(case: Case) -> Iterator[Diagnostic]:
    """Two stages have the same name.

    Why: a stage's script is named after it, and later stages say by name where they start.
    Example: two items of `align` with `name: sft`.
    Fix: rename one of them.
    """
    for name, path, first in repeats((f"{path}.name", stage.name) for path, stage in stages_of(case)):
        yield Diagnostic(
            code="duplicate-stage-name",
            message=f"two stages have the name `{name}`",
            path=path,
            primary=case.at.label(path, "again"),
            related=(case.at.label(first, "first used here"),),
            help="rename one of them",
        )


@rule("stage-named-as-a-module")
def stage_named_as_a_module(case: Case) -> Iterator[Diagnostic]:
    """The script of a stage would have the name of a module that scripts import, or of the model before all stages.

    Why: Python looks for modules beside the script that it runs first, and would find the stage.
    Example: `name: trl`, or `name: pretrain`.
    Fix: another name, such as `sft` or `dpo-1`.
    """
    taken = {PRETRAIN, package_of(case.written.name), *IMPORTED_BY_OUTPUT, *sys.stdlib_module_names}
    for path, stage in stages_of(case):
        if stage.name in taken:
            what = "what `from` calls the trained model" if stage.name == PRETRAIN else "the name of a Python module"
            yield Diagnostic(
                code="stage-named-as-a-module",
                message=f"`{stage.name}` is {what}",
                path=f"{path}.name",
                primary=case.at.label(f"{path}.name", "taken"),
                help=f"call it `{stage.name}-{stage.kind}`",
            )


@rule("stage-starts-nowhere")
def stage_starts_nowhere(case: Case) -> Iterator[Diagnostic]:
    """A stage starts from a stage that does not come before it, or whose result is no language model.

    Why: stages run in the order of the list, each on the model of an earlier one; a reward model has learned to judge
    text, and has lost the head that writes it.
    Example: `{name: dpo, kind: dpo, from: sft}` in a list whose `sft` comes later, or not at all.
    Fix: an earlier stage's name; leave `from` out for the trained model.
    """
    earlier, places = {PRETRAIN: True}, list[str]()
    for path, stage in stages_of(case):
        if not earlier.get(stage.parent):
            starts = [name for name, writes in earlier.items() if writes]
            known = stage.parent in earlier
            yield Diagnostic(
                code="stage-starts-nowhere",
                message=f"`{stage.parent}` is no language model" if known else f"no earlier stage is `{stage.parent}`",
                path=f"{path}.from",
                primary=case.at.label(f"{path}.from", "a reward model" if known else "unknown here"),
                related=case.labels(dict.fromkeys(places, "comes before it")),
                help=did_you_mean(stage.parent, starts, "stages"),
            )
        earlier.setdefault(stage.name, stage.makes_model)
        places.append(f"{path}.name")


@rule("format-of-another-stage")
def format_of_another_stage(case: Case) -> Iterator[Diagnostic]:
    """A stage is given rows of a format that it cannot learn from.

    Why: supervised fine-tuning learns answers from conversations; reward models and DPO learn from pairs of answers,
    which one is preferred.
    Example: `{kind: sft, data: [{path: pairs.jsonl, format: preference}]}`.
    Fix: the format that the stage takes, with a file that has it.
    """
    for path, stage in stages_of(case):
        for index, rows in enumerate(stage.data):
            if rows.format in stage.formats:
                continue
            here = f"{path}.data.{index}.format"
            yield Diagnostic(
                code="format-of-another-stage",
                message=f"`{stage.kind}` cannot learn from rows of format `{rows.format}`",
                path=here,
                primary=case.at.label(here, f"takes {one_of(stage.formats)}"),
                related=(case.at.label(f"{path}.kind", "the kind of stage"),),
                help=f"give it a file of format {one_of(stage.formats)}",
            )


@rule("unknown-target-module")
def unknown_target_module(case: Case) -> Iterator[Diagnostic]:
    """LoRA is asked for on a layer that the blocks of this model do not have.

    Why: an adapter stands beside a linear layer; a name that none has would leave what was meant as it is.
    Example: `target_modules: [gate_proj]` for a feed-forward network without a gate.
    Fix: names of the model's own linear layers; leave the key out for all of them.
    """
    net = network(case.filled.spec)
    layers = linear_layers(net) if net is not None else ()
    for path, stage in stages_of(case) if layers else ():
        for index, name in enumerate((stage.peft and stage.peft.target_modules) or ()):
            if name not in layers:
                here = f"{path}.peft.target_modules.{index}"
                yield Diagnostic(
                    code="unknown-target-module",
                    message=f"no linear layer of the blocks is named `{name}`",
                    path=here,
                    primary=case.at.label(here, "unknown layer"),
                    help=did_you_mean(name, layers, "layers"),
                )


RULES: tuple[Rule, ...] = (
    align_without_chat_template,
    align_without_train,
    conversations_not_isolated,
    duplicate_stage_name,
    stage_named_as_a_module,
    stage_starts_nowhere,
    format_of_another_stage,
    unknown_target_module,
)
