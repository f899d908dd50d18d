#!/usr/bin/env bash
# Checks docker-compose.yml and the Dockerfile without an engine: the schema of the Compose Specification, hadolint, and
# what no linter knows: that they agree with each other and with the rest of this repository.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
    echo "check-compose: $*" >&2
    exit 1
}

scripts/python.sh -m check_jsonschema --quiet --builtin-schema vendor.compose-spec docker-compose.yml
scripts/python.sh -c '
import os, sys, sysconfig
hadolint = os.path.join(sysconfig.get_path("scripts"), "hadolint")
os.execv(hadolint, [hadolint, "--no-color", *sys.argv[1:]])' Dockerfile

rust=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
grep -q "^FROM rust:$rust-" Dockerfile || fail "Dockerfile: not built with Rust $rust, the version of Cargo.toml"
for manifest in */Cargo.toml; do
    grep -q "^COPY $manifest " Dockerfile || fail "Dockerfile: the layer of dependencies lacks $manifest"
done

scripts/python.sh - <<'PYTHON'
import re
import sys
from pathlib import Path

from ruamel.yaml import YAML

compose = YAML(typ="safe").load(Path("docker-compose.yml"))
services = compose["services"]
faults = []


def claim(holds, fault):
    if not holds:
        faults.append(f"docker-compose.yml: {fault}")


for name, service in services.items():
    claim("healthcheck" in service, f"{name} has no health check")
    for key in ("interval", "timeout", "start_period"):
        duration = service.get("healthcheck", {}).get(key, "")
        claim(re.fullmatch(r"(\d+(ms|s|m|h))+", duration), f"{name}: {key} of its health check is no duration")
    claim("restart" in service, f"{name} is not started again when it ends")
    for other, how in service.get("depends_on", {}).items():
        claim(other in services, f"{name} depends on {other}, which is not there")
        claim(how["condition"] == "service_healthy", f"{name} does not wait until {other} is healthy")
    for volume in service.get("volumes", []):
        source = volume.split(":")[0]
        claim(source[0] in "./" or source in compose["volumes"], f"{name} mounts {source}, which is not declared")

# One broker in development and here.
broker = services["pulsar"]
version = re.search("<pulsar.version>(.*)</pulsar.version>", Path("scripts/pulsar/pom.xml").read_text())[1]
claim(broker["image"] == f"apachepulsar/pulsar:{version}", f"pulsar is not {version}, the version of scripts/pulsar")
lines = Path("scripts/pulsar/standalone.conf").read_text().splitlines()
settings = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
for variable, value in broker["environment"].items():
    name = variable.removeprefix("PULSAR_PREFIX_")
    claim(name == variable or settings.get(name) == value, f"{name} is not as in scripts/pulsar/standalone.conf")

sys.exit("\n".join(faults) or 0)
PYTHON
