"""The real thing in a temporary folder, for drill.py: a broker, `alpes` in many processes over its embedded PostgreSQL."""

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(os.environ.get("DRILL_BIN", ROOT / "target/release"))
# Below the ports that systems give to outgoing connections, which could take a port while its owner restarts.
PORTS = range(20_000, 32_000)
# Longer than anything here takes on a busy machine: what is not so by then will never be.
PATIENCE_S = 180
ASK_EVERY_S = 0.05


class Failed(Exception):
    """A drill found something that must not be."""


def wait_until(what, is_so, patience=PATIENCE_S):
    """Seconds that it took."""
    begun = time.monotonic()
    while not is_so():
        if time.monotonic() - begun > patience:
            raise Failed(f"waited {patience} s in vain until {what}")
        time.sleep(ASK_EVERY_S)
    return time.monotonic() - begun


def free_address():
    while True:
        port = random.choice(PORTS)
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
            return f"127.0.0.1:{port}"


def answers(address, path):
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


def rss_mb(process):
    return int(subprocess.check_output(["ps", "-o", "rss=", "-p", str(process.pid)])) // 1024


class Line(NamedTuple):
    owner: str
    epoch: int
    messages: int


class Stage:
    """Use it as a context: at its end everything is stopped and, after a success, the folder is gone."""

    def __enter__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="alpes-drill-"))
        self.folder.chmod(0o711)  # PostgreSQL runs under an account of its own where the drill runs as root
        self.log = open(self.folder / "alpes.log", "ab")
        self.broker_address, self.admin_address, self.http = free_address(), free_address(), free_address()
        self.environment = os.environ | {
            "ALPES_DATA": str(self.folder / "data"),
            "ALPES_HTTP": self.http,
            "ALPES_LOG": os.environ.get("ALPES_LOG", "warn"),
            # Publishing events takes as much as counting does, and has tests of its own.
            "ALPES_RELAY": os.environ.get("ALPES_RELAY", "off"),
            "PULSAR_URL": f"pulsar://{self.broker_address}",
            "PULSAR_ADMIN": f"http://{self.admin_address}",
            "PULSAR_LOG_LEVEL": "error",
        }
        self.processes, self.broker, self.psql = [], None, None
        try:
            self.start_broker()
            # The API also keeps PostgreSQL running while workers come and go.
            self.api = self.start("api")
            wait_until("the API answers", lambda: answers(self.http, "/health/live"))
            socket_folder = (self.folder / "data/postgres/postmaster.pid").read_text().splitlines()[4]
            self.psql = subprocess.Popen(
                ["psql", "-h", socket_folder, "-U", "alpes", "-d", "alpes", "-qAtX", "-F", "\t"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            )
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def __exit__(self, kind, error, trace):
        if self.psql:
            self.psql.stdin.close()
            self.psql.wait()
        for process in reversed(self.processes):
            # A frozen process would not hear that it should stop.
            for number in (signal.SIGTERM, signal.SIGCONT):
                process.send_signal(number)
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self.broker:
            self.broker.kill()
            self.broker.wait()
        if kind:
            print(f"  everything is left in {self.folder}", file=sys.stderr)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)

    # The broker.

    def start_broker(self):
        """Returns once it serves."""
        port, admin_port = (address.split(":")[1] for address in (self.broker_address, self.admin_address))
        with open(self.folder / "broker.log", "ab") as log:
            self.broker = subprocess.Popen(
                [ROOT / "scripts/pulsar.sh", "run", self.folder / "broker", "--port", port, "--admin-port", admin_port],
                stdout=log, stderr=log, env=self.environment,
            )
        wait_until("the broker serves", lambda: answers(self.admin_address, "/admin/v2/namespaces/public/default"))

    def kill_broker(self):
        self.broker.kill()
        self.broker.wait()

    # Alpes.

    def start(self, *arguments, stdout=None):
        process = subprocess.Popen(
            [BIN / "alpes", *map(str, arguments)], stdout=stdout or self.log, stderr=self.log, env=self.environment
        )
        self.processes.append(process)
        return process

    def run(self, *arguments):
        """To its good end."""
        process = self.start(*arguments)
        if process.wait():
            raise Failed(f"alpes {arguments[0]} ended with {process.returncode}")

    def start_worker(self):
        return self.start("pipeline", "--http", free_address(), "--queries", free_address())

    def generate(self, events):
        """A file of commands: a tenth repeated, a hundredth faulty."""
        file = self.folder / "events.ndjson"
        self.run("generate", "--events", events, "--seed", 7, "--out", file)
        return file

    def publish(self, file):
        """Straight into the topic, as the API would."""
        produce = [BIN / "examples/produce", file, self.environment["PULSAR_URL"], self.environment["PULSAR_ADMIN"]]
        print("  " + subprocess.check_output(produce, text=True).strip())

    def logged(self, text):
        """The lines with this text in the log of all processes."""
        return [line for line in (self.folder / "alpes.log").read_text().splitlines() if text in line]

    # The tables.

    def sql(self, query):
        """Rows as lists of text."""
        self.psql.stdin.write(query + ";\n\\echo .\n")
        self.psql.stdin.flush()
        rows = iter(self.psql.stdout.readline, ".\n")
        return [row.rstrip("\n").split("\t") for row in rows]

    def number(self, query):
        return int(self.sql(query)[0][0])

    def lines(self):
        """The tracking lines over alpes-comandos that have counted something, by source."""
        rows = self.sql(
            "SELECT source, owner, epoch, messages FROM lines"
            " WHERE flow = 'tracking' AND source LIKE 'alpes-comandos%' AND messages > 0"
        )
        return {source: Line(owner, int(epoch), int(messages)) for source, owner, epoch, messages in rows}

    def counted(self):
        return self.number("SELECT coalesce(sum(messages), 0) FROM lines")
