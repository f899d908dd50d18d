"""Operators: time and allocations (`cargo bench`) and instructions (callgrind), which no load blurs, of one event."""

import re
import subprocess

from support.alpes import RELEASE, ROOT
from support.process import run
from support.report import setting

SETTINGS = {"RUNS": setting("RUNS", 3)}
(RUNS,) = SETTINGS.values()
OPERATORS = ["decode", "validate", "claim", "window", "total", "commission"]
CALLGRIND = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", "--collect-atstart=no",
             "--toggle-collect=*measured*"]
CARGO_BENCH = ["cargo", "bench", "--quiet", "--locked", "--bench", "operators"]
COLLECTED = re.compile(r"Collected : (\d+)")
# The name of an operator, then its fastest, slowest and median time.
TIMES = re.compile(r"─ [a-z]_(\w+)" + r" +(?:│ +)?([\d.]+) ([nµm]?s)" * 3)
# Later in its block: how many allocations.
ALLOCATIONS = re.compile(r"^[│ ]+alloc: .*\n[│ ]+([\d.]+) ", re.MULTILINE)
IN_US = {"ns": 0.001, "µs": 1, "ms": 1_000, "s": 1_000_000}


def measure(report, _folder):
    for _ in range(RUNS):
        for operator in OPERATORS:
            events, instructions = count(operator)
            report.add(operator, instructions_per_event=instructions / events)
        for operator, median_us, allocations in benched():
            report.add(operator, us_per_event=median_us / events, allocations_per_event=allocations / events)


def count(operator):
    """The events of the batch, and the instructions that the operator took for them."""
    command = [*CALLGRIND, RELEASE / "examples/operators", operator]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout), int(COLLECTED.search(done.stderr)[1])


def benched():
    """What `cargo bench` says of each operator: the median time in microseconds, and its allocations, of a batch."""
    said = run([*CARGO_BENCH, "--manifest-path", ROOT / "Cargo.toml"]).stdout
    found = list(TIMES.finditer(said))
    for times, following in zip(found, [*found[1:], None]):
        name, *_, median, unit = times.groups()
        allocations = ALLOCATIONS.search(said, times.end(), following.start() if following else len(said))
        yield name, float(median) * IN_US[unit], float(allocations[1]) if allocations else 0
