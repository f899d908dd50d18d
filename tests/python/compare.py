"""Compares what two systems hold, by id: `compare.py OLD.ndjson NEW.ndjson`. Exit 1 where the new one is wrong.

OLD: commands (history.py, or SQL). NEW: `alpes export impresiones --json`, then `conversiones`, into one file. Only what
may not differ is compared: campaign, influencer, user, kind, amount, currency and instant.
"""

import json
import sys
from collections import Counter
from datetime import datetime, timezone
from decimal import Decimal

SHOWN = 5


def instant(text):
    time = datetime.fromisoformat(text)
    return time if time.tzinfo else time.replace(tzinfo=timezone.utc)


def content(row):
    names = ("campaña_id", "influencer_id", "usuario_id", "tipo_evento", "tipo_conversion", "moneda")
    values = {name: row.get(name) or "" for name in names}
    values["valor"] = Decimal(str(row["valor"])) if "tipo_conversion" in row else ""
    values["timestamp"] = instant(row["timestamp"])
    return values


def rows(file):
    """(conversion?, id) of each row, what it says, and how often it is there."""
    seen, times = {}, Counter()
    with open(file) as lines:
        for line in lines:
            row = json.loads(line)
            key = ("tipo_conversion" in row, row.get("id") or "")
            times[key] += 1
            seen.setdefault(key, content(row))
    return seen, times


def show(what, keys, more=lambda _: ""):
    print(f"{what:<34} {len(keys)}")
    for conversion, id in sorted(keys)[:SHOWN]:
        print(f"    {'conversión' if conversion else 'impresión'} {id!r} {more((conversion, id))}")


def main():
    (old, old_times), (new, new_times) = map(rows, sys.argv[1:3])
    differing = {key for key in old.keys() & new.keys() if old[key] != new[key]}
    lacking = old.keys() - new.keys()
    print(f"{'in both and the same':<34} {len(old.keys() & new.keys()) - len(differing)}")
    show("only in the old one", lacking)
    show("only in the new one", new.keys() - old.keys())
    show("with one id and two contents", differing, lambda key: sorted(
        (name, str(old[key][name]), str(new[key][name])) for name in old[key] if old[key][name] != new[key][name]
    ))
    show("more than once in the old one", [key for key, n in old_times.items() if n > 1])
    doubled = [key for key, n in new_times.items() if n > 1]
    show("more than once in the new one", doubled)
    sys.exit(bool(lacking or differing or doubled))


if __name__ == "__main__":
    main()
