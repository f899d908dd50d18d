"""Processes: what they take of the processor and of memory, and waiting for what they do."""

import atexit
import os
import socket
import subprocess
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
POLL_S = 0.1


@dataclass
class Finished:
    """A process that has ended well: what it printed, and what it took."""

    stdout: str
    seconds: float
    cpu_seconds: float
    peak_mb: float


def start(command, **options):
    """Starts a command as the system starts a service: in a session of its own, which gets a share of the processor of its
    own where Linux groups processes by session, as PostgreSQL's do. A terminal's Ctrl-C does not reach it there, so
    what still runs when the benchmark ends is killed."""
    process = subprocess.Popen(command, start_new_session=True, **options)
    atexit.register(process.kill)
    return process


def run(command, env=None, stdin=None):
    """Runs a command to its end; fails with what it said if it does."""
    begun = time.monotonic()
    process = start(command, env=env, stdin=stdin, stdout=subprocess.PIPE, text=True)
    stdout = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))}: exit {process.returncode}\n{stdout}")
    return Finished(stdout, time.monotonic() - begun, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def _stat(pid):
    """The fields of /proc/PID/stat after the name, which may hold anything."""
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()


def cpu_seconds(pid):
    """User and system time of a process, of its living children, and of those that have ended."""
    ticks = sum(map(int, _stat(pid)[11:15]))
    for child in filter(str.isdigit, os.listdir("/proc")):
        try:
            fields = _stat(child)
        except (FileNotFoundError, ProcessLookupError):
            continue
        if fields[1] == str(pid):
            ticks += sum(map(int, fields[11:13]))
    return ticks / TICKS_PER_SECOND


def peak_mb(pid):
    """The most memory that a living process had."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def free_port():
    """A port that nobody listens at just now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def is_alive(port):
    """Whether a server answers there. One that still starts may accept a request and let it wait."""
    try:
        return urllib.request.urlopen(f"http://127.0.0.1:{port}/health/live", timeout=5).status == 200
    except OSError:
        return False


def wait_until(what, is_so, seconds=120, poll=POLL_S):
    """Waits until `is_so()`; returns how long that took."""
    begun = time.monotonic()
    while not is_so():
        if time.monotonic() - begun > seconds:
            raise SystemExit(f"waited {seconds} s in vain: {what}")
        time.sleep(poll)
    return time.monotonic() - begun
