#!/usr/bin/env bash
# From one YAML file to a language model that completes Python, on this machine: what `make demo` runs.
#
#     bash examples/quickstart.sh [FOLDER]
#     TEXT=~/my-text bash examples/quickstart.sh
#
# Reads the standard library of this Python, or the files and folders in TEXT (a path or a glob). SMOKE=1 walks through
# all stages in seconds, with little text and a tiny model.
# Works in FOLDER (.build/quickstart unless given), with the `specc` and `python` on the PATH. A stage whose result is
# there, made from the same inputs, is skipped: a demo that was interrupted goes on where it stopped.
set -euo pipefail
cd "$(dirname "$0")/.."

mkdir -p "${1:-.build/quickstart}"
work="$(cd "${1:-.build/quickstart}" && pwd)"
project="$work/project" data="$work/data" run="$work/run"
checkpoint=""

# Threads that sleep at each barrier instead of spinning: three times as fast where others use the cores too.
export OMP_WAIT_POLICY="${OMP_WAIT_POLICY:-passive}"

say() { printf '\n==> %s\n' "$*" >&2; }

# stage FUNCTION KEY TITLE: calls the function, unless it succeeded before with the same key.
stage() {
    local function="$1" key="$2" title="$3" mark="$work/$1.done"
    if [ -f "$mark" ] && [ "$(<"$mark")" = "$key" ]; then
        say "$title: done already"
        return
    fi
    say "$title"
    rm -f "$mark"
    "$function"
    printf '%s' "$key" >"$mark"
}

verify() { specc verify "$project"; }
train_tokenizer() { (cd "$project" && python train_tokenizer.py --out "$data" "${corpus[@]}" "${smoke[@]}"); }
prepare_data() { (cd "$project" && python prepare_data.py --out "$data" "${corpus[@]}" "${smoke[@]}"); }
train() { rm -rf "$run" && (cd "$project" && python train.py --data "$data" --out "$run" "${smoke[@]}"); }
complete() {
    (cd "$project" && python generate.py --checkpoint "$checkpoint" --prompt "$1" --max-new-tokens 80 \
        --temperature 0.5 --top-p 0.9)
}

smoke=()
[ -z "${SMOKE:-}" ] || smoke=(--smoke)
if [ -n "${TEXT:-}" ]; then
    corpus=(--input "$(realpath -m "$TEXT")")
else
    # Without its tests and without what was installed beside it.
    standard_library="$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')"
    corpus=(
        --input "$standard_library/**/*.py"
        --exclude "$standard_library/site-packages/*" "$standard_library/dist-packages/*"
        "$standard_library/test/*" "$standard_library/*/test*/*" "$standard_library/*/idle_test/*"
    )
fi

say "build specs/quickstart.yaml"
specc build specs/quickstart.yaml -o "$project"

# Every stage depends on the one before it, so each key holds all that came before.
made="$(python -c 'import hashlib, sys; print(hashlib.sha256(open(sys.argv[1], "rb").read()).hexdigest())' "$project/specc.lock")"
read_from="$made $(python -VV | tr '\n' ' ') ${corpus[*]} ${smoke[*]}"
stage verify "$made" "prove the model against an independent reference"
stage train_tokenizer "$read_from" "train the tokenizer on ${TEXT:-the standard library}"
stage prepare_data "$read_from" "turn ${TEXT:-the standard library} into tokens"
stage train "$read_from" "train the model, for about two minutes"

checkpoint="$(find "$run/checkpoints" -mindepth 1 -maxdepth 1 -name 'step-*' | sort -V | tail -n 1)"
say "complete a prompt"
complete $'def read_json(path):\n'

cat >&2 <<END

The model has read some megabytes for two minutes: it writes the shape of its text, not its sense.

  specification   specs/quickstart.yaml
  project         ${project#"$PWD"/}
  metrics         ${run#"$PWD"/}/metrics.jsonl
  checkpoint      ${checkpoint#"$PWD"/}

Try next, in ${project#"$PWD"/}:

  python generate.py --checkpoint "$checkpoint" --prompt "class Stack:" --temperature 0.5
  python train_tokenizer.py --input YOUR_FOLDER --out mine
  python prepare_data.py --input YOUR_FOLDER --out mine
  python train.py --data mine --out mine/run --steps 2000

or change a number in specs/quickstart.yaml and run this again: what depends on it runs again.
END
