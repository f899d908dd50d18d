#!/usr/bin/env bash
# Measures the way from Pulsar to PostgreSQL and the intake through the broker, on one machine: broker, database, Alpes.
# Needs a release build with `--example produce`, psql, wrk and what scripts/setup.sh test brings. EVENTS=1000000 by default.
set -euo pipefail
cd "$(dirname "$0")/.."

EVENTS=${EVENTS:-1000000}
ALPES=$PWD/target/release/alpes
WORK=$(mktemp -d)
chmod 711 "$WORK"
export ALPES_DATA=$WORK/data ALPES_HTTP=127.0.0.1:18000 ALPES_QUERIES=127.0.0.1:18001 ALPES_LOG=error ALPES_RELAY=off
export PULSAR_URL=pulsar://127.0.0.1:16651 PULSAR_ADMIN=http://127.0.0.1:18081
BROKER=
UP=
trap '[ -z "$UP" ] || kill "$UP" 2>/dev/null || true; [ -z "$BROKER" ] || kill -9 "$BROKER" 2>/dev/null || true; wait || true; rm -rf "$WORK"' EXIT

sql() { psql -h "$(sed -n 5p "$ALPES_DATA/postgres/postmaster.pid")" -U alpes -d alpes -qAt "$@"; }
up() {
    "$ALPES" "$@" >"$WORK/up.log" 2>&1 &
    UP=$!
    until curl -sf "http://$ALPES_HTTP/health/live" >/dev/null; do sleep 0.2; done
}
down() {
    kill -TERM "$UP"
    wait "$UP"
    UP=
}

echo "machine: $(nproc) cores, $(grep -m1 'model name' /proc/cpuinfo | cut -d: -f2 | xargs), $(git rev-parse --short HEAD)"
PULSAR_LOG_LEVEL=error scripts/pulsar.sh run "$WORK/broker" --port 16651 --admin-port 18081 >"$WORK/broker.log" 2>&1 &
BROKER=$!
scripts/pulsar.sh ready "$PULSAR_ADMIN"

echo "::: Pulsar to PostgreSQL: $EVENTS commands (claims, raw rows, windows; synchronous_commit on), 4 partitions"
"$ALPES" generate --events "$EVENTS" --seed 7 --out "$WORK/events.ndjson"
target/release/examples/produce "$WORK/events.ndjson" "$PULSAR_URL" "$PULSAR_ADMIN"
# A first start makes the cluster, so that initdb is not measured.
up api
down
begun=$(date +%s%N)
up pipeline
until [ "$(sql -c "SELECT coalesce(sum(messages), 0) FROM lines WHERE source LIKE 'alpes-comandos%'")" -ge "$EVENTS" ]; do sleep 0.1; done
took=$((($(date +%s%N) - begun) / 1000000))
echo "$EVENTS in $took ms from the start of the process: $((EVENTS * 1000 / took))/s; $(ps -o rss= -p "$UP") kB in Alpes"
down
"$ALPES" verify | tail -1

up api
for connections in 64 256 512; do
    echo "::: intake: single POSTs over $connections connections, every 202 with the broker's receipt"
    wrk -t1 -c"$connections" -d10s --latency -s bench/post.lua "http://$ALPES_HTTP/tracking/impresiones"
done
down
