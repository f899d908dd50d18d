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
    """Asks what `path()` gives, one after another, and adds the percentiles to the report."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    for _ in range(WARM_UP):
        ask(connection, path())
    answers = [ask(connection, path()) for _ in range(rounds)]
    took = [took for took, _ in answers]
    bytes = percentile([len(body) for _, body in answers], 0.5)
    report.add(case, p50_ms=percentile(took, 0.5), p99_ms=percentile(took, 0.99), p50_bytes=bytes)
    connection.close()
