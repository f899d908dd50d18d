"""Answers over 10^5, 10^6 and more events, alone and while backfills run; over one connection, one at a time."""

import random
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event

from support.alpes import Alpes, campaigns_with_terms, generate
from support.load import ask_all, compare
from support.report import setting

SETTINGS = {
    "EVENTS_MAX": setting("EVENTS_MAX", 1_000_000), "REQUESTS": setting("REQUESTS", 1_000), "RUNS": setting("RUNS", 1),
}
EVENTS_MAX, REQUESTS, RUNS = SETTINGS.values()
SIZES = [size for size in (100_000, 1_000_000, 10_000_000) if size <= EVENTS_MAX]
FILE_EVENTS = 1_000_000
BUSY_FILE_EVENTS = 500_000
# Numbers of files that a database of the greatest size does not hold.
BUSY_FROM = 1_000
CAMPAIGN, INFLUENCER = "/tracking/queries/campanas", "/tracking/queries/influencers"

# Those that have earned something, the busiest first.
NAMES = """
SELECT name FROM {kind}_names
JOIN (SELECT {kind}, sum(impressions + clicks) AS n FROM windows GROUP BY 1) w USING ({kind})
WHERE {kind} IN (SELECT {kind} FROM balances) ORDER BY n DESC
"""
# Campaigns whose ranking is as long at every size: most have more influencers the more events there are.
SAME_LENGTH = """
SELECT name FROM campaign_names
JOIN (SELECT campaign, count(*) AS n FROM rollups WHERE grain = 't' AND influencer >= 0 GROUP BY 1) r USING (campaign)
ORDER BY abs(n - 12), name LIMIT 5
"""
# The last hour and the last six hours by minutes: 60 and 360 points. By hours it is 60 points where nothing is asked, and
# up to the end of the first hour the last of them has all, at every size.
RANGES = """
SELECT to_char(end_ - interval '1 hour', format), to_char(end_ - interval '6 hours', format), to_char(end_, format),
       to_char(date_trunc('hour', begin_) + interval '1 hour', format)
FROM (SELECT min(start) AT TIME ZONE 'UTC' AS begin_, max(start) AT TIME ZONE 'UTC' AS end_,
             'YYYY-MM-DD"T"HH24:MI:SS"Z"' AS format FROM windows) w
"""


def measure(report, folder):
    random.seed(7)
    campaigns = campaigns_with_terms(folder)
    for _ in range(RUNS):
        for size in SIZES:
            with filled(folder / "data", campaigns, size) as alpes:
                report.note_postgres(alpes)
                questions = list(ask_about(alpes))
                for name, path in questions:
                    ask_all(report, alpes.http, f"{size:,}: {name}", REQUESTS, path)
                if size == SIZES[-1] != SIZES[0]:
                    with filled(folder / "least", campaigns, SIZES[0]) as least:
                        compare_sizes(report, least, alpes)
                with busy(alpes, folder):
                    for name, path in questions:
                        ask_all(report, alpes.http, f"{size:,}, busy: {name}", REQUESTS, path)
                alpes.wait_until_settled()


@contextmanager
def filled(data, campaigns, size):
    """An `alpes up` over so many events, verified at the end."""
    alpes = Alpes(data)
    with alpes.serving("up"):
        alpes.backfill(campaigns)
        fill(alpes, data.parent, size)
        alpes.wait_until_settled()
        alpes.sql("ANALYZE")
        yield alpes
    alpes.verify()
    alpes.remove()


def compare_sizes(report, least, greatest):
    """The greatest size to the least, asked in turn, since a machine is not the same a quarter of an hour later."""
    for (name, of_least), (_, of_greatest) in zip(ask_about(least), ask_about(greatest)):
        case = f"{SIZES[-1]:,} to {SIZES[0]:,}: {name}"
        compare(report, case, REQUESTS, (least.http, of_least), (greatest.http, of_greatest))


def fill(alpes, folder, size):
    """Events of consecutive hours, a file at a time."""
    for number in range(max(1, size // FILE_EVENTS)):
        file = generate(folder / "events.ndjson.zst", min(size, FILE_EVENTS), number)
        alpes.backfill(file)
        file.unlink()


def ask_about(alpes):
    """What is asked: a name, and a function that gives the path."""
    campaigns, influencers = [alpes.sql(NAMES.format(kind=kind)).splitlines() for kind in ("campaign", "influencer")]
    same_length = alpes.sql(SAME_LENGTH).splitlines()
    hour, six_hours, until, first = alpes.sql(RANGES).split("|")
    yield "ranking of some twelve", lambda: f"{CAMPAIGN}/{random.choice(same_length)}/influencers"
    whose = {
        "busiest": (lambda: campaigns[0], lambda: influencers[0]),
        "any": (lambda: random.choice(campaigns), lambda: random.choice(influencers)),
    }
    for who, (campaign, influencer) in whose.items():
        yield f"statistics, {who} campaign", lambda of=campaign: f"{CAMPAIGN}/{of()}/estadisticas"
        yield f"statistics, {who} influencer", lambda of=influencer: f"{INFLUENCER}/{of()}/estadisticas"
        yield f"series by hours, {who}", lambda of=campaign: f"{CAMPAIGN}/{of()}/serie?hasta={until[:14]}00:00Z"
        yield f"series by hours, all in the last, {who}", lambda of=campaign: f"{CAMPAIGN}/{of()}/serie?hasta={first}"
        for name, since in {"hour": hour, "six hours": six_hours}.items():
            yield f"series of {name} by minutes, {who}", lambda of=campaign, since=since: (
                f"{CAMPAIGN}/{of()}/serie?granularidad=minuto&desde={since}&hasta={until}")
        yield f"ranking, {who}", lambda of=campaign: f"{CAMPAIGN}/{of()}/influencers"
        yield f"impressions, {who} campaign", lambda of=campaign: f"{CAMPAIGN}/{of()}/impresiones"
        yield f"balance, {who}", lambda of=influencer: f"/pagos/influencers/{of()}/saldo"


class busy:
    """Backfills of new events, one after another, for as long as the block runs."""

    number = BUSY_FROM

    def __init__(self, alpes, folder):
        self.alpes, self.folder, self.over, self.pool = alpes, folder, Event(), ThreadPoolExecutor(1)

    def __enter__(self):
        self.ready = self.next_file()
        self.running = self.pool.submit(self.run)

    def next_file(self):
        busy.number += 1
        return generate(self.folder / f"busy-{busy.number}.ndjson.zst", BUSY_FILE_EVENTS, busy.number)

    def run(self):
        while not self.over.is_set():
            self.alpes.backfill(self.ready)
            self.ready.unlink()
            self.ready = self.next_file()

    def __exit__(self, *_):
        self.over.set()
        self.running.result()
        self.ready.unlink()
