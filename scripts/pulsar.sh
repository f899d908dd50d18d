#!/usr/bin/env bash
# A real Apache Pulsar broker without Docker: one Java process, its data in one folder.
#
#   pulsar.sh install                                    fetch its jars into the cache, once
#   pulsar.sh run FOLDER [--port P] [--admin-port P]     run it in the foreground, in place of this script
#             [--with FILE]                              settings that come after those of pulsar/standalone.conf
#   pulsar.sh ready ADMIN_URL [SECONDS]                  wait until it serves; exit 1 if it does not
#   pulsar.sh java                                       print which Java it would run with
#
# ALPES_PULSAR_CACHE: where the jars are kept. PULSAR_MEM, PULSAR_GC, PULSAR_LOG_LEVEL: as in the official image.
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
POM=$HERE/pulsar/pom.xml
VERSION=$(sed -n 's|.*<pulsar.version>\(.*\)</pulsar.version>.*|\1|p' "$POM")
CACHE=${ALPES_PULSAR_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/alpes/pulsar-$VERSION}
JAVA_MAJOR_MIN=17

fail() {
    echo "pulsar: $*" >&2
    exit 1
}

usage() {
    sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
    exit 2
}

# lock FILE [flock's options]: until this process ends, or what it becomes. Without flock nobody waits for anybody.
lock() {
    local file=$1
    shift
    exec 9>>"$file"
    ! command -v flock >/dev/null || flock "$@" 9
}

java() {
    local java version
    for java in "${JAVA_HOME:-}/bin/java" "$(type -P java || true)" /usr/lib/jvm/*/bin/java \
        /opt/homebrew/opt/openjdk*/bin/java /usr/local/opt/openjdk*/bin/java; do
        [ -x "$java" ] || continue
        version=$("$java" -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p')
        [ "${version:-0}" -ge "$JAVA_MAJOR_MIN" ] || continue
        echo "$java"
        return
    done
    fail "no Java $JAVA_MAJOR_MIN or newer: run 'scripts/setup.sh test'"
}

# The cache is whole or not there, since it gets its name last. It knows the POM that it was made from.
installed() {
    cmp -s "$POM" "$CACHE/pom.xml"
}

install() {
    local fresh
    installed && return
    mkdir -p "$(dirname "$CACHE")"
    lock "$CACHE.lock"
    installed && return
    command -v mvn >/dev/null || fail "no Maven: run 'scripts/setup.sh test'"
    echo "pulsar: fetching Apache Pulsar $VERSION, 240 MB, into $CACHE" >&2
    fresh=$(mktemp -d "$CACHE.new.XXXXXX")
    # shellcheck disable=SC2064 # the folder of now
    trap "rm -rf '$fresh'" EXIT
    mvn -q -B -Dstyle.color=never -f "$POM" dependency:copy-dependencies -DoutputDirectory="$fresh/lib" </dev/null >&2 ||
        fail "Maven could not fetch it, see above"
    cp "$POM" "$fresh/pom.xml"
    rm -rf "$CACHE"
    mv "$fresh" "$CACHE"
    trap - EXIT
}

# A broker that cannot listen takes seconds to say so, on many lines.
require_free() {
    ! (exec 3<>"/dev/tcp/127.0.0.1/$2") 2>/dev/null ||
        fail "port $2 is in use by another program: choose a free one with $1, or stop that program"
}

run() {
    local folder=${1:-} port=6650 admin_port=8080 more=/dev/null loopback=lo java package opens=()
    [ -n "$folder" ] || usage
    shift
    while [ $# -gt 0 ]; do
        [ $# -ge 2 ] || usage
        case $1 in
        --port) port=$2 ;;
        --admin-port) admin_port=$2 ;;
        --with) more=$(realpath "$2") ;;
        *) usage ;;
        esac
        shift 2
    done
    java=$(java)
    require_free --port "$port"
    require_free --admin-port "$admin_port"
    install
    mkdir -p "$folder"
    cd "$folder"
    lock lock -n || fail "another broker runs in $folder"
    [ "$(uname)" = Linux ] || loopback=lo0
    sed -e "s/@PORT@/$port/; s/@ADMIN_PORT@/$admin_port/; s/@LOOPBACK@/$loopback/" "$HERE/pulsar/standalone.conf" \
        "$more" >standalone.conf
    for package in java.base/{java.io,java.nio,java.util.zip,sun.net} java.base/jdk.internal.{loader,misc,platform} \
        java.management/sun.management; do
        opens+=(--add-opens "$package=ALL-UNNAMED")
    done
    # The broker shares few cores with all else, and lives for minutes. Optimizing its code (C2) and collecting in
    # parallel (G1) took as much of them as the broker itself: half of what a start cost, and half of what publishing
    # a million messages did.
    # shellcheck disable=SC2086 # each is several options
    exec "$java" ${PULSAR_MEM:--Xms128m -Xmx400m -XX:MaxDirectMemorySize=400m} \
        ${PULSAR_GC:--XX:+UseSerialGC -XX:TieredStopAtLevel=1} "${opens[@]}" \
        -Dio.netty.tryReflectionSetAccessible=true -Dlog4j2.configurationFile="$HERE/pulsar/log4j2.properties" \
        -Djava.util.logging.config.file=/dev/null -cp "$CACHE/lib/*" org.apache.pulsar.PulsarStandaloneStarter \
        --config standalone.conf --no-stream-storage --no-functions-worker \
        --metadata-dir metadata --bookkeeper-dir bookkeeper </dev/null
}

ready() {
    local admin=${1:-} seconds=${2:-60}
    [ -n "$admin" ] || usage
    SECONDS=0
    until curl -sf -o /dev/null --max-time 5 "${admin%/}/admin/v2/namespaces/public/default"; do
        [ "$SECONDS" -lt "$seconds" ] || fail "no broker serves at $admin after $seconds s"
        sleep 0.2
    done
}

case ${1:-} in
install | run | ready | java) "$@" ;;
*) usage ;;
esac
