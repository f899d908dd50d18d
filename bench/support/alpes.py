"""An Alpes with a data folder of its own, its embedded PostgreSQL, and the events for it."""

import json
import os
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from support.process import cpu_seconds, free_port, is_alive, run, start, wait_until

ROOT = Path(__file__).resolve().parents[2]
RELEASE = ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "release"
ALPES = RELEASE / "alpes"
SEED = 7
# A million events in six hours; fewer come in as many hours less, so that a minute has as many of them.
EVENTS_EACH, HOURS_EACH = 1_000_000, 6
FIRST_EVENT = datetime(2026, 1, 1, tzinfo=timezone.utc)
START_MAX_S = 120
START_POLL_S = 0.02
CATCH_UP_MAX_S = 3600

# Rows of the line's tables that take the space; the log is counted with them where it is the source.
SIZES = """
SELECT coalesce(sum(pg_table_size(c.oid)), 0), coalesce(sum(pg_indexes_size(c.oid)), 0), pg_current_wal_lsn() - '0/0'
FROM pg_class c WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
"""
IS_READ = """
NOT EXISTS (SELECT FROM log_heads h LEFT JOIN lines l ON l.flow = h.flow AND l.source = 'log-' || h.partition
            WHERE coalesce(l.entry, -1) + 1 < h.next)
"""
# As much as a million lines take, of buffers and of the write-ahead log.
WARMING = "CREATE TABLE warm AS SELECT g, repeat('x', 200) FROM generate_series(1, 2200000) g"
IS_SETTLED = """
NOT EXISTS (SELECT FROM unsettled) AND (SELECT closed_through > clock_timestamp() - interval '1 hour' FROM facts)
"""
LOOKS_EVERY_S = 0.02


@dataclass
class Tally:
    """What PostgreSQL has taken and written so far."""

    cpu_seconds: float
    table_bytes: int
    index_bytes: int
    wal_bytes: int

    def __sub__(self, before):
        return Tally(*(getattr(self, name) - getattr(before, name) for name in self.__dataclass_fields__))


class Alpes:
    """Everything is relative to `folder`; servers listen at ports that were free."""

    def __init__(self, folder, **settings):
        self.folder = Path(folder)
        self.settings = settings
        self.http, self.queries = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.http}"
        self.env = os.environ | {
            "ALPES_DATA": str(self.folder), "ALPES_HTTP": f"127.0.0.1:{self.http}",
            "ALPES_QUERIES": f"127.0.0.1:{self.queries}", "ALPES_LOG": "error",
        } | settings

    def run(self, *arguments):
        """A subcommand, to its end."""
        return run([ALPES, *map(str, arguments)], self.env)

    def backfill(self, *files, partitions=None):
        """Counts files; returns the process and the sums over the files."""
        dealt = [] if partitions is None else ["--partitions", str(partitions)]
        done = self.run("backfill", "--json", *dealt, *files)
        reports = [json.loads(line) for line in done.stdout.splitlines()]
        return done, {key: sum(report[key] for report in reports) for key in ("lines", "accepted", "milliseconds")}

    @contextmanager
    def serving(self, role):
        """A role as a server of its own, from when it answers until it has stopped well."""
        with self.started(role) as server:
            self.wait_for(role, server)
            yield server

    @contextmanager
    def started(self, role):
        """The same, without waiting until it answers."""
        log = self.folder.with_suffix(f".{role}.log")
        with open(log, "w") as output:
            server = start([ALPES, role], env=self.env, stdout=output, stderr=output)
        try:
            yield server
        finally:
            server.terminate()
            if server.wait(START_MAX_S) != 0:
                raise SystemExit(f"alpes {role}: exit {server.returncode}\n{log.read_text()}")

    def wait_for(self, role, server):
        """Waits until a server answers."""
        port = self.queries if role == "queries" else self.http

        def answers():
            if server.poll() is not None:
                raise SystemExit(f"alpes {role} ended: {self.folder.with_suffix(f'.{role}.log').read_text()}")
            return is_alive(port)

        wait_until(f"alpes {role} answers", answers, START_MAX_S, START_POLL_S)

    def postmaster(self):
        """The lines of PostgreSQL's own file: process, folder, …, folder of the socket."""
        return (self.folder / "postgres" / "postmaster.pid").read_text().splitlines()

    def psql(self, *arguments):
        """The command line of a psql on the database."""
        database = ["-h", self.postmaster()[4], "-U", "alpes", "-d", "alpes"]
        return ["psql", *database, "-qAt", "-v", "ON_ERROR_STOP=1", *arguments]

    def sql(self, statement):
        """What a statement answers, as psql prints it; a server must be up."""
        return run(self.psql("-c", statement)).stdout.strip()

    def tally(self):
        """What PostgreSQL has taken and written so far."""
        tables, indexes, wal = self.sql(SIZES).split("|")
        return Tally(cpu_seconds(self.postmaster()[0]), int(tables), int(indexes), int(float(wal)))

    def in_huge_pages(self):
        """Whether the buffers lie in huge pages, which PostgreSQL takes where enough of them are reserved."""
        maps = Path(f"/proc/{self.postmaster()[0]}/smaps").read_text()
        return "anon_hugepage" in maps

    def warm(self):
        """Brings a new cluster to where one is that has been at work: its buffers touched, segments of its log there."""
        self.sql(WARMING)
        self.sql("DROP TABLE warm")
        self.checkpoint()

    def checkpoint(self):
        """Writes what waits to be written, so that what is measured next does not do it."""
        self.sql("CHECKPOINT")

    def logged(self):
        """Entries of the log in PostgreSQL."""
        return int(self.sql("SELECT sum(next) FROM log_heads"))

    def wait_until(self, condition):
        """Waits until PostgreSQL finds that `condition` holds; returns how long that took. It looks for itself: a psql for
        every look would take a tenth of the machine from what is measured."""
        begun = time.monotonic()
        look = f"WHILE ({condition}) IS NOT TRUE LOOP PERFORM pg_sleep({LOOKS_EVERY_S}); END LOOP"
        limit = f"SET statement_timeout = '{CATCH_UP_MAX_S}s'"
        run(self.psql("-c", limit, "-c", f"DO $$BEGIN {look}; END$$"))
        return time.monotonic() - begun

    def wait_until_read(self):
        """Waits until the lines have read the log to its end; returns how long that took."""
        return self.wait_until(IS_READ)

    def wait_until_settled(self):
        """Waits until windows are closed and nothing is left to post; returns how long that took."""
        return self.wait_until(IS_SETTLED)

    def verify(self):
        """Counts everything again; a difference ends the benchmark."""
        checks = self.run("verify").stdout
        if "WRONG" in checks or "equal" not in checks:
            raise SystemExit(checks)

    def remove(self):
        """The data folder; nothing may run in it."""
        shutil.rmtree(self.folder)


def generate(out, events, number=0):
    """The file of events number `number`: the same people, and the hours that follow those of the file before."""
    start = FIRST_EVENT + timedelta(hours=HOURS_EACH * number)
    hours = max(1, HOURS_EACH * events // EVENTS_EACH)
    run([ALPES, "generate", "--events", str(events), "--seed", str(SEED + number), "--programme", str(SEED),
         "--hours", str(hours), "--start", start.strftime("%Y-%m-%dT%H:%M:%SZ"), "--out", str(out)])
    return out


def campaigns_with_terms(folder):
    """Campaigns and commission terms for all that `generate` names."""
    out = Path(folder) / "campaigns.ndjson"
    with open(out, "wb") as file:
        subprocess.run(["zstd", "-qdc", ROOT / "tests/data/campaigns.ndjson.zst"], stdout=file, check=True)
    return out


@contextmanager
def workspace():
    """A folder for one suite. Others may look into it, since as root PostgreSQL runs under another account."""
    folder = tempfile.mkdtemp(prefix="alpes-bench-", dir=os.environ.get("BENCH_FOLDER"))
    os.chmod(folder, 0o711)
    try:
        yield Path(folder)
    finally:
        for _ in range(3):  # a server that is killed may still be writing
            shutil.rmtree(folder, ignore_errors=True)
            if not os.path.exists(folder):
                break
            time.sleep(1)
