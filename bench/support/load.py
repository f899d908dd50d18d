"""Load over HTTP: as fast as connections allow (wrk), and by a schedule (examples/openloop.rs)."""

import json
import re
import http.client
import time

from support.alpes import RELEASE, ROOT
from support.process import run
from support.report import percentile

LATENCY = re.compile(r"99%\s+([\d.]+)(us|ms|s)")
IN_MS = {"us": 0.001, "ms": 1, "s": 1000}
WARM_UP = 20


def saturate(url, connections, seconds):
    """Single POSTs over so many connections; returns how many were answered 202, their rate, and their p99 in ms."""
    said = run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", ROOT / "bench/post.lua",
                f"{url}/tracking/impresiones"]).stdout
    accepted = int(re.search(r"accepted (\d+)", said)[1])
    took = float(re.search(r"requests in ([\d.]+)s", said)[1])
    slow, unit = LATENCY.search(said).groups()
    return accepted, accepted / took, float(slow) * IN_MS[unit]


def by_schedule(port, per_second, seconds, probes_per_second=0):
    """POSTs and probes that are due at fixed instants, their times counted from there."""
    numbers = map(str, (per_second, seconds, probes_per_second))
    done = run([RELEASE / "examples/openloop", f"127.0.0.1:{port}", *numbers])
    return json.loads(done.stdout)


def ask(connection, path):
    """One GET over a connection that stays open; returns the milliseconds until the answer is there, and its body."""
    begun = time.perf_counter()
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    took = (time.perf_counter() - begun) * 1000
    assert answer.status == 200, (path, answer.status, body[:300])
    return took, body


def ask_all(report, port, case, rounds, path):
    """Asks what `path()` gives, one after another, and adds the figures to the report."""
    [figures] = ask_by_turns(rounds, (port, path))
    report.add(case, **figures)


def compare(report, case, rounds, first, second):
    """Asks two servers, each a port and a `path`, by turns; adds the second's figures through the first's."""
    by, of = ask_by_turns(rounds, first, second)
    report.add(case, **{name.removesuffix("_ms"): of[name] / by[name] for name in by})


def ask_by_turns(rounds, *servers):
    """For each server the percentiles of its answers' milliseconds and bytes."""
    answers = [[] for _ in servers]
    connections = [http.client.HTTPConnection("127.0.0.1", port) for port, _ in servers]
    for _ in range(WARM_UP + rounds):
        for connection, (_, path), answered in zip(connections, servers, answers):
            took, body = ask(connection, path())
            answered.append((took, len(body)))
    for connection in connections:
        connection.close()
    return [figures(*zip(*answered[WARM_UP:])) for answered in answers]


def figures(took, lengths):
    return {"p50_ms": percentile(took, 0.5), "p99_ms": percentile(took, 0.99), "p50_bytes": percentile(lengths, 0.5)}
