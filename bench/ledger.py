"""Asks a running Alpes about its ledger (bench/ledger.sql), one request after another over one connection, and prints how
long the answers took: ledger.py HOST:PORT POSTINGS"""

import http.client
import random
import sys
import time

HOST, POSTINGS = sys.argv[1], int(sys.argv[2])
ROUNDS = 1_000
HEAVY = 100
random.seed(7)


def someone():
    return f"inf-{random.randint(2, 5000)}"


def month():
    start = random.randint(1, 2)
    return f"desde=2026-0{start}-15T00:00:00Z&hasta=2026-0{start + 1}-15T00:00:00Z"


QUESTIONS = {
    "explicacion of any posting": (ROUNDS, lambda: f"/pagos/comisiones/{random.randint(1, POSTINGS)}/explicacion"),
    "estado-de-cuenta of anybody": (ROUNDS, lambda: f"/pagos/influencers/{someone()}/estado-de-cuenta"),
    "the same, a month": (ROUNDS, lambda: f"/pagos/influencers/{someone()}/estado-de-cuenta?{month()}"),
    "the same, HTML": (ROUNDS, lambda: f"/pagos/influencers/{someone()}/estado-de-cuenta?formato=html"),
    "estado-de-cuenta of the one with a tenth": (ROUNDS, lambda: "/pagos/influencers/inf-1/estado-de-cuenta"),
    "the same, a month of it": (ROUNDS, lambda: f"/pagos/influencers/inf-1/estado-de-cuenta?{month()}"),
    "the same, a month, USD": (ROUNDS, lambda: f"/pagos/influencers/inf-1/estado-de-cuenta?{month()}&moneda=USD"),
    "the same, all, CSV (10,000 lines)": (HEAVY, lambda: "/pagos/influencers/inf-1/estado-de-cuenta?formato=csv"),
    "the same, all, HTML (10,000 lines)": (HEAVY, lambda: "/pagos/influencers/inf-1/estado-de-cuenta?formato=html"),
    "saldo at any time": (
        ROUNDS,
        lambda: f"/pagos/influencers/{random.choice(['inf-1', someone()])}/saldo"
        f"?a_fecha=2026-0{random.randint(1, 3)}-{random.randint(10, 28)}T12:00:00Z",
    ),
    "saldo now": (ROUNDS, lambda: f"/pagos/influencers/{random.choice(['inf-1', someone()])}/saldo"),
    "comisiones, newest": (ROUNDS, lambda: "/pagos/comisiones"),
    "comisiones of a campaign": (ROUNDS, lambda: f"/pagos/comisiones?campana=cmp-{random.randint(1, 500)}"),
    "comisiones, campaign and influencer": (
        ROUNDS,
        lambda: f"/pagos/comisiones?campana=cmp-{random.randint(1, 500)}&influencer={random.choice(['inf-1', someone()])}",
    ),
    "comisiones, pending": (ROUNDS, lambda: f"/pagos/comisiones?estado=PENDIENTE&campana=cmp-{random.randint(1, 20)}"),
    "comisiones, approved": (ROUNDS, lambda: f"/pagos/comisiones?estado=APROBADA&campana=cmp-{random.randint(1, 20)}"),
    "comisiones of a currency, a month": (ROUNDS, lambda: f"/pagos/comisiones?moneda=USD&{month()}"),
    "comisiones of a currency that nobody has": (ROUNDS, lambda: f"/pagos/comisiones?moneda=EUR&influencer={someone()}"),
    "statistics of a campaign": (
        ROUNDS,
        lambda: f"/tracking/queries/campanas/cmp-{random.randint(1, 500)}/estadisticas",
    ),
    "statistics of an influencer": (ROUNDS, lambda: f"/tracking/queries/influencers/{someone()}/estadisticas"),
    "campaign with its budget": (ROUNDS, lambda: f"/marketing-influencers/campanas/cmp-{random.randint(1, 500)}"),
}


def ask(connection, path):
    begun = time.perf_counter()
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    assert answer.status == 200, (path, answer.status, body[:300])
    return (time.perf_counter() - begun) * 1000, body


def main():
    connection = http.client.HTTPConnection(HOST)
    for name, (rounds, path) in QUESTIONS.items():
        for _ in range(20):
            ask(connection, path())
        took = sorted(ask(connection, path())[0] for _ in range(rounds))
        p50, p99 = took[len(took) // 2], took[len(took) * 99 // 100]
        print(f"{name:45} p50 {p50:7.2f} ms   p99 {p99:7.2f} ms")
    body = ask(connection, "/pagos/comisiones/1/explicacion")[1]
    assert b'"coincide":true' in body, body


main()
