"""Sends JSON lines from stdin as a topic's records, and prints the id of each message, one JSON object a line."""

import argparse
import itertools
import json
import sys

import pulsar
from pulsar.schema import AvroSchema, BytesSchema

from records import TOPICS, from_json, in_another_version, record_of

COMPRESSIONS = {
    "none": pulsar.CompressionType.NONE,
    "lz4": pulsar.CompressionType.LZ4,
    "zlib": pulsar.CompressionType.ZLib,
    "zstd": pulsar.CompressionType.ZSTD,
    "snappy": pulsar.CompressionType.SNAPPY,
}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="pulsar://HOST:PORT")
    parser.add_argument("topic")
    parser.add_argument("count", type=int, nargs="?", help="messages; lines begin anew as needed [default: all, once]")
    parser.add_argument("--record", choices=TOPICS, help="the topic whose record it is [default: this topic's]")
    parser.add_argument("--field", action="append", default=[], metavar="NAME", help="one more, of the record's next version")
    parser.add_argument("--without", action="append", default=[], metavar="NAME", help="one less, in another version")
    parser.add_argument("--no-schema", action="store_true", help="the same bytes, from a producer without a schema")
    parser.add_argument("--raw", metavar="FILE", help="this file's bytes instead of stdin's records, without a schema")
    parser.add_argument("--batch", type=int, default=0, metavar="N", help="up to N messages in an entry, 2 or more")
    parser.add_argument("--compression", choices=COMPRESSIONS, default="none")
    parser.add_argument("--key", help="partition key; {name} is a field of the line")
    parser.add_argument("--chunking", action="store_true", help="split what is too large for the broker")
    parser.add_argument("--property", action="append", default=[], metavar="NAME=VALUE")
    return parser.parse_args()


def messages(args, record):
    """(content, key) of each message."""
    if args.raw:
        with open(args.raw, "rb") as file:
            yield file.read(), args.key
        return
    encode = AvroSchema(record).encode if args.no_schema else lambda value: value
    for line in sys.stdin:
        values = json.loads(line)
        yield encode(from_json(record, values)), args.key and args.key.format(**values)


def main():
    args = arguments()
    record = record_of(args.record or args.topic)
    if record is None and not args.raw:
        sys.exit(f"produce: {args.topic} is none of the users' topics: give --record or --raw")
    if args.field or args.without:
        record = in_another_version(record, args.field, args.without)
    schema = BytesSchema() if args.raw or args.no_schema else AvroSchema(record)
    client = pulsar.Client(args.url, logger=pulsar.ConsoleLogger(pulsar.LoggerLevel.Error))
    producer = client.create_producer(
        args.topic,
        schema=schema,
        compression_type=COMPRESSIONS[args.compression],
        batching_enabled=args.batch > 0,
        batching_max_messages=max(args.batch, 2),
        chunking_enabled=args.chunking,
        block_if_queue_full=True,
    )
    failures = []

    def sent(result, id):
        if result == pulsar.Result.Ok:
            place = {"partition": id.partition(), "ledger": id.ledger_id(), "entry": id.entry_id()}
            print(json.dumps(place | {"batch_index": id.batch_index()}))
        else:
            failures.append(result)

    endless = itertools.cycle if args.count is not None else iter
    for content, key in itertools.islice(endless(messages(args, record)), args.count):
        producer.send_async(content, sent, partition_key=key, properties=dict(p.split("=", 1) for p in args.property))
    producer.flush()
    client.close()
    if failures:
        sys.exit(f"produce: {len(failures)} not sent, the first for {failures[0]}")


if __name__ == "__main__":
    main()
