"""The MCP server as an agent starts it, and messages from machine to machine."""

import json
import subprocess
import threading
import time

from .daemons import Connection, Daemon
from .machine import Failed, run

HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}


class Server:
    """`loopsy mcp-serve` after its handshake. Ends with its `with` block."""

    def __init__(self, home):
        begun = time.perf_counter()
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(home.cli("mcp-serve"), env=home.env, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL)
        self.number = 0
        self.ask("initialize", HELLO)
        self.seconds_to_answer = time.perf_counter() - begun
        self._write({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def ask(self, method, params):
        """The line that answers a request."""
        self.number += 1
        self._write({"jsonrpc": "2.0", "id": self.number, "method": method, "params": params})
        line = self.process.stdout.readline()
        if "result" not in json.loads(line or b"{}"):
            raise Failed(f"{method}: {line!r}")
        return line

    def _write(self, message):
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        self.process.stdin.flush()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()


def newest(daemon):
    """The cursor behind what is in an inbox now."""
    return json.loads(daemon.connection.get("/messages/inbox?limit=1000"))["cursor"]


class Reader(threading.Thread):
    """Waits for a message behind a cursor; knows when it came."""

    def __init__(self, daemon, since):
        super().__init__(daemon=True)
        self.connection = Connection(daemon)
        self.request = self.connection.request("GET", f"/messages/inbox?wait=60&since={since}")
        self.came = None
        self.start()

    def run(self):
        if json.loads(self.connection.send(self.request))["messages"]:
            self.came = time.perf_counter()

    def seconds_since(self, begun):
        self.join(70)
        self.connection.close()
        if self.came is None:
            raise Failed("no message came")
        return self.came - begun


def write(daemon, to):
    daemon.connection.post("/messages", {"to": to, "body": "x" * 1000})


def seconds_to_reader(pair):
    """From the request to send, on one machine, to the answer of a reader who waits on the other."""
    reader = Reader(pair.b, newest(pair.b))
    # He has to be waiting already.
    time.sleep(0.2)
    begun = time.perf_counter()
    write(pair.a, "b")
    return reader.seconds_since(begun)


def keep_port(daemon):
    """Has a daemon come back where it was."""
    run(daemon.home.cli("config", "set", "server.port", daemon.port), daemon.home.env)


def seconds_after_return(pair, away):
    """From a machine's return to the delivery of what was written meanwhile."""
    since = newest(pair.b)
    pair.b.stop()
    write(pair.a, "b")
    time.sleep(away)
    pair.b = Daemon(pair.b.home)
    begun = time.perf_counter()
    return Reader(pair.b, since).seconds_since(begun)
