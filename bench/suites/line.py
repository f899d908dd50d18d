"""The line: a file of events, or the log, into PostgreSQL; beside COPY of the same final rows."""

import subprocess
import time
from threading import Thread

from support.alpes import Alpes, generate
from support.process import cpu_seconds, peak_mb, run
from support.report import setting

SETTINGS = {"EVENTS": setting("EVENTS", 1_000_000), "RUNS": setting("RUNS", 3)}
EVENTS, RUNS = SETTINGS.values()
MB = 1_000_000

# What the bound writes, over two connections side by side.
BOUND = [["claims", "windows", "window_amounts"], ["impressions", "conversions"]]
# Claims lie sorted by key within each batch, which makes them a quarter cheaper to copy; events arrive in another order.
ARRIVAL = {table: "ORDER BY ledger, entry, index" for table in ("claims", "impressions", "conversions")}
# Leaves the rows of impressions and clicks out.
WITHOUT_RAW_ROWS = {"ALPES_RAW_ROWS": "drop"}
# Lines that a file is dealt out to, beside the default, which is 4.
PARTITIONS = (1, 2, 3)


def measure(report, folder):
    file = generate(folder / "events.ndjson", EVENTS)
    modes = {"file": {}, "file, without raw rows": WITHOUT_RAW_ROWS}
    for _ in range(RUNS):
        for partitions in PARTITIONS:
            from_file(report, folder, file, f"file, partitions: {partitions}", bounded=False, partitions=partitions)
        seconds = {}
        for case, settings in modes.items():
            seconds[case] = from_file(report, folder, file, case, settings)
        took = from_log(report, folder, file)
        report.add("log, backlog", of_file=seconds["file"] / took)
        of_file = seconds["file"] / seconds["file, without raw rows"]
        # The file's own bound, raw rows included, for both.
        of_bound = report.measures["file", "of bound"][-1] * of_file
        report.add("file, without raw rows", of_file=of_file, of_bound_with_raw_rows=of_bound)


def from_file(report, folder, file, case="file", settings=None, bounded=True, partitions=None):
    """One run of `alpes backfill` into a fresh database; returns its seconds."""
    alpes = Alpes(folder / "data", **(settings or {}))
    with alpes.serving("queries"):  # makes the cluster beforehand, and keeps it up for what is measured after it
        report.note_postgres(alpes)
        alpes.warm()
        before = alpes.tally()
        done, counted = alpes.backfill(file, partitions=partitions)
        taken = alpes.tally() - before
        seconds = counted["milliseconds"] / 1000
        add(report, case, EVENTS, seconds, done.cpu_seconds, done.peak_mb, taken)
        if bounded:
            report.add(case, of_bound=bound(alpes, folder) / seconds)
    alpes.verify()
    alpes.remove()
    return seconds


def add(report, case, events, seconds, cpu, peak, taken):
    """What a run took, by the measures that all sources have."""
    report.add(case, lines_per_s=events / seconds, CPU_s_Alpes=cpu, CPU_s_PostgreSQL=taken.cpu_seconds,
               peak_MB_Alpes=peak, WAL_B_per_line=taken.wal_bytes / events,
               tables_B_per_line=taken.table_bytes / events, indexes_B_per_line=taken.index_bytes / events)


def bound(alpes, folder):
    """Seconds that COPY takes for the same final rows into the same keyed tables, in the order in which events came."""
    for table in sum(BOUND, []):
        alpes.sql(f"CREATE TABLE bound_{table} (LIKE {table} INCLUDING ALL)")
        with open(folder / table, "wb") as rows:
            out = alpes.psql("-c", f"COPY (SELECT * FROM {table} {ARRIVAL.get(table, '')}) TO STDOUT (FORMAT binary)")
            subprocess.run(out, stdout=rows, check=True)

    def copy(tables):
        for table in tables:
            with open(folder / table, "rb") as rows:
                run(alpes.psql("-c", f"COPY bound_{table} FROM STDIN (FORMAT binary)"), stdin=rows)

    alpes.checkpoint()
    begun = time.monotonic()
    connections = [Thread(target=copy, args=(tables,)) for tables in BOUND]
    for connection in connections:
        connection.start()
    for connection in connections:
        connection.join()
    seconds = time.monotonic() - begun
    for table in sum(BOUND, []):
        copied = alpes.sql(f"SELECT (SELECT count(*) FROM bound_{table}) = (SELECT count(*) FROM {table})")
        assert copied == "t", f"the bound did not copy all {table}"
        alpes.sql(f"DROP TABLE bound_{table}")
        (folder / table).unlink()
    return seconds


def from_log(report, folder, file):
    """The log in PostgreSQL is filled over HTTP; then a pipeline starts and reads all of it. Returns its seconds."""
    alpes = Alpes(folder / "data")
    with alpes.serving("api"):
        alpes.run("load", file, "--url", alpes.url)
    with alpes.serving("queries"):
        alpes.checkpoint()
        logged, before = alpes.logged(), alpes.tally()
        begun = time.monotonic()
        with alpes.started("pipeline") as pipeline:
            alpes.wait_until_read()
            seconds = time.monotonic() - begun
            cpu, peak = cpu_seconds(pipeline.pid), peak_mb(pipeline.pid)
            add(report, "log, backlog", logged, seconds, cpu, peak, alpes.tally() - before)
            alpes.wait_for("pipeline", pipeline)
    alpes.verify()
    alpes.remove()
    return seconds
