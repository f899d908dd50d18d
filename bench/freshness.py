"""Freshness: how long from the start of a POST until the event is in `estadisticas`, under a steady load.

    freshness.py URL EVENTS_PER_SECOND SECONDS

The load keeps to its schedule whatever the answers do (open loop). Probes are events of campaigns of their own.
"""

import http.client
import json
import sys
import threading
import time
import uuid
from urllib.parse import urlsplit

THREADS = 4
PROBE_EVERY_S = 0.05
POLL_S = 0.002
VISIBLE_MAX_S = 10


def connect(url):
    parts = urlsplit(url)
    return http.client.HTTPConnection(parts.hostname, parts.port)


def post(connection, campaign):
    event = {"id": str(uuid.uuid4()), "campaña_id": campaign, "influencer_id": "inf-1"}
    connection.request("POST", "/tracking/impresiones", json.dumps(event).encode(), {"Content-Type": "application/json"})
    response = connection.getresponse()
    response.read()
    assert response.status == 202, response.status


def load(url, per_second, until):
    connection, due, sent = connect(url), time.monotonic(), 0
    while due < until:
        time.sleep(max(0, due - time.monotonic()))
        post(connection, f"cmp-{sent % 100}")
        sent += 1
        due += 1 / per_second


def probe(url, connection):
    campaign = f"probe-{uuid.uuid4()}"
    begun = time.monotonic()
    post(connection, campaign)
    while time.monotonic() - begun < VISIBLE_MAX_S:
        connection.request("GET", f"/tracking/queries/campanas/{campaign}/estadisticas")
        if json.loads(connection.getresponse().read())["total_impresiones"] == 1:
            return time.monotonic() - begun
        time.sleep(POLL_S)
    raise SystemExit(f"{campaign} was not visible within {VISIBLE_MAX_S} s")


def main(url, rate, seconds):
    until = time.monotonic() + seconds
    threads = [threading.Thread(target=load, args=(url, rate / THREADS, until)) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    connection, seen = connect(url), []
    while time.monotonic() < until:
        seen.append(probe(url, connection))
        time.sleep(PROBE_EVERY_S)
    for thread in threads:
        thread.join()
    seen.sort()
    at = lambda share: seen[min(len(seen) - 1, int(len(seen) * share))] * 1000
    print(f"visible after ms: p50 {at(0.5):.0f}, p90 {at(0.9):.0f}, p99 {at(0.99):.0f}, most {seen[-1] * 1000:.0f} "
          f"({len(seen)} probes at {rate} events/s)")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
