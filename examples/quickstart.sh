#!/usr/bin/env bash
# From one YAML file to a language model that completes Python, on this machine: what `make demo` runs.
#
#     bash examples/quickstart.sh [FOLDER]
#     TEXT=~/my-text bash examples/quickstart.sh
#
# Reads the standard library of this Python, or the files and folders in TEXT (a path or a glob). SMOKE=1 walks through
# all stages in seconds, with little text and a tiny model. It ends with the trained model: UNTIL=alignment goes on to the
# stages of alignment, and an empty UNTIL to a server.
# Works in FOLDER (.build/quickstart unless given), with the `specc` and `python` on the PATH. What is done is skipped, and
# what was interrupted goes on where it stopped: after other text or another spec, it starts in a folder of its own.
set -euo pipefail
cd "$(dirname "$0")/.."

work="$(mkdir -p "${1:-.build/quickstart}" && cd "${1:-.build/quickstart}" && pwd)"
project="$work/project"

say() { printf '\n==> %s\n' "$*" >&2; }

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

say "prove the model against an independent reference"
if [ -f "$project/certificate.json" ] && [ "$project/certificate.json" -nt "$project/specc.lock" ]; then
    echo "done already: certificate.json" >&2
else
    specc verify "$project"
fi

# Results of other inputs are other results: the folder says what they were made from.
key="$(cat "$project/specc.lock" <(python -VV) <(printf '%s\n' "${corpus[@]}" "${SMOKE:-}") | sha256sum | cut -c 1-12)"
export OUT="$work/$key" UNTIL="${UNTIL-completion}" PROMPT=$'def read_json(path):\n'
bash "$project/launch/local.sh" "${corpus[@]}"

checkpoint="$(find "$OUT/run/checkpoints" -mindepth 1 -maxdepth 1 -name 'step-*' | sort -V | tail -n 1)"
cat >&2 <<END

The model has read some megabytes for some minutes: it writes the shape of its text, not its sense.

  specification   specs/quickstart.yaml
  project         ${project#"$PWD"/}
  data card       ${OUT#"$PWD"/}/data/data_card.json
  run report      ${OUT#"$PWD"/}/run/report.html
  checkpoint      ${checkpoint#"$PWD"/}

Try next, in ${project#"$PWD"/}:

  python generate.py --checkpoint "$checkpoint" --prompt "class Stack:" --temperature 0.5

or here, to teach it to converse, by examples and by preferences, and to serve it from an environment of requirements/serve.txt:

  UNTIL=alignment bash examples/quickstart.sh
  UNTIL= SERVE_PYTHON=ENVIRONMENT/bin/python bash examples/quickstart.sh

or change a number in specs/quickstart.yaml and run this again: what depends on it runs again.
END
