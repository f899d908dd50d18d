"""What must be counted, for drill.py: found out from the file and from the topic, with nothing of Alpes but its schema."""

import io
import json
import re
from collections import Counter
from pathlib import Path

import fastavro
import pulsar

SCHEMA = Path(__file__).resolve().parents[2] / "schemas/avro/alpes-comandos.avsc"
CURRENCIES = {"COP", "USD", "EUR"}
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
RECEIVE_QUEUE = 10_000


class Tally:
    """Commands: the ids of the sound ones, and how often each faulty one came."""

    def __init__(self, commands):
        self.messages, self.ids, self.faulty = 0, set(), Counter()
        for command in commands:
            self.messages += 1
            if isinstance(command, dict) and is_sound(command):
                self.ids.add(command["id"])
            else:
                self.faulty[command["id"] if isinstance(command, dict) else command] += 1

    @property
    def rejected(self):
        return self.faulty.total()

    @property
    def duplicates(self):
        return self.messages - len(self.ids) - self.rejected

    def __str__(self):
        return f"{self.messages} commands, {len(self.ids)} ids, {self.duplicates} repeated, {self.rejected} faulty"


def is_sound(command):
    """Whether `alpes generate` made it without a fault."""
    if not command.get("campaña_id") or not INSTANT.fullmatch(command.get("timestamp") or ""):
        return False
    return command.get("valor") is None or (float(command["valor"]) >= 0 and command["moneda"] in CURRENCIES)


def parsed(line):
    """What a line of JSON says; the line itself if that is nothing."""
    try:
        return json.loads(line)
    except ValueError:
        return line


def in_file(file):
    with open(file, "rb") as lines:
        return Tally(parsed(line.rstrip(b"\n")) for line in lines)


def in_topic(url, topic):
    """Retention keeps what was acknowledged, so the topic can be read again from its beginning."""
    schema = fastavro.parse_schema(json.loads(SCHEMA.read_text()))
    client = pulsar.Client(url, logger=pulsar.ConsoleLogger(pulsar.LoggerLevel.Error))

    def commands():
        for partition in client.get_topic_partitions(topic):
            reader = client.create_reader(partition, pulsar.MessageId.earliest, receiver_queue_size=RECEIVE_QUEUE)
            while reader.has_message_available():
                command = fastavro.schemaless_reader(io.BytesIO(reader.read_next().data()), schema)
                yield command if command["crudo"] is None else parsed(command["crudo"])
            reader.close()

    tally = Tally(commands())
    client.close()
    return tally
