"""Prints a topic's messages, from the earliest on, one JSON object a line; acknowledges them."""

import argparse
import json
import sys
import time

import pulsar

from records import TOPICS, decode, record_of


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="pulsar://HOST:PORT")
    parser.add_argument("topic")
    parser.add_argument("subscription")
    parser.add_argument("count", type=int, help="exit 1 if fewer come")
    parser.add_argument("--idle", type=float, metavar="SECONDS", help="end well when nothing comes for so long")
    parser.add_argument("--timeout", type=float, default=30, metavar="SECONDS", help="for all of them [default: 30]")
    parser.add_argument("--record", choices=TOPICS, help="the topic whose record it is [default: this topic's]")
    return parser.parse_args()


def shown(message, record):
    id = message.message_id()
    value = decode(record, message.data()) if record else None
    return {
        "topic": message.topic_name(),
        "id": {
            "partition": id.partition(),
            "ledger": id.ledger_id(),
            "entry": id.entry_id(),
            "batch_index": id.batch_index(),
        },
        "record": value,
        "raw": message.data().hex() if value is None else None,
        "key": message.partition_key(),
        "properties": message.properties(),
        "publish_time": message.publish_timestamp(),
        "event_time": message.event_timestamp(),
        "schema_version": message.schema_version().encode("latin-1").hex(),
    }


def main():
    args = arguments()
    record = record_of(args.record or args.topic)
    # Without a schema: what is no record is shown, too.
    client = pulsar.Client(args.url, logger=pulsar.ConsoleLogger(pulsar.LoggerLevel.Error))
    consumer = client.subscribe(
        args.topic,
        args.subscription,
        consumer_type=pulsar.ConsumerType.Failover,
        initial_position=pulsar.InitialPosition.Earliest,
    )
    end = time.monotonic() + args.timeout
    received = 0
    while received < args.count:
        wait = min(end - time.monotonic(), args.idle or args.timeout)
        try:
            message = consumer.receive(timeout_millis=max(1, int(wait * 1000)))
        except pulsar.Timeout:
            break
        print(json.dumps(shown(message, record), ensure_ascii=False, default=str), flush=True)
        consumer.acknowledge(message)
        received += 1
    client.close()
    if received < args.count and not args.idle:
        sys.exit(f"consume: {received} of {args.count} messages came within {args.timeout:g} s")


if __name__ == "__main__":
    main()
