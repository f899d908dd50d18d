#!/usr/bin/env bash
# Installs what a build needs from the system where it is missing: a C compiler and protoc. With `test`,
# also what the tests start by themselves: PostgreSQL, a Pulsar broker, the users' Python client; with `bench`, what the
# benchmarks measure with: wrk, valgrind, psql, zstd. Says nothing when everything is there.
set -euo pipefail

# The oldest PostgreSQL that Alpes works with.
POSTGRES_MAJOR_MIN=15

fail() {
    echo "setup: $*" >&2
    exit 1
}

has() {
    command -v "$1" >/dev/null 2>&1
}

has_postgres() {
    local postgres version
    for postgres in "$(command -v postgres || true)" /usr/lib/postgresql/*/bin/postgres \
        /usr/pgsql-*/bin/postgres /usr/libexec/postgresql*/postgres \
        /opt/homebrew/opt/postgresql@*/bin/postgres /usr/local/opt/postgresql@*/bin/postgres; do
        [ -x "$postgres" ] || continue
        version=$("$postgres" --version | sed -E 's/^[^0-9]*([0-9]+).*/\1/')
        [ "$version" -ge "$POSTGRES_MAJOR_MIN" ] && return 0
    done
    return 1
}

# As root, or through sudo where there is one.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@" </dev/null
    elif has sudo; then
        sudo "$@" </dev/null
    else
        fail "'$*' needs root: run it as root, or install sudo"
    fi
}

# Package lists of an image may be missing or old: they are fetched only if an install fails without.
apt_install() {
    local install=(env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@")
    as_root true
    as_root "${install[@]}" >/dev/null 2>&1 && return
    as_root apt-get update -qq >/dev/null
    as_root "${install[@]}" >/dev/null
}

# Debian makes and starts a cluster of its own with the package: here only its programs are wanted.
without_debians_cluster() {
    local folder=/etc/postgresql-common/createcluster.d
    as_root mkdir -p "$folder"
    echo 'create_main_cluster = false' | as_root_tee "$folder/alpes.conf"
}

as_root_tee() {
    if [ "$(id -u)" = 0 ]; then tee "$1" >/dev/null; else sudo tee "$1" >/dev/null; fi
}

# install <what it is> <apt> <dnf> <apk> <brew>
install() {
    echo "setup: installing $1"
    if has apt-get; then
        apt_install $2
    elif has dnf; then
        as_root dnf install -y -q $3
    elif has apk; then
        as_root apk add --quiet $4
    elif has brew; then
        [ -n "$5" ] || fail "no $1: run 'xcode-select --install'"
        brew install --quiet "$5" </dev/null
    else
        fail "no $1, and none of apt-get, dnf, apk, brew to install it with: install it by hand"
    fi
}

has cargo || fail "no cargo: install Rust, https://rustup.rs"
has cc || install "a C compiler" "gcc libc6-dev" gcc build-base ""
has protoc || install protoc protobuf-compiler protobuf-compiler protoc protobuf
for program in cc protoc; do
    has "$program" || fail "$program is still missing: install it by hand"
done

install_postgres() {
    has_postgres && return
    has apt-get && without_debians_cluster
    install "PostgreSQL" postgresql postgresql-server postgresql postgresql@17
    has_postgres || echo "setup: no PostgreSQL $POSTGRES_MAJOR_MIN or newer: each test downloads one" >&2
}

install_for_bench() {
    install_postgres
    has psql || install psql postgresql-client postgresql postgresql-client postgresql@17
    has zstd || install zstd zstd zstd zstd zstd
    has wrk || install wrk wrk wrk wrk wrk
    has valgrind || install valgrind valgrind valgrind valgrind valgrind
    has python3 || install Python python3 python3 python3 python3
}

if [ "${1:-}" = bench ]; then
    install_for_bench
    exit 0
fi
[ "${1:-}" = test ] || exit 0
scripts=$(dirname "${BASH_SOURCE[0]}")

install_postgres
has curl || install curl curl curl curl curl
has openssl || install OpenSSL openssl openssl openssl openssl
has mvn || install Maven maven maven maven maven
"$scripts/pulsar.sh" java >/dev/null 2>&1 ||
    install Java default-jre-headless java-21-openjdk-headless openjdk21-jre-headless openjdk
python3 -c 'import ensurepip, venv' 2>/dev/null || install Python "python3 python3-venv" python3 python3 python3
"$scripts/pulsar.sh" install
"$scripts/python.sh" -c ''
