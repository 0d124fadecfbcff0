"""The dashboard, what a browser measures of it, and a terminal that is flooded."""

import base64
import json
import os
import pathlib
import secrets
import shutil
import subprocess
import time

from .daemons import API, Connection
from .machine import Failed, Missing

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SCENE = ROOT / "tests" / "browser" / "first_paint.mjs"


class Dashboard:
    """A daemon's `loopsy dashboard`. Ends with its `with` block."""

    def __init__(self, daemon):
        self.daemon = daemon
        home = daemon.home
        pipe, nothing = subprocess.PIPE, subprocess.DEVNULL
        self.process = subprocess.Popen(home.cli("dashboard", "-p", "0", "--json"), env=home.env, stdin=nothing, stdout=pipe, stderr=nothing)
        line = self.process.stdout.readline()
        try:
            self.url = json.loads(line)["url"]
        except ValueError:
            self.__exit__()
            raise Failed(f"the dashboard did not say where it is: {line!r}") from None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(10)
        self.process.stdout.close()


def browser():
    """Chromium, node, and the folder with what drives the one from the other, as tests/run gets them."""
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    packages = pathlib.Path(os.environ.get("LOOPSY_BROWSER_PACKAGES", target / "browser")).resolve()
    chromium, node = os.environ.get("LOOPSY_CHROMIUM") or shutil.which("chromium"), shutil.which("node")
    found = {"chromium": chromium, "node": node, "playwright-core": (packages / "node_modules" / "playwright-core").is_dir()}
    if not all(found.values()):
        raise Missing(f"needs {' and '.join(name for name in found if not found[name])}, which tests/run gets")
    return chromium, node, packages


def visit(dashboard):
    """What a new browser measures, by name."""
    chromium, node, packages = browser()
    daemon = dashboard.daemon
    stage = {
        "url": dashboard.url,
        "binary": str(daemon.home.bench.binary),
        "packages": str(packages),
        "chromium": chromium,
        "leo": {"address": f"127.0.0.1:{daemon.port}", "key": daemon.home.key, "env": daemon.home.env},
    }
    try:
        done = subprocess.run([node, str(SCENE)], env={**os.environ, "LOOPSY_STAGE": json.dumps(stage)}, capture_output=True, text=True, timeout=180)
        return json.loads(done.stdout.splitlines()[-1])
    except (ValueError, IndexError):
        words = [line.strip() for line in done.stderr.splitlines() if "Error" in line]
        raise Failed(f"the browser measured nothing: {' / '.join(words[:2])}") from None
    except subprocess.TimeoutExpired:
        raise Failed("the browser did not end") from None


MUCH = 500_000_000
TEXT = f"yes 'a line of output as programs print it, with some words in it' | head -c {MUCH}; echo; echo all written"
BINARY, CLOSE, PING, PONG = 2, 8, 9, 10


class Viewer:
    """Looks at a new terminal, which runs a shell line."""

    def __init__(self, daemon, line):
        command = {"command": "sh", "args": ["-c", line]}
        self.daemon = daemon
        self.path = f"/terminals/{json.loads(daemon.connection.post('/terminals', command))['terminalId']}"
        self.connection = Connection(daemon)
        key = base64.b64encode(secrets.token_bytes(16)).decode()
        upgrade = f"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
        self.connection.socket.sendall(f"GET {API}{self.path}/socket?cols=80&rows=24 HTTP/1.1\r\n{self.connection.head}{upgrade}\r\n".encode())
        self.stream = self.connection.socket.makefile("rb", 1 << 20)
        status = self.stream.readline()
        if b" 101 " not in status:
            raise Failed(f"no socket to the terminal: {status!r}")
        while self.stream.readline().strip():
            pass

    def send(self, kind, content):
        """A short frame; its mask changes nothing."""
        self.connection.socket.sendall(bytes([0x80 | kind, 0x80 | len(content), 0, 0, 0, 0]) + content)

    def drain(self, until):
        """Reads until the output ends like this; answers how many bytes of it came."""
        received, tail = 0, b""
        while not tail.endswith(until):
            kind, length = self.stream.read(2)
            if length >= 126:
                length = int.from_bytes(self.stream.read(2 if length == 126 else 8))
            content = self.stream.read(length)
            if kind & 15 == BINARY:
                received += length
                tail = (tail + content[-len(until) :])[-len(until) :]
            elif kind & 15 == PING:
                self.send(PONG, content)
            elif kind & 15 == CLOSE:
                raise Failed("the terminal's socket was closed")
        return received

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stream.close()
        self.connection.close()
        self.daemon.connection.send(self.daemon.connection.request("DELETE", self.path))


def seconds_of_flood(daemon):
    """From the key that starts the output to its last byte, of which none is lost."""
    with Viewer(daemon, f"read go; {TEXT}; read end") as viewer:
        begun = time.perf_counter()
        viewer.send(BINARY, b"\r")
        received = viewer.drain(b"all written\r\n")
        seconds = time.perf_counter() - begun
    if received < MUCH:
        raise Failed(f"only {received} of {MUCH} bytes came")
    return seconds
