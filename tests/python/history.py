"""Writes the rows of legacy.py's store as commands, one JSON object a line, for `alpes backfill` and for compare.py.

Rows without an id are left out: from a file they would be counted once more.
"""

import json
import sqlite3
import struct
import sys
from decimal import ROUND_HALF_EVEN, Decimal

COMMANDS = {"impresiones": "registrar-impresion", "conversiones": "registrar-conversion"}


def amount(value):
    """The shortest decimal that reads back to the same 32 bits, to the cent, as Alpes takes it from the wire."""
    for digits in range(6, 10):
        text = f"{value:.{digits}g}"
        if struct.pack("f", float(text)) == struct.pack("f", value):
            break
    return float(Decimal(text).quantize(Decimal("0.01"), ROUND_HALF_EVEN))


def main():
    database = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True, timeout=60)
    database.row_factory = sqlite3.Row
    nameless = 0
    for table, command in COMMANDS.items():
        for row in database.execute(f"SELECT * FROM {table}"):
            values = {name: value for name, value in dict(row).items() if value not in (None, "")}
            if "id" not in values:
                nameless += 1
                continue
            if "valor" in values:
                values["valor"] = amount(values["valor"])
            print(json.dumps({"comando": command} | values, ensure_ascii=False))
    if nameless:
        print(f"history: {nameless} rows without an id are left out", file=sys.stderr)


if __name__ == "__main__":
    main()
