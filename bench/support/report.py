"""What was measured: as a table to read, and as a file to compare the next one with."""

import json
import os
import platform
import statistics
import subprocess
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

from support.alpes import ROOT

HISTORY = ROOT / "bench" / "history"


def setting(name, default):
    """A number that the environment may change."""
    return int(os.environ.get(name, default))


def git(*arguments):
    return subprocess.run(["git", "-C", ROOT, *arguments], capture_output=True, text=True).stdout.strip()


def machine():
    """Where and of what the figures are."""
    cpu = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    memory_kb = int(Path("/proc/meminfo").read_text().split("MemTotal:")[1].split()[0])
    changed = "+" if git("status", "--porcelain", "--untracked-files=no") else ""
    return {
        "cores": os.cpu_count(), "cpu": cpu[0].split(":")[1].strip() if cpu else platform.machine(),
        "memory_gb": round(memory_kb / 1024**2, 1), "system": platform.release(),
        "commit": git("rev-parse", "--short", "HEAD") + changed,
    }


def percentile(samples, share):
    """The sample below which `share` of all lie."""
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


@dataclass
class Report:
    """The measures of one suite. A measure has a case, a name, and one sample for each run."""

    suite: str
    settings: dict
    measures: dict = field(default_factory=dict)
    facts: dict = field(default_factory=machine)

    def add(self, case, **values):
        """One run of a case; `_per_` and `__` in names become `/` and a space."""
        for name, value in values.items():
            self.measures.setdefault((case, name.replace("_per_", "/").replace("_", " ")), []).append(value)

    def note_postgres(self, alpes):
        """The version of the database, and whether its buffers lie in huge pages, once."""
        if "postgres" not in self.facts:
            self.facts["postgres"] = alpes.sql("SHOW server_version")
            self.facts["huge_pages"] = alpes.in_huge_pages()

    def rows(self):
        cases = list(dict.fromkeys(case for case, _ in self.measures))
        for (case, name), samples in sorted(self.measures.items(), key=lambda measure: cases.index(measure[0][0])):
            samples = [float(f"{sample:.5g}") for sample in samples]
            yield {"case": case, "measure": name, "median": statistics.median(samples), "samples": samples}

    def show(self):
        """Prints the table, with the change since the last run of the same suite that was committed."""
        before, since = self.last_committed()
        facts = self.facts
        pages = " in huge pages" if facts.get("huge_pages") else ""
        print(f"\n{self.suite}: {facts['cores']} × {facts['cpu']}, {facts['memory_gb']} GB, commit {facts['commit']}, "
              f"PostgreSQL {facts.get('postgres', '—')}{pages}; " + ", ".join(f"{k}={v}" for k, v in self.settings.items()))
        width = max(len(case) for case, _ in self.measures)
        print(f"{'':{width}} {'':24} {'median':>12} {'min':>12} {'max':>12} {'since ' + since if since else '':>14}")
        shown = None
        for row in self.rows():
            case, name, median, samples = row["case"], row["measure"], row["median"], row["samples"]
            old = before.get((case, name))
            change = f"{100 * (median / old - 1):+.1f} %" if old else ""
            print(f"{case if case != shown else '':{width}} {name:24} {number(median):>12} {number(min(samples)):>12} "
                  f"{number(max(samples)):>12} {change:>14}")
            shown = case
        print(flush=True)

    def write(self):
        """Keeps the run as a file of its own."""
        HISTORY.mkdir(exist_ok=True)
        now = datetime.now(timezone.utc)
        path = HISTORY / f"{now:%Y-%m-%dT%H%M%SZ}-{self.facts['commit'].rstrip('+')}-{self.suite}.json"
        content = {"suite": self.suite, "at": f"{now:%Y-%m-%dT%H:%M:%SZ}", **self.facts, "settings": self.settings,
                   "measures": list(self.rows())}
        path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
        print(f"written: {path.relative_to(ROOT)}")

    def last_committed(self):
        """Medians of the newest file in git of the same suite, size and kind of machine, and its commit."""
        for path in reversed(git("ls-files", f"bench/history/*-{self.suite}.json").splitlines()):
            old = json.loads((ROOT / path).read_text())
            if self.is_comparable(old):
                return {(row["case"], row["measure"]): row["median"] for row in old["measures"]}, old["commit"]
        return {}, ""

    def is_comparable(self, old):
        """Whether it was as much work on a machine of the same kind; the number of runs does not matter."""
        same_work = {**old["settings"], "RUNS": 0} == {**self.settings, "RUNS": 0}
        same_pages = old.get("huge_pages", False) == self.facts.get("huge_pages", False)
        return same_work and same_pages and all(old[fact] == self.facts[fact] for fact in ("cores", "cpu"))


def number(value):
    """With as many digits as say something."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"
