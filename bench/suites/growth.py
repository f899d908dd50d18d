"""Growth: files of a million new events, one after another, into one database; vacuum, `kill -9`, starting again."""

import subprocess
import time
from threading import Thread

from support.alpes import ALPES, Alpes, generate
from support.process import start, wait_until
from support.report import setting
from suites.line import add

# DISK_MAX_GB: files stop coming when so much disk is used. Three more follow, and their write-ahead log.
SETTINGS = {
    "EVENTS": setting("EVENTS", 1_000_000), "GROWTH": setting("GROWTH", 30), "DISK_MAX_GB": setting("DISK_MAX_GB", 30),
}
EVENTS, GROWTH, DISK_MAX_GB = SETTINGS.values()
READ = "SELECT coalesce(sum(messages), 0) FROM lines WHERE source LIKE 'file-%'"
WATCH_S = 0.05
LARGEST = """
SELECT regexp_replace(relname, '_[0-9_-]+$', ''), sum(pg_total_relation_size(oid)) FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace GROUP BY 1 ORDER BY 2 DESC LIMIT 8
"""
USED = "SELECT pg_database_size('alpes') + (SELECT sum(size) FROM pg_ls_waldir())"


def measure(report, folder):
    alpes = Alpes(folder / "data")
    with alpes.serving("queries"):
        report.note_postgres(alpes)
        rates = grow(report, alpes, folder)
        report.add("all", last_of_first=rates[-1] / rates[0], slowest_of_fastest=min(rates) / max(rates))
        vacuumed(report, alpes, folder, len(rates), rates[-1])
        killed(report, alpes, folder, len(rates) + 1)
        for table, size in largest(alpes):
            report.add(table, B_per_line=size / (EVENTS * (len(rates) + 2)))
    started = time.monotonic()
    with alpes.serving("up"):
        report.add("start of `alpes up`", s=time.monotonic() - started)
    alpes.verify()


def grow(report, alpes, folder):
    """Counts the files; returns their lines a second."""
    rates = []
    for number in range(GROWTH):
        rates.append(one_more(report, alpes, folder, number, f"file {number + 1:3}"))
        used_gb = int(alpes.sql(USED)) / 1e9
        report.add(f"file {number + 1:3}", disk_GB=used_gb)
        if used_gb > DISK_MAX_GB:
            print(f"{used_gb:.0f} GB are used after {number + 1} files: that is enough")
            break
    return rates


def one_more(report, alpes, folder, number, case):
    """Counts a new file; returns the lines a second."""
    file = generate(folder / "events.ndjson.zst", EVENTS, number)
    before = alpes.tally()
    done, counted = alpes.backfill(file)
    file.unlink()
    seconds = counted["milliseconds"] / 1000
    add(report, case, EVENTS, seconds, done.cpu_seconds, done.peak_mb, alpes.tally() - before)
    return EVENTS / seconds


def vacuumed(report, alpes, folder, number, usual):
    """Counts a file while everything is vacuumed."""
    took = []

    def vacuum():
        begun = time.monotonic()
        alpes.sql("VACUUM (ANALYZE)")
        took.append(time.monotonic() - begun)

    vacuuming = Thread(target=vacuum)
    vacuuming.start()
    rate = one_more(report, alpes, folder, number, "during VACUUM")
    vacuuming.join()
    report.add("during VACUUM", of_last=rate / usual, VACUUM_s=took[0])


def killed(report, alpes, folder, number):
    """Kills a backfill half-way; how long until the next one commits, and that it counts the rest."""
    file = generate(folder / "events.ndjson.zst", EVENTS, number)
    read = lambda: int(alpes.sql(READ))
    before = read()
    command = [ALPES, "backfill", file]
    first = start(command, env=alpes.env, stdout=subprocess.DEVNULL)
    alpes.wait_until(f"({READ}) >= {before + EVENTS / 2}")
    first.kill()
    first.wait()
    reached, begun = settled_at(read), time.monotonic()
    second = start(command, env=alpes.env, stdout=subprocess.DEVNULL)
    wait_until("the next commit", lambda: read() > reached or second.poll() is not None, poll=WATCH_S)
    report.add("after kill -9", next_commit_s=time.monotonic() - begun)
    assert second.wait() == 0, "the backfill did not finish"
    assert read() - before >= EVENTS, "lines are missing"
    file.unlink()


def settled_at(read):
    """What is read, once no commit of a killed process is still under way."""
    reached = None
    while reached != (reached := read()):
        time.sleep(1)
    return reached


def largest(alpes):
    """Bytes of each kind of table with its indexes, daily partitions together, the greatest first."""
    return [(table, int(size)) for table, size in (line.split("|") for line in alpes.sql(LARGEST).splitlines())]
