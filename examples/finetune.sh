#!/usr/bin/env bash
# From a Hugging Face folder of a Llama to the same model, fine-tuned by generated code, in another such folder, and served.
#
#     bash examples/finetune.sh [HF_DIR]
#     CHATS=~/my-chats.jsonl EPOCHS=3 LR=2e-5 bash examples/finetune.sh ~/models/some-llama
#
# Without HF_DIR it makes a tiny Llama whose weights are random, and takes under a minute. CHATS: conversations, one JSON
# object a line (examples/data/chats.jsonl unless set). QUESTION: what is asked before and after. GPU: a device of
# specc's catalogue (cpu unless set). WORK: the folder for all of it (.build/finetune unless set). SERVE_PYTHON: the Python of
# an environment of the project's requirements/serve.txt; SGLang then serves the result, and is compared with it.
# Uses the `specc` and `python` on the PATH. What is done is skipped, and what was interrupted goes on where it stopped.
set -euo pipefail
cd "$(dirname "$0")/.."
root="$PWD"

work="$(mkdir -p "${WORK:-.build/finetune}" && cd "${WORK:-.build/finetune}" && pwd)"
project="$work/project"
chats="$(realpath "${CHATS:-examples/data/chats.jsonl}")"
question="${QUESTION:-How do I count the items of a list?}"

say() { printf '\n==> %s\n' "$*" >&2; }

if [ -n "${1:-}" ]; then
    model="$(realpath "$1")"
    epochs="${EPOCHS:-3}" lr="${LR:-2e-5}" # for all weights of a trained model, as in Alpaca
else
    model="$work/tiny-llama"
    epochs="${EPOCHS:-12}" lr="${LR:-4e-3}" # small models take large steps, and this one knows nothing yet
    if [ ! -d "$model" ]; then
        say "make a tiny Llama"
        rm -rf "$model.new"
        python examples/tiny_llama.py "$model.new"
        mv "$model.new" "$model"
    fi
fi

say "import its config.json, and say how it is fine-tuned"
specc import "$model" -o "$work/imported.yaml" --force
cat >"$work/finetuned.yaml" <<END
specc: 1
name: finetuned
extends: imported.yaml              # the model and its tokenizer, as they are

train: {compile: false}             # so few steps would be over before a compiler was done

align:
  - name: sft
    kind: sft
    data: [{path: chats.jsonl, format: chat}]
    epochs: $epochs
    sequence_length: 256
    global_batch_size: 8
    micro_batch_size: 8
    optimizer: {lr: $lr}

serve: {engine: sglang, target: {concurrency: 4}}

cluster: {gpu: ${GPU:-cpu}}
END
specc build "$work/finetuned.yaml" -o "$project"

# Results of other inputs are other results: the folder says what they were made from.
key="$(cat "$project/specc.lock" "$chats" <(cd "$model" && stat -L -c '%n %s %Y' -- *) | sha256sum | cut -c 1-12)"
out="$work/$key"
mkdir -p "$out"
cd "$project"

say "take over its weights"
if [ -d "$out/start" ]; then
    echo "done already" >&2
else
    python -m finetuned.convert --from-hf "$model" --to "$out/start"
fi

say "fine-tune"
python align/sft.py --model "$out/start" --data "$chats" --out "$out/sft"
checkpoint="$(find "$out/sft/checkpoints" -mindepth 1 -maxdepth 1 -name 'step-*' | sort -V | tail -n 1)"

say "give it back to Hugging Face's libraries"
if [ -d "$out/finetuned" ]; then
    echo "done already" >&2
else
    python -m finetuned.convert --to-hf "$checkpoint" "$out/finetuned"
fi

say "$question"
python "$root/examples/ask.py" "$question" "$model" "$out/finetuned"

if [ -n "${SERVE_PYTHON:-}" ]; then
    say "serve it, and hold what it answers against the checkpoint"
    OUT="$out" bash serve/launch.sh "$checkpoint" >"$out/server.log" 2>&1 &
    trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT
    python serve/smoke.py --wait 600 &
    # Whichever ends first: the checks, or a server that cannot start.
    wait -n || { tail -n 20 "$out/server.log" >&2; exit 1; }
    python serve/parity.py --checkpoint "$checkpoint" --prompts 20
fi

cat >&2 <<END

  specification   ${work#"$root"/}/finetuned.yaml
  project         ${project#"$root"/}
  run report      ${out#"$root"/}/sft/report.html
  checkpoint      ${checkpoint#"$root"/}
  Hugging Face    ${out#"$root"/}/finetuned

Serve it, in ${project#"$root"/}, with the Python of an environment of requirements/serve.txt:

  SERVE_PYTHON=... bash serve/launch.sh "$checkpoint"
END
