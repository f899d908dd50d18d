#!/usr/bin/env bash
# Measures the line, the intake and the freshness, each beside a bound or a check of the same run. Needs a release build,
# psql, python3 and wrk (installed here where apt is). EVENTS=1000000 by default.
set -euo pipefail
cd "$(dirname "$0")/.."

EVENTS=${EVENTS:-1000000}
ALPES=$PWD/target/release/alpes
WORK=$(mktemp -d)
chmod 711 "$WORK"
export ALPES_DATA=$WORK/data ALPES_HTTP=127.0.0.1:18000 ALPES_QUERIES=127.0.0.1:18001 ALPES_LOG=error
UP=
trap '[ -z "$UP" ] || kill "$UP" 2>/dev/null || true; wait || true; rm -rf "$WORK"' EXIT

command -v wrk >/dev/null || { apt-get update -qq && apt-get install -y -qq wrk; } >/dev/null

sql() { psql -h "$(sed -n 5p "$ALPES_DATA/postgres/postmaster.pid")" -U alpes -d alpes -qAt "$@"; }
millis() { echo $(($(date +%s%N) / 1000000)); }
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

echo "machine: $(nproc) cores, $(grep -m1 'model name' /proc/cpuinfo | cut -d: -f2 | xargs), $(git rev-parse --short HEAD)"

echo "::: line: $EVENTS lines from a file (claims, raw rows, windows; synchronous_commit on)"
"$ALPES" generate --events "$EVENTS" --seed 7 --out "$WORK/events.ndjson"
# A first start makes the cluster, so that initdb is not measured; then the cluster stays up for the bound.
up
down
/usr/bin/env time -f 'alpes: %M kB at most, %U s user, %S s system' \
    "$ALPES" backfill "$WORK/events.ndjson" --json 2>"$WORK/time.log" | tee "$WORK/backfill.json"
grep '^alpes:' "$WORK/time.log"
"$ALPES" verify | tail -1

echo "::: bound: COPY of the same final rows into the same keyed tables, arrival order, two connections"
up
sql -c "CREATE TABLE bound_claims (LIKE claims INCLUDING ALL)" \
    -c "CREATE TABLE bound_raw (LIKE impressions)" \
    -c "CREATE INDEX ON bound_raw (campaign, influencer, event_time)" \
    -c "CREATE TABLE bound_windows (LIKE windows INCLUDING ALL)"
for table in claims windows; do sql -c "COPY (SELECT * FROM $table) TO STDOUT (FORMAT binary)" >"$WORK/$table.bin"; done
sql -c "COPY (SELECT * FROM impressions) TO STDOUT (FORMAT binary)" >"$WORK/raw.bin"
begun=$(millis)
{ sql -c "COPY bound_claims FROM STDIN (FORMAT binary)" <"$WORK/claims.bin"
  sql -c "COPY bound_windows FROM STDIN (FORMAT binary)" <"$WORK/windows.bin"; } &
sql -c "COPY bound_raw FROM STDIN (FORMAT binary)" <"$WORK/raw.bin"
wait %2 2>/dev/null || wait $!
bound=$(($(millis) - begun))
line=$(python3 -c "import json,sys; print(json.load(open('$WORK/backfill.json'))['milliseconds'])")
python3 - "$EVENTS" "$line" "$bound" <<'PY'
import sys
events, line, bound = map(int, sys.argv[1:])
print(f"line {events*1000//line}/s, bound {events*1000//bound}/s, ratio {bound/line:.2f}")
PY

echo "::: intake: single POSTs over 64 connections, every 202 durable"
before=$(sql -c 'SELECT sum(next) FROM log_heads')
wrk -t1 -c64 -d10s --latency -s bench/post.lua "http://$ALPES_HTTP/tracking/impresiones" | tee "$WORK/wrk.log"
sleep 2
appended=$(($(sql -c 'SELECT sum(next) FROM log_heads') - before))
answered=$(awk '/^accepted/ {print $2}' "$WORK/wrk.log")
echo "answered 202: $answered, in the log: $appended (the rest are ticks and answers cut off at the end)"
[ "$appended" -ge "$answered" ]

echo "::: freshness: POST until visible in estadisticas, at 500 events/s"
until [ "$(sql -c "SELECT count(*) FROM log_heads h JOIN lines l ON l.source = 'log-' || h.partition AND l.flow = h.flow WHERE l.entry < h.next - 100")" = 0 ]; do sleep 1; done
python3 bench/freshness.py "http://$ALPES_HTTP" 500 20
down
"$ALPES" verify | tail -1
