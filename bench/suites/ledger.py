"""Answers about money over a large ledger (bench/ledger.sql), one request after another over one connection."""

import http.client
import random

from support.alpes import Alpes, ROOT
from support.load import ask, ask_all
from support.process import run
from support.report import setting

SETTINGS = {
    "POSTINGS": setting("POSTINGS", 1_000_000), "REQUESTS": setting("REQUESTS", 1_000), "RUNS": setting("RUNS", 1),
}
POSTINGS, REQUESTS, RUNS = SETTINGS.values()
# Of questions whose answers have 10,000 lines.
REQUESTS_HEAVY = REQUESTS // 10
PAID, POSTED = "/pagos/influencers", "/pagos/comisiones"


def heavy_or_not():
    return random.choice(["inf-1", someone()])


def someone():
    return f"inf-{random.randint(2, 5000)}"


def month():
    start = random.randint(1, 2)
    return f"desde=2026-0{start}-15T00:00:00Z&hasta=2026-0{start + 1}-15T00:00:00Z"


QUESTIONS = {
    "explicacion of any posting": (REQUESTS, lambda: f"{POSTED}/{random.randint(1, POSTINGS)}/explicacion"),
    "estado-de-cuenta of anybody": (REQUESTS, lambda: f"{PAID}/{someone()}/estado-de-cuenta"),
    "the same, a month": (REQUESTS, lambda: f"{PAID}/{someone()}/estado-de-cuenta?{month()}"),
    "the same, HTML": (REQUESTS, lambda: f"{PAID}/{someone()}/estado-de-cuenta?formato=html"),
    "estado-de-cuenta of the one with a tenth": (REQUESTS, lambda: f"{PAID}/inf-1/estado-de-cuenta"),
    "the same, a month of it": (REQUESTS, lambda: f"{PAID}/inf-1/estado-de-cuenta?{month()}"),
    "the same, a month, USD": (REQUESTS, lambda: f"{PAID}/inf-1/estado-de-cuenta?{month()}&moneda=USD"),
    "the same, all, CSV (10,000 lines)": (REQUESTS_HEAVY, lambda: f"{PAID}/inf-1/estado-de-cuenta?formato=csv"),
    "the same, all, HTML (10,000 lines)": (REQUESTS_HEAVY, lambda: f"{PAID}/inf-1/estado-de-cuenta?formato=html"),
    "saldo at any time": (
        REQUESTS,
        lambda: f"{PAID}/{heavy_or_not()}/saldo"
        f"?a_fecha=2026-0{random.randint(1, 3)}-{random.randint(10, 28)}T12:00:00Z",
    ),
    "saldo now": (REQUESTS, lambda: f"{PAID}/{heavy_or_not()}/saldo"),
    "comisiones, newest": (REQUESTS, lambda: f"{POSTED}"),
    "comisiones of a campaign": (REQUESTS, lambda: f"{POSTED}?campana=cmp-{random.randint(1, 500)}"),
    "comisiones, campaign and influencer": (
        REQUESTS,
        lambda: f"{POSTED}?campana=cmp-{random.randint(1, 500)}&influencer={heavy_or_not()}",
    ),
    "comisiones, pending": (REQUESTS, lambda: f"{POSTED}?estado=PENDIENTE&campana=cmp-{random.randint(1, 20)}"),
    "comisiones, approved": (REQUESTS, lambda: f"{POSTED}?estado=APROBADA&campana=cmp-{random.randint(1, 20)}"),
    "comisiones of a currency, a month": (REQUESTS, lambda: f"{POSTED}?moneda=USD&{month()}"),
    "comisiones of a currency that nobody has": (REQUESTS, lambda: f"{POSTED}?moneda=EUR&influencer={someone()}"),
    "statistics of a campaign": (
        REQUESTS,
        lambda: f"/tracking/queries/campanas/cmp-{random.randint(1, 500)}/estadisticas",
    ),
    "statistics of an influencer": (REQUESTS, lambda: f"/tracking/queries/influencers/{someone()}/estadisticas"),
    "campaign with its budget": (REQUESTS, lambda: f"/marketing-influencers/campanas/cmp-{random.randint(1, 500)}"),
}


def measure(report, folder):
    random.seed(7)
    alpes = Alpes(folder / "data")
    with alpes.serving("up"):
        report.note_postgres(alpes)
        run(alpes.psql("-v", f"postings={POSTINGS}", "-f", ROOT / "bench/ledger.sql"))
        report.add("postings with indexes", MB=int(alpes.sql("SELECT pg_total_relation_size('postings')")) / 1_000_000)
        for _ in range(RUNS):
            for name, (rounds, path) in QUESTIONS.items():
                ask_all(report, alpes.http, name, rounds, path)
        body = ask(http.client.HTTPConnection("127.0.0.1", alpes.http), f"{POSTED}/1/explicacion")[1]
        assert b'"coincide":true' in body, body
