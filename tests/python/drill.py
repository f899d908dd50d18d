"""Disturbs the real thing while commands flow, and checks that every one is counted once: `drill.py [A] [B] [C] [D]`.

A   3 workers; workers and the broker are killed
B   workers are started, stopped, killed, frozen and woken at random
C   a backlog without a worker, then one worker
D   the broker is away for a minute

DRILL_EVENTS lowers the number of commands for a trial, DRILL_SEED repeats the choices of a run of B, DRILL_BIN is where
the programs are if not in target/release. Exit 1 on a failure, whose folder is left to be looked at.
"""

import http.client
import json
import math
import os
import random
import signal
import sys
import threading
import time
import uuid
from collections import Counter
from typing import NamedTuple

import oracle
from stage import Failed, Stage, rss_mb, wait_until

TOPIC = "alpes-comandos"
# Until every partition has committed again: a promise.
RECOVERY_MAX_S = 10
# How long a disturbance may take before it is given up.
RECOVERY_PATIENCE_S = 120
# Between a recovery and the next disturbance.
PAUSE_S = (1.0, 4.0)

# A: how long the commands flow, which is longer than the disturbances take.
STORM_S = 110
STORM_WORKERS = 3
STORM = ["worker", "broker", "worker", "worker", "broker", "worker", "broker", "worker"]
# B: the same.
SHUFFLE_S = 160
SHUFFLE_DISTURBANCES = 24
SHUFFLE_WORKERS = 3
SHUFFLE_AWAKE_MIN = 2
SHUFFLE_AWAKE_MAX = 5
# C: rates are given for the first and the last of these parts.
BACKLOG_PARTS = 5
# D.
OUTAGE_S = 60
OUTAGE_CLIENTS = 4
OUTAGE_POST_EVERY_S = 0.05
OUTAGE_WARM_UP_S = 15
OUTAGE_AFTER_S = 15
# Buffers grow a little; a queue of everything that was refused would grow more.
MEMORY_GROWTH_MAX_MB = 32


def main():
    drills = {"A": storm, "B": shuffle, "C": backlog, "D": outage}
    chosen = sys.argv[1:] or list(drills)
    if not drills.keys() >= set(chosen):
        sys.exit(__doc__)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    failed = []
    for name in chosen:
        begun = time.monotonic()
        print(f"::: {name}", flush=True)
        try:
            with Stage() as stage:
                drills[name](stage)
        except Failed as failure:
            failed.append(name)
            print(f"  FAILED: {failure}")
        print(f"  {time.monotonic() - begun:.0f} s", flush=True)
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)


def events(usual):
    return int(os.environ.get("DRILL_EVENTS", usual))


def require(is_so, failure):
    if not is_so:
        raise Failed(failure)


# A and B: disturbances while commands flow.


def storm(stage):
    file, load = flow(stage, events(1_000_000), STORM_S)
    awake, recoveries = workers(stage, STORM_WORKERS), []
    for victim in STORM:
        time.sleep(random.uniform(*PAUSE_S))
        if victim == "broker":
            begun = time.monotonic()
            stage.kill_broker()
            stage.start_broker()
            away = time.monotonic() - begun
            took = recovery(stage, stage.lines())
            print(f"  broker killed, away for {away:.1f} s: recovered {took:.2f} s after it served again", flush=True)
        else:
            worker = reader(stage, awake, random)
            took, lost = disturb(stage, worker, signal.SIGKILL)
            awake[awake.index(worker)] = stage.start_worker()
            print(f"  worker killed, {lost} partitions: recovered in {took:.2f} s", flush=True)
        recoveries.append(took)
    settle(stage, file, load, recoveries)


def shuffle(stage):
    seed = int(os.environ.get("DRILL_SEED", random.randrange(1_000_000)))
    print(f"  DRILL_SEED={seed}")
    dice = random.Random(seed)
    file, load = flow(stage, events(2_000_000), SHUFFLE_S)
    awake, frozen, recoveries, kinds = workers(stage, SHUFFLE_WORKERS), [], [], Counter()
    for _ in range(SHUFFLE_DISTURBANCES):
        time.sleep(dice.uniform(*PAUSE_S))
        possible = ["stop", "kill", "freeze"] if len(awake) > SHUFFLE_AWAKE_MIN else []
        possible += ["start"] if len(awake) < SHUFFLE_AWAKE_MAX else []
        possible += ["wake"] if frozen else []
        # What has come least often, so that everything comes.
        least = min(kinds[kind] for kind in possible)
        kind = dice.choice([kind for kind in possible if kinds[kind] == least])
        kinds[kind] += 1
        lost = 0
        if kind == "start":
            before = stage.lines()
            awake.append(stage.start_worker())
            took = recovery(stage, before)
        elif kind == "wake":
            before, worker = stage.lines(), frozen.pop(0)
            worker.send_signal(signal.SIGCONT)
            awake.append(worker)
            took = recovery(stage, before)
        else:
            number = {"stop": signal.SIGTERM, "kill": signal.SIGKILL, "freeze": signal.SIGSTOP}[kind]
            worker = reader(stage, awake, dice)
            awake.remove(worker)
            took, lost = disturb(stage, worker, number)
            if kind == "freeze":
                frozen.append(worker)
            if kind == "stop":
                require(worker.wait(timeout=RECOVERY_PATIENCE_S) == 0, "a worker that was told to stop did not end well")
        require(took < RECOVERY_MAX_S, f"{kind}: {took:.2f} s")
        if lost:
            recoveries.append(took)
        print(f"  {kind:<7}{lost} partitions: {took:.2f} s; {len(awake)} workers, {len(frozen)} frozen", flush=True)
    for worker in frozen:
        worker.send_signal(signal.SIGCONT)
    settle(stage, file, load, recoveries)


def flow(stage, commands, seconds):
    """Commands that come over the API for so long."""
    file = stage.generate(commands)
    print(f"  {commands} commands, {commands // seconds}/s", flush=True)
    return file, stage.start("load", file, "--url", f"http://{stage.http}", "--rate", commands // seconds)


def workers(stage, count):
    """Returns once all of them read something."""
    started = [stage.start_worker() for _ in range(count)]
    wait_until("every worker has a partition", lambda: all(owned(stage.lines(), worker) for worker in started))
    return started


def owned(lines, worker):
    return {source for source, line in lines.items() if f"-{worker.pid}-" in line.owner}


def reader(stage, awake, dice):
    """One of the workers that have a partition."""
    lines = stage.lines()
    return dice.choice([worker for worker in awake if owned(lines, worker)])


def disturb(stage, worker, number):
    """Seconds until others go on with the worker's partitions, and how many those are."""
    before = stage.lines()
    lost = owned(before, worker)
    worker.send_signal(number)
    return recovery(stage, before, lost), len(lost)


def recovery(stage, before, lost=()):
    """Seconds until every partition has committed again, those that were lost under another epoch number: a commit that
    was on its way is none. Commands flow, so there is something waiting in every one."""

    def gone_on():
        now = stage.lines()
        return all(
            now[source].messages > line.messages and (source not in lost or now[source].epoch > line.epoch)
            for source, line in before.items()
        )

    return wait_until("every partition goes on", gone_on, RECOVERY_PATIENCE_S)


def settle(stage, file, load, recoveries):
    """Everything is counted, once, and every recovery was in time."""
    require(load.poll() is None, "the commands ended before the last disturbance")
    require(load.wait() == 0, "not all commands were delivered")
    recoveries.sort()
    p50, p99 = (recoveries[math.ceil(share * len(recoveries)) - 1] for share in (0.5, 0.99))
    print(f"  recovery after {len(recoveries)}: p50 {p50:.2f} s, p99 {p99:.2f} s, max {recoveries[-1]:.2f} s")
    written = oracle.in_file(file)
    arrived = oracle.in_topic(stage.environment["PULSAR_URL"], TOPIC)
    print(f"  file:   {written}\n  topic:  {arrived}")
    # What a sender sends again, because the receipt was lost with the broker, the topic holds twice.
    lacking = len(written.ids - arrived.ids) + (written.faulty - arrived.faulty).total()
    require(not lacking, f"the topic lacks {lacking} commands of the file")
    require(p99 < RECOVERY_MAX_S, f"p99 of the recoveries is {p99:.2f} s")
    check(stage, arrived)


def check(stage, expected):
    """The tables say what the topic holds."""
    took = wait_until("everything is counted", lambda: stage.counted() >= expected.messages)
    print(f"  counted {took:.1f} s after the last command")
    accepted, duplicates, rejected, messages = map(
        int, stage.sql("SELECT sum(accepted), sum(duplicates), sum(rejected), sum(messages) FROM lines")[0]
    )
    rows = stage.number("SELECT (SELECT count(*) FROM impressions) + (SELECT count(*) FROM conversions)")
    claims, rejects = stage.number("SELECT count(*) FROM claims"), stage.number("SELECT count(*) FROM rejects")
    print(f"  tables: {messages} messages, {accepted} accepted, {duplicates} duplicates, {rejected} rejected;"
          f" {claims} claims, {rows} rows, {rejects} rejects")
    require(messages == expected.messages, "messages differ")
    require(accepted == claims == rows == len(expected.ids), "accepted differ")
    require(rejected == rejects == expected.rejected, "rejects differ")
    require(duplicates == expected.duplicates, "duplicates differ")
    end_well(stage)


def end_well(stage):
    stage.run("verify")
    print("  alpes verify: equal")
    print(f"  messages that came late: {len(stage.logged('passed messages over'))} times")
    # Nothing was lost, so nobody may be told that something was.
    alarms = stage.logged(" ERROR ")
    require(not alarms, "\n    ".join(["false alarms:", *alarms]))


# C: a backlog.


def backlog(stage):
    file = stage.generate(events(5_000_000))
    expected = oracle.in_file(file)
    stage.publish(file)
    file.unlink()
    begun, samples, peak = time.monotonic(), [(0.0, 0)], 0
    worker = stage.start_worker()
    while samples[-1][1] < expected.messages:
        time.sleep(1)
        samples.append((time.monotonic() - begun, stage.counted()))
        peak = max(peak, rss_mb(worker))
        require(worker.poll() is None, "the worker has ended")
    part = expected.messages // BACKLOG_PARTS
    marks = [when(samples, number * part) for number in range(BACKLOG_PARTS + 1)]
    for number in range(BACKLOG_PARTS):
        print(f"  commands {number * part} to {(number + 1) * part}: {part / (marks[number + 1] - marks[number]):.0f}/s")
    print(f"  all: {expected.messages / marks[-1]:.0f}/s from the start of the process, memory at most {peak} MB")
    check(stage, expected)


def when(samples, count):
    """The second in which so many were counted, between two samples."""
    for (earlier, less), (later, more) in zip(samples, samples[1:]):
        if more >= count:
            return earlier + (later - earlier) * (count - less) / max(more - less, 1)
    return samples[-1][0]


# D: an outage of the broker.


def outage(stage):
    worker = stage.start_worker()
    processes = {"api": stage.api, "worker": worker}
    clients = [Client(stage.http) for _ in range(OUTAGE_CLIENTS)]
    time.sleep(OUTAGE_WARM_UP_S)
    before = {name: rss_mb(process) for name, process in processes.items()}
    most = dict(before)
    stage.kill_broker()
    killed = time.monotonic()
    while time.monotonic() - killed < OUTAGE_S:
        time.sleep(1)
        most = {name: max(most[name], rss_mb(process)) for name, process in processes.items()}
    asked = time.monotonic()
    stage.start_broker()
    served = time.monotonic()
    took = recovery(stage, stage.lines())
    print(f"  away for {served - killed:.1f} s: recovered {took:.2f} s after it served again", flush=True)
    time.sleep(OUTAGE_AFTER_S)
    after = {name: rss_mb(process) for name, process in processes.items()}
    for client in clients:
        client.stop()

    answers = [answer for client in clients for answer in client.answers]
    print(f"  answers: {dict(Counter(answer.status for answer in answers))}")
    slowest = max(answer.ended - answer.begun for answer in answers)
    first = min(answer.ended for answer in answers if answer.status == 202 and answer.ended > served) - served
    print(f"  first 202 {first:.2f} s after it served again, slowest answer {slowest:.2f} s")
    away = [answer for answer in answers if killed < answer.begun and answer.ended < asked]
    require({answer.status for answer in answers} <= {202, 503}, "an answer is neither 202 nor 503 with Retry-After")
    require({answer.status for answer in away} == {503}, "without a broker, not every answer was 503")
    durable = {answer.id for answer in answers if answer.status == 202}
    wait_until("every 202 is counted", lambda: durable <= {id for [id] in stage.sql("SELECT id FROM impressions")})
    print(f"  {len(durable)} answered with 202, all counted")

    for name, process in processes.items():
        print(f"  memory of the {name}: {before[name]} MB before, at most {most[name]} MB meanwhile, {after[name]} MB after")
        growth = max(most[name], after[name]) - before[name]
        require(growth < MEMORY_GROWTH_MAX_MB, f"the memory of the {name} grew by {growth} MB")
        require(process.poll() is None, f"the {name} has ended")
    require(took < RECOVERY_MAX_S, f"recovery took {took:.2f} s")
    end_well(stage)


class Answer(NamedTuple):
    id: str
    begun: float
    ended: float
    status: int | str


class Client(threading.Thread):
    """Posts single impressions, one after the other; never one again."""

    def __init__(self, address):
        super().__init__(daemon=True)
        self.address, self.answers, self.stopping = address, [], threading.Event()
        self.start()

    def run(self):
        while not self.stopping.wait(OUTAGE_POST_EVERY_S):
            id, begun = str(uuid.uuid4()), time.monotonic()
            status = self.post(id)
            self.answers.append(Answer(id, begun, time.monotonic(), status))

    def post(self, id):
        record = {"id": id, "campaña_id": f"cmp-{random.randrange(100)}", "influencer_id": f"inf-{random.randrange(100)}"}
        connection = http.client.HTTPConnection(self.address, timeout=RECOVERY_PATIENCE_S)
        try:
            connection.request("POST", "/tracking/impresiones", json.dumps(record), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            lacking = answer.status == 503 and not answer.headers["Retry-After"]
            return "503 without Retry-After" if lacking else answer.status
        except OSError as error:
            return repr(error)
        finally:
            connection.close()

    def stop(self):
        self.stopping.set()
        self.join()


if __name__ == "__main__":
    main()
