"""The intake: single POSTs and batches into `alpes api`, every 202 durable; beside an axum server that does nothing."""

import gzip
import http.client
import json
import subprocess
import time
from contextlib import contextmanager
from itertools import islice

from support.alpes import Alpes, RELEASE, generate
from support.load import by_schedule, saturate
from support.process import cpu_seconds, free_port, is_alive, start, wait_until
from support.report import setting

SETTINGS = {"EVENTS": setting("EVENTS", 1_000_000), "SECONDS": setting("SECONDS", 10), "RUNS": setting("RUNS", 3)}
EVENTS, SECONDS, RUNS = SETTINGS.values()
CONNECTIONS = [64, 256, 512, 1024]
PARALLEL = [1, 4]
BATCH_LINES = 20_000
# A server writes what it had under way when wrk left.
AFTER_WRK_S = 2


def measure(report, folder):
    file, alpes = generate(folder / "events.ndjson", EVENTS), Alpes(folder / "data")
    bodies = packed(file)
    for _ in range(RUNS):
        with alpes.serving("api") as server:
            report.note_postgres(alpes)
            alpes.warm()
            rates = [singles(report, alpes, server, connections) for connections in CONNECTIONS]
            half = int(max(rates) / 2)
            # Segments of the write-ahead log are there, as in a cluster that has been at work.
            alpes.checkpoint()
            answers = by_schedule(alpes.http, half, SECONDS)["answered"]
            report.add("at half of the most", requests_per_s=half, p50_ms=answers["p50"] / 1000,
                       p99_ms=answers["p99"] / 1000, **{"p99.9 ms": answers["p999"] / 1000})
            for parallel in PARALLEL:
                loaded(report, alpes, file, parallel)
            for packing, batches in bodies.items():
                posted(report, alpes, packing, batches)
        with alpes.serving("pipeline"):
            alpes.wait_until_read()
    alpes.verify()


def singles(report, alpes, server, connections):
    """One run of single POSTs; every 202 must be in the log. Returns the rate."""
    case = f"single POSTs, {connections} connections"
    logged, before, cpu = alpes.logged(), alpes.tally(), cpu_seconds(server.pid)
    accepted, rate, p99 = saturate(alpes.url, connections, SECONDS)
    cpu, taken = cpu_seconds(server.pid) - cpu, alpes.tally() - before
    time.sleep(AFTER_WRK_S)
    logged = alpes.logged() - logged
    assert logged >= accepted, f"{accepted} answered 202, {logged} in the log"
    with bare() as (url, process):
        answered, bound, bound_p99 = saturate(url, connections, SECONDS)
        bound_cpu = cpu_seconds(process.pid)
    report.add(case, accepted_per_s=rate, of_bare_axum=rate / bound, p99_ms=p99, p99_ms_bare=bound_p99,
               CPU_us_Alpes=1e6 * cpu / accepted, CPU_us_PostgreSQL=1e6 * taken.cpu_seconds / accepted,
               CPU_us_bare=1e6 * bound_cpu / answered)
    return rate


@contextmanager
def bare():
    """An axum server that parses the body and answers 202."""
    port = free_port()
    server = start([RELEASE / "examples/bare", f"127.0.0.1:{port}"])
    try:
        wait_until("the bare server answers", lambda: is_alive(port))
        yield f"http://127.0.0.1:{port}", server
    finally:
        server.terminate()
        server.wait()


def loaded(report, alpes, file, parallel):
    """`alpes load`, which packs with zstd. A file that was loaded before would be a no-op: its keys are forgotten."""
    alpes.sql("DELETE FROM log_chunks")
    logged = alpes.logged()
    done = alpes.run("load", file, "--url", alpes.url, "--paralelo", parallel, "--json")
    durable = alpes.logged() - logged
    rate = 1000 * durable / json.loads(done.stdout)["milliseconds"]
    assert durable == EVENTS, f"{durable} of {EVENTS} in the log"
    report.add(f"alpes load, {parallel} at once", commands_per_s=rate)


def packed(file):
    """The lines in bodies of requests, by their Content-Encoding."""
    with open(file, "rb") as lines:
        plain = [b"".join(batch) for batch in iter(lambda: list(islice(lines, BATCH_LINES)), [])]
    zstd = [subprocess.run(["zstd", "-1qc"], input=body, capture_output=True, check=True).stdout for body in plain]
    return {"identity": plain, "gzip": [gzip.compress(body, 6) for body in plain], "zstd": zstd}


def posted(report, alpes, packing, bodies):
    """Prepared bodies, one after another over one connection."""
    logged, begun = alpes.logged(), time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", alpes.http)
    headers, said = {"Content-Type": "application/x-ndjson", "Content-Encoding": packing}, 0
    for body in bodies:
        connection.request("POST", "/tracking/lotes", body, headers)
        answer = connection.getresponse()
        tally = json.loads(answer.read())
        assert answer.status == 202, tally
        said += tally["aceptados"] + tally["rechazados"]
    seconds = time.monotonic() - begun
    connection.close()
    durable = alpes.logged() - logged
    assert durable == said == EVENTS, f"{said} answered, {durable} of {EVENTS} in the log"
    report.add(f"batches, {packing}", commands_per_s=said / seconds)
