#!/usr/bin/env bash
# What commission terms cost the line: the same file into a fresh database, without and with terms, by itself and beside a
# running Alpes whose ledger posts meanwhile. Needs a release build and python3. EVENTS=1000000 by default.
set -euo pipefail
cd "$(dirname "$0")/.."

EVENTS=${EVENTS:-1000000}
ALPES=$PWD/target/release/alpes
WORK=$(mktemp -d)
chmod 711 "$WORK"
export ALPES_HTTP=127.0.0.1:18000 ALPES_QUERIES=127.0.0.1:18001 ALPES_LOG=error
UP=
trap '[ -z "$UP" ] || kill "$UP" 2>/dev/null || true; wait || true; rm -rf "$WORK"' EXIT

sql() { psql -h "$(sed -n 5p "$ALPES_DATA/postgres/postmaster.pid")" -U alpes -d alpes -qAt "$@"; }
up() {
    "$ALPES" up >"$WORK/up.log" 2>&1 &
    UP=$!
    until curl -sf "http://$ALPES_HTTP/health/ready" >/dev/null; do sleep 0.2; done
}
down() {
    kill -TERM "$UP"
    wait "$UP"
    UP=
}
backfill() { "$ALPES" backfill "$WORK/events.ndjson" --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["milliseconds"])'; }
# Waits until nothing is left to settle, and says how long that took.
settle() {
    local begun
    begun=$(date +%s%N)
    until [ "$(sql -c "SELECT (SELECT count(*) FROM unsettled) = 0 AND closed_through > now() - interval '1 hour' FROM facts")" = t ]; do sleep 0.2; done
    echo $((($(date +%s%N) - begun) / 1000000))
}

"$ALPES" generate --events "$EVENTS" --seed 7 --out "$WORK/events.ndjson"
zstd -qdc tests/data/campaigns.ndjson.zst >"$WORK/campaigns.ndjson"

run() { # name, terms or not, up or not
    export ALPES_DATA=$WORK/$1
    up
    [ "$2" = no ] || "$ALPES" backfill "$WORK/campaigns.ndjson" >/dev/null
    [ "$3" = yes ] || down
    local line
    line=$(backfill)
    echo "$1: $((EVENTS * 1000 / line)) lines/s" >&2
    if [ "$2" = yes ]; then
        [ "$3" = yes ] || up
        echo "$1: settled $(settle) ms after the line, $(sql -c 'SELECT count(*) FROM postings') postings, $(sql -c 'SELECT count(*) FROM commissions') commissions" >&2
    fi
    [ -z "$UP" ] || down
    [ "$2" = no ] || "$ALPES" verify | grep -E 'WRONG|ledger: chain' >&2
    rm -rf "$ALPES_DATA"
    echo "$line"
}
alone=$(run alone-without no no)
terms=$(run alone-with yes no)
beside=$(run beside-without no yes)
posting=$(run beside-with yes yes)
python3 - "$alone" "$terms" "$beside" "$posting" <<'PY'
import sys
alone, terms, beside, posting = map(int, sys.argv[1:])
print(f"with terms: {alone/terms:.2f} of the line by itself, {beside/posting:.2f} beside the ledger that posts")
PY
