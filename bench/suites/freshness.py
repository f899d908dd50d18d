"""Freshness: from the instant at which a POST is due until the event is in `estadisticas`, under a steady load."""

import time

from support.alpes import Alpes
from support.load import by_schedule, saturate
from support.process import cpu_seconds
from support.report import setting

SETTINGS = {"SECONDS": setting("SECONDS", 30), "RUNS": setting("RUNS", 3)}
SECONDS, RUNS = SETTINGS.values()
RATES = [100, 1_000, 5_000]
SHARE_OF_SATURATION = 0.8
# With fewer the wait for the disk limits the rate, not the machine.
SATURATION_CONNECTIONS = 256
SATURATION_S = 10
# What follows the reading (closing windows, rolling up) may come to its end.
REST_S = 3
# With the usual 30 seconds more than a thousand, as a 99.9th percentile needs.
PROBES_PER_S = 40


def measure(report, folder):
    alpes = Alpes(folder / "data")
    with alpes.serving("up") as server:
        report.note_postgres(alpes)
        alpes.warm()
        for _ in range(RUNS):
            _, most, _ = saturate(alpes.url, SATURATION_CONNECTIONS, SATURATION_S)
            report.add("all of `alpes up` saturated", events_per_s=most)
            for rate in RATES:
                at(report, alpes, server, f"{rate} events/s", rate)
            at(report, alpes, server, f"{SHARE_OF_SATURATION:.0%} of saturation", int(SHARE_OF_SATURATION * most))
        alpes.wait_until_read()
    alpes.verify()


def at(report, alpes, server, case, rate):
    """One rate, after everything before it has been read."""
    alpes.wait_until_read()
    time.sleep(REST_S)
    cpu, before, begun = cpu_seconds(server.pid), alpes.tally(), time.monotonic()
    seen = by_schedule(alpes.http, rate, SECONDS, PROBES_PER_S)
    seconds = time.monotonic() - begun
    cpu, taken = cpu_seconds(server.pid) - cpu, alpes.tally() - before
    visible, answered = seen["visible"], seen["answered"]
    report.add(case, answered_per_s=answered["count"] / seconds, visible_p50_ms=visible["p50"] / 1000,
               visible_p99_ms=visible["p99"] / 1000, **{"visible p99.9 ms": visible["p999"] / 1000},
               answered_p99_ms=answered["p99"] / 1000, probes=visible["count"],
               cores_Alpes=cpu / seconds, cores_PostgreSQL=taken.cpu_seconds / seconds)
