#!/usr/bin/env bash
# Python with the packages of tests/python/requirements.txt, in place of this script: `scripts/python.sh FILE ARGS`.
# They are fetched into a cache, once. ALPES_PYTHON_CACHE: where that is. In the same folder, bin/ has their programs.
set -euo pipefail

REQUIREMENTS=$(cd "$(dirname "${BASH_SOURCE[0]}")/../tests/python" && pwd)/requirements.txt
CACHE=${ALPES_PYTHON_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/alpes/python}

# The cache is whole when it knows the requirements that it was made from, which come last.
installed() {
    cmp -s "$REQUIREMENTS" "$CACHE/requirements.txt"
}

install() {
    mkdir -p "$(dirname "$CACHE")"
    exec 9>>"$CACHE.lock"
    ! command -v flock >/dev/null || flock 9
    installed && return
    echo "python: fetching the packages of tests/python/requirements.txt into $CACHE" >&2
    rm -rf "$CACHE"
    python3 -m venv "$CACHE"
    "$CACHE/bin/pip" install --quiet --disable-pip-version-check --requirement "$REQUIREMENTS" </dev/null >&2
    cp "$REQUIREMENTS" "$CACHE/requirements.txt"
    exec 9>&-
}

installed || install
exec "$CACHE/bin/python" "$@"
