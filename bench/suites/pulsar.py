"""From Pulsar: a backlog on 1, 2 and 4 partitions, beside the same from a file; and the intake with a broker."""

import os
import time
import urllib.request
from contextlib import contextmanager

from support.alpes import Alpes, RELEASE, ROOT, generate
from support.load import saturate
from support.process import cpu_seconds, free_port, peak_mb, run, start
from support.report import setting
from suites.line import add, from_file

SETTINGS = {"EVENTS": setting("EVENTS", 1_000_000), "SECONDS": setting("SECONDS", 10), "RUNS": setting("RUNS", 3)}
EVENTS, SECONDS, RUNS = SETTINGS.values()
PARTITIONS = [1, 2, 4]
CONNECTIONS = [64, 256, 512]
TOPIC = "/admin/v2/persistent/public/default/alpes-comandos/partitions"
READ = "(SELECT sum(messages) FROM lines WHERE source LIKE 'alpes-comandos%')"


def measure(report, folder):
    file = generate(folder / "events.ndjson", EVENTS)
    for run_number in range(RUNS):
        of_file = from_file(report, folder, file, bounded=False)
        for partitions in PARTITIONS:
            with broker(folder / f"broker-{run_number}-{partitions}") as (process, url, admin):
                backlog(report, folder, file, partitions, process, url, admin, of_file)


@contextmanager
def broker(folder):
    """A broker of its own: its process, its URL, and that of its admin interface."""
    port, admin_port = free_port(), free_port()
    admin = f"http://127.0.0.1:{admin_port}"
    script = ROOT / "scripts/pulsar.sh"
    log = open(folder.with_suffix(".log"), "w")
    command = [script, "run", folder, "--port", str(port), "--admin-port", str(admin_port)]
    process = start(command, env=os.environ | {"PULSAR_LOG_LEVEL": "error"}, stdout=log, stderr=log)
    try:
        run([script, "ready", admin, "120"])
        yield process, f"pulsar://127.0.0.1:{port}", admin
    finally:
        process.kill()
        process.wait()


def backlog(report, folder, file, partitions, broker, url, admin, of_file):
    """Commands that wait on so many partitions, then a pipeline that starts and reads them; then single POSTs."""
    case = f"Pulsar, {partitions} partitions"
    # One more, which is for campaigns.
    body, headers = str(partitions + 1).encode(), {"Content-Type": "application/json"}
    urllib.request.urlopen(urllib.request.Request(admin + TOPIC, body, headers, method="PUT"))
    published = run([RELEASE / "examples/produce", file, url, admin]).stdout
    report.add(case, published_per_s=int(published.split(" published, ")[1].split("/")[0]))
    alpes = Alpes(folder / "data", PULSAR_URL=url, PULSAR_ADMIN=admin, ALPES_RELAY="off")
    with alpes.serving("queries"):
        alpes.warm()
        before, cpu, begun = alpes.tally(), cpu_seconds(broker.pid), time.monotonic()
        with alpes.started("pipeline") as pipeline:
            alpes.wait_until(f"{READ} >= {EVENTS}")
            seconds = time.monotonic() - begun
            add(report, case, EVENTS, seconds, cpu_seconds(pipeline.pid), peak_mb(pipeline.pid), alpes.tally() - before)
            report.add(case, CPU_s_broker=cpu_seconds(broker.pid) - cpu, of_file=of_file / seconds)
    if partitions == max(PARTITIONS):
        singles(report, alpes)
    alpes.verify()
    alpes.remove()


def singles(report, alpes):
    """Single POSTs, each 202 with the broker's receipt; all of them must be counted."""
    answered = 0
    with alpes.serving("api"):
        for connections in CONNECTIONS:
            accepted, rate, p99 = saturate(alpes.url, connections, SECONDS)
            answered += accepted
            report.add(f"single POSTs, {connections} connections", accepted_per_s=rate, p99_ms=p99)
    with alpes.serving("pipeline"):
        alpes.wait_until(f"{READ} >= {EVENTS + answered}")
