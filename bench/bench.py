#!/usr/bin/env python3
"""Measures Alpes beside bounds of the same run: bench.py SUITE… (all quick ones without any). See bench/README.md."""

import argparse
import importlib
import signal
import sys

from support.alpes import workspace
from support.report import Report

QUICK = ["operators", "line", "terms", "intake", "freshness", "queries", "ledger"]
LONG = ["pulsar", "growth"]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    choice = f"{', '.join(QUICK)}; not by default: {', '.join(LONG)}"
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=choice)
    parser.add_argument("--no-history", action="store_true", help="do not write bench/history")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))  # servers and folders are cleared away
    for name in arguments.suites or QUICK:
        if name not in QUICK + LONG:
            parser.error(f"no suite is called {name}")
        suite = importlib.import_module(f"suites.{name}")
        report = Report(name, suite.SETTINGS)
        with workspace() as folder:
            suite.measure(report, folder)
        report.show()
        if not arguments.no_history:
            report.write()
    return 0


if __name__ == "__main__":
    sys.exit(main())
