"""A stand-in for the consumers that users run before Alpes: Shared subscriptions, rows in SQLite, then events, then acks.

For trying out docs/MIGRATION.md. Until SIGTERM; started again it goes on where the subscriptions stand.
"""

import argparse
import json
import signal
import sqlite3
import sys
import threading

import pulsar
from pulsar.schema import AvroSchema

from records import TOPICS

TRACKING = [
    ("comando-registrar-impresion", "tracking-impresion-sub", "evento-impresion-registrada", "impresiones"),
    ("comando-registrar-conversion", "tracking-conversion-sub", "evento-conversion-registrada", "conversiones"),
]
BATCH_MAX = 200


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="pulsar://HOST:PORT")
    parser.add_argument("store", help="SQLite file")
    return parser.parse_args()


def columns(record):
    return list(record._fields)


def receive(consumer):
    """What is there, up to a batch; nothing for a second is an empty one."""
    messages = []
    while len(messages) < BATCH_MAX:
        try:
            messages.append(consumer.receive(timeout_millis=20 if messages else 1000))
        except pulsar.Timeout:
            break
    return messages


def consume(client, store, stop, topic, subscription, event_topic, table):
    record, event = TOPICS[topic], TOPICS[event_topic]
    names = columns(record)
    database = sqlite3.connect(store, timeout=60)
    consumer = client.subscribe(
        topic,
        subscription,
        consumer_type=pulsar.ConsumerType.Shared,
        schema=AvroSchema(record),
        initial_position=pulsar.InitialPosition.Earliest,
    )
    producer = client.create_producer(event_topic, schema=AvroSchema(event), block_if_queue_full=True)
    insert = f"INSERT OR IGNORE INTO {table} VALUES ({', '.join('?' * len(names))})"
    received, fresh, failures = 0, 0, []
    while not stop.is_set():
        messages = receive(consumer)
        values = [{name: getattr(message.value(), name) for name in names} for message in messages]
        with database:
            for value in values:
                fresh += database.execute(insert, [value[name] for name in names]).rowcount
        for value in values:
            producer.send_async(event(**value), lambda result, _: result == pulsar.Result.Ok or failures.append(result))
        producer.flush()
        if failures:
            sys.exit(f"legacy: {len(failures)} events not sent, the first for {failures[0]}")
        for message in messages:
            consumer.acknowledge(message)
        received += len(messages)
    print(json.dumps({"subscription": subscription, "messages": received, "rows": fresh}), flush=True)


def main():
    args = arguments()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with sqlite3.connect(args.store) as database:
        database.execute("PRAGMA journal_mode = WAL")
        for topic, _, _, table in TRACKING:
            rest = ", ".join(f'"{name}"' + " REAL" * (name == "valor") for name in columns(TOPICS[topic])[1:])
            database.execute(f"CREATE TABLE IF NOT EXISTS {table} (id PRIMARY KEY, {rest})")
    client = pulsar.Client(args.url, logger=pulsar.ConsoleLogger(pulsar.LoggerLevel.Error))
    threads = [threading.Thread(target=consume, args=(client, args.store, stop, *names)) for names in TRACKING]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    client.close()


if __name__ == "__main__":
    main()
