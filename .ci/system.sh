#!/usr/bin/env bash
# Makes sure that the system packages this project needs are there; installs them where it may, else says how.
#
#     .ci/system.sh [PYTHON [browser]]
#
# A C++ compiler and Python's headers serve torch.compile; git serves the checks of the repository itself; a browser
# serves the tests that look at a page, and nothing else.
set -euo pipefail

python="${1:-python3}"
browsers=(chromium-headless-shell chromium chromium-browser google-chrome)  # the smallest first: 270 MB installed
missing=()
[ "${2:-}" != browser ] || command -v "${browsers[@]}" >/dev/null || missing+=("${browsers[0]}")
command -v git >/dev/null || missing+=(git)
command -v g++ >/dev/null || missing+=(g++)
command -v "$python" >/dev/null || missing+=(python3)
if command -v "$python" >/dev/null; then
    "$python" -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
    "$python" -c 'import pathlib, sys, sysconfig; sys.exit(not pathlib.Path(sysconfig.get_path("include"), "Python.h").exists())' ||
        missing+=(python3-dev)
fi
[ ${#missing[@]} -eq 0 ] && exit 0

echo "missing system packages: ${missing[*]}" >&2
if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq >&2
    apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
else
    echo "install them, then run the same command again; on Debian and Ubuntu:" >&2
    echo "    sudo apt-get install ${missing[*]}" >&2
    exit 1
fi
