"""What commission terms cost the line: by itself, and beside a running Alpes whose ledger posts meanwhile."""

from support.alpes import Alpes, campaigns_with_terms, generate
from support.report import setting

SETTINGS = {"EVENTS": setting("EVENTS", 1_000_000), "RUNS": setting("RUNS", 3)}
EVENTS, RUNS = SETTINGS.values()


def measure(report, folder):
    file, campaigns = generate(folder / "events.ndjson", EVENTS), campaigns_with_terms(folder)
    for _ in range(RUNS):
        for case, role in {"by itself": "queries", "beside `alpes up`": "up"}.items():
            without = one(report, folder, file, None, f"{case}, no terms", role)
            with_terms = one(report, folder, file, campaigns, f"{case}, terms", role)
            report.add(f"{case}, terms", of_no_terms=without / with_terms)


def one(report, folder, file, campaigns, case, role):
    """One run into a fresh database; returns the seconds of the line."""
    alpes = Alpes(folder / "data")
    with alpes.serving("up"):  # closes the windows up to now, as in a database that has been running
        report.note_postgres(alpes)
        alpes.wait_until_settled()
        if campaigns:
            alpes.backfill(campaigns)
    with alpes.serving(role):
        before = alpes.tally()
        done, counted = alpes.backfill(file)
        taken, seconds = alpes.tally() - before, counted["milliseconds"] / 1000
        report.add(case, lines_per_s=EVENTS / seconds, CPU_s_Alpes=done.cpu_seconds, CPU_s_PostgreSQL=taken.cpu_seconds)
    if campaigns:
        with alpes.serving("up"):
            report.add(case, settled_s=alpes.wait_until_settled())
            report.add(case, postings=int(alpes.sql("SELECT count(*) FROM postings")))
    alpes.verify()
    alpes.remove()
    return seconds
