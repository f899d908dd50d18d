"""The records of the users' topics (and of Alpes' own events), as their Python classes register them: every field nullable, in this order."""

import json
from io import BytesIO
from pathlib import Path

from fastavro import parse_schema, schemaless_reader
from pulsar.schema import Array, Float, Long, Record, String


class ComandoRegistrarImpresion(Record):
    id = String()
    campaña_id = String()
    influencer_id = String()
    usuario_id = String()
    tipo_evento = String()
    user_agent = String()
    ip_address = String()
    referrer = String()
    timestamp = String()


class ComandoRegistrarConversion(Record):
    id = String()
    campaña_id = String()
    influencer_id = String()
    usuario_id = String()
    tipo_conversion = String()
    valor = Float()
    moneda = String()
    user_agent = String()
    ip_address = String()
    referrer = String()
    timestamp = String()


class ComandoCrearCampañaPayload(Record):
    id = String()
    nombre = String()
    producto = String()
    presupuesto = Long()
    moneda = String()
    marca = String()
    influencers_ids = Array(String())
    conversiones = Array(String())
    fecha_creacion = Long()


class ComandoCrearCampaña(Record):
    data = ComandoCrearCampañaPayload()


class CampañaCreadaPayload(Record):
    id = String()


class EventoCampañaCreada(Record):
    data = CampañaCreadaPayload()


def under_another_name(name, record):
    """Record keeps the fields that its metaclass took from the class: they are handed on, in their order."""
    return type(Record)(name, (Record,), dict(record._fields))


def in_another_version(record, more, without):
    """The same record with more texts, null by default as brokers ask for by default, or without some fields."""
    fields = {name: field for name, field in record._fields.items() if name not in without}
    return type(Record)(record.__name__, (Record,), fields | {name: String(required_default=True) for name in more})


EventoImpresionRegistrada = under_another_name("EventoImpresionRegistrada", ComandoRegistrarImpresion)
EventoConversionRegistrada = under_another_name("EventoConversionRegistrada", ComandoRegistrarConversion)

class OwnRecord:
    """A record of Alpes' own, as its schema file says; only to be read."""

    def __init__(self, topic):
        self.file = Path(__file__).parents[2] / "schemas" / "avro" / f"{topic}.avsc"

    def schema(self):
        return json.loads(self.file.read_text())


TOPICS = {
    "comando-registrar-impresion": ComandoRegistrarImpresion,
    "comando-registrar-conversion": ComandoRegistrarConversion,
    "comandos-campana": ComandoCrearCampaña,
    "crear-campaña": ComandoCrearCampaña,
    "evento-impresion-registrada": EventoImpresionRegistrada,
    "evento-conversion-registrada": EventoConversionRegistrada,
    "eventos-campana": EventoCampañaCreada,
    "campana-creada": EventoCampañaCreada,
    "alpes-eventos": OwnRecord("alpes-eventos"),
    "comision-calculada": OwnRecord("comision-calculada"),
}


def record_of(topic):
    """The record of a topic, of a partition of it too; None for a topic that is not the users'."""
    return TOPICS.get(topic.rsplit("/", 1)[-1].split("-partition-")[0])


def from_json(record, values):
    """As the users' code builds it: an amount is a float, whatever was written; what is missing is null."""
    values = {
        name: float(value) if value is not None and isinstance(record._fields[name], Float) else value
        for name, value in values.items()
    }
    return record(**values)


def decode(record, data):
    """What the bytes say, or None where they are not exactly one record."""
    stream = BytesIO(data)
    try:
        value = schemaless_reader(stream, parse_schema(record.schema()))
    except Exception:  # fastavro raises whatever the bytes lead it to
        return None
    return value if stream.tell() == len(data) else None
