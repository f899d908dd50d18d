#!/usr/bin/env bash
# How long answers about money take over a large ledger. Needs a release build, psql and python3. POSTINGS=1000000 by default.
set -euo pipefail
cd "$(dirname "$0")/.."

POSTINGS=${POSTINGS:-1000000}
ALPES=$PWD/target/release/alpes
WORK=$(mktemp -d)
chmod 711 "$WORK"
export ALPES_DATA=$WORK/data ALPES_HTTP=127.0.0.1:18000 ALPES_QUERIES=127.0.0.1:18001 ALPES_LOG=error
UP=
trap '[ -z "$UP" ] || kill "$UP" 2>/dev/null || true; wait || true; rm -rf "$WORK"' EXIT

sql() { psql -h "$(sed -n 5p "$ALPES_DATA/postgres/postmaster.pid")" -U alpes -d alpes -qAt "$@"; }

echo "machine: $(nproc) cores, $(grep -m1 'model name' /proc/cpuinfo | cut -d: -f2 | xargs), $(git rev-parse --short HEAD)"
"$ALPES" up >"$WORK/up.log" 2>&1 &
UP=$!
until curl -sf "http://$ALPES_HTTP/health/ready" >/dev/null; do sleep 0.2; done
sql -v ON_ERROR_STOP=1 -v postings="$POSTINGS" -f bench/ledger.sql
echo "::: $POSTINGS postings, $(sql -c "SELECT pg_size_pretty(pg_total_relation_size('postings'))") with indexes"
python3 bench/ledger.py "$ALPES_HTTP" "$POSTINGS"
