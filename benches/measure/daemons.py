"""Daemons in throw-away homes, and a bare HTTP connection to them."""

import json
import os
import pathlib
import secrets
import select
import signal
import socket
import subprocess
import time

from .machine import Failed

API = "/api/v1"


class Home:
    """A data directory with a configuration, in which a daemon can be started again and again."""

    def __init__(self, bench, name, peers=None, entries=None):
        self.bench = bench
        self.name = name
        self.path = bench.folder / f"home-{name}-{secrets.token_hex(3)}"
        self.path.mkdir(mode=0o700)
        self.key = secrets.token_hex(32)
        peers = peers or {}
        self.config = {
            "server": {"host": "127.0.0.1", "port": 0, "hostname": name},
            "auth": {"apiKey": self.key, "allowedKeys": {peer: link["key"] for peer, link in peers.items()}},
            "discovery": {
                "enabled": False,
                "manualPeers": [
                    {"address": "127.0.0.1", "port": link["port"], "hostname": peer} for peer, link in peers.items() if link.get("port")
                ],
            },
            "context": {"maxEntries": 1_000_000},
            "transfer": {"allowedPaths": [str(bench.folder)], "maxFileSize": 8 << 30},
            "rateLimits": {"execute": 10**9, "transfer": 10**9, "context": 10**9},
            "logging": {"level": "warn"},
        }
        # JSON is YAML.
        (self.path / "config.yaml").write_text(json.dumps(self.config))
        (self.path / "config.yaml").chmod(0o600)
        if entries:
            (self.path / "context.json").write_text(json.dumps({"entries": entries}))

    @property
    def env(self):
        path = f"{self.path / 'bin'}{os.pathsep}{os.environ['PATH']}"
        return {**os.environ, "LOOPSY_DATA_DIR": str(self.path), "NO_COLOR": "1", "PATH": path}

    def cli(self, *arguments):
        return [str(self.bench.binary), *map(str, arguments)]


class Daemon:
    """A running daemon. Ends with its `with` block."""

    def __init__(self, home):
        self.home = home
        self.log = open(home.path / "stderr", "ab")
        started = time.perf_counter()
        self.process = subprocess.Popen(home.cli("daemon"), env=home.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log)
        try:
            self.port = self._ready()["port"]
            self.connection = Connection(self)
            self.connection.get("/health")
        except BaseException:
            self.stop()
            raise
        self.seconds_to_answer = time.perf_counter() - started

    def _ready(self):
        readable, _, _ = select.select([self.process.stdout], [], [], 10)
        line = self.process.stdout.readline() if readable else b""
        try:
            return json.loads(line)
        except ValueError:
            words = (self.home.path / "stderr").read_text(errors="replace").strip().splitlines()
            raise Failed(f"the daemon did not say that it is ready: {' / '.join(words[-2:]) or line!r}") from None

    @property
    def pid(self):
        return self.process.pid

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}{API}"

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(8)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process.stdout.close()
        self.log.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def start(bench, name, **options):
    """A daemon in a new home."""
    return Daemon(Home(bench, name, **options))


class Pair:
    """Two daemons that are paired, so that they speak TLS: `a`, whose command line is used, and `b`, which does the work. Where
    there is a `port_of`, it answers the port at which `a` is to find the `b` of a port."""

    def __init__(self, bench, port_of=lambda port: port):
        self.b = start(bench, "b")
        try:
            self.a = start(bench, "a")
            self.port = port_of(self.b.port)
            self.seconds_to_pair = self._pair()
        except BaseException:
            self.__exit__()
            raise

    def _pair(self):
        """Seconds from the code being typed to the first call."""
        a, b = self.a.connection, self.b.connection
        code = json.loads(b.post("/pair/start", {}))["inviteCode"]
        begun = time.perf_counter()
        a.post("/pair/connect", {"address": "127.0.0.1", "port": self.port, "code": code})
        for side in (b, a):
            side.post("/pair/confirm", {"confirmed": True})
        state = {"active": True, "revision": 0}
        while state["active"]:
            state = json.loads(a.get(f"/pair/status?wait=10&since={state['revision']}"))
        if state["state"] != "completed":
            raise Failed(f"the two could not be paired: {state}")
        a.post("/peers/b/ping", {})
        return time.perf_counter() - begun

    def fingerprint(self):
        """What `b` is known by."""
        return json.loads(self.b.connection.get("/status"))["certificate"]["fingerprint"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for daemon in (getattr(self, "a", None), self.b):
            if daemon:
                daemon.stop()


class Connection:
    """One kept-alive connection, with as little of Python in the way as can be."""

    def __init__(self, daemon):
        self.head = f"Host: 127.0.0.1:{daemon.port}\r\nAuthorization: Bearer {daemon.home.key}\r\n"
        self.socket = socket.create_connection(("127.0.0.1", daemon.port), timeout=120)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def close(self):
        self.socket.close()

    def request(self, method, path, body=None):
        """The bytes of a request, to be sent with [`Connection.send`] many times."""
        content = json.dumps(body).encode() if body is not None else b""
        typed = "Content-Type: application/json\r\n" if body is not None else ""
        return f"{method} {API}{path} HTTP/1.1\r\n{self.head}{typed}Content-Length: {len(content)}\r\n\r\n".encode() + content

    def send(self, request):
        """Sends a request and reads its answer whole; the answer has a length."""
        self.socket.sendall(request)
        answer = b""
        while (end := answer.find(b"\r\n\r\n")) < 0:
            answer += self._more()
        head = answer[:end].lower()
        status = int(head[9:12])
        length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
        while len(answer) < end + 4 + length:
            answer += self._more()
        if status >= 300:
            raise Failed(f"status {status}: {answer[end + 4:][:200].decode(errors='replace')}")
        return answer[end + 4 :]

    def get(self, path):
        return self.send(self.request("GET", path))

    def post(self, path, body):
        return self.send(self.request("POST", path, body))

    def drain(self, request, until):
        """Sends a request and reads a stream until `until` has been seen; answers how many bytes came."""
        self.socket.sendall(request)
        buffer, received, tail = bytearray(1 << 20), 0, b""
        while until not in tail:
            count = self.socket.recv_into(buffer)
            if not count:
                raise Failed("the stream broke off")
            received += count
            tail = (tail + buffer[max(0, count - 512) : count])[-1024:]
        return received

    def _more(self):
        piece = self.socket.recv(1 << 16)
        if not piece:
            raise Failed("the connection broke off")
        return piece


def filler(count):
    """Entries for a store that is not empty, as an export has them."""
    return [{"key": f"filler/{number:07}", "value": "x" * 100} for number in range(count)]


def text_file(path, size):
    """A file of lines of text."""
    line = b"The quick brown fox jumps over the lazy dog, and the dog does not mind at all.\n"
    block = line * (1024 * 1024 // len(line) + 1)
    with open(path, "wb") as file:
        for _ in range(size >> 20):
            file.write(block[: 1 << 20])
    return pathlib.Path(path)


def random_file(path, size):
    """A file that does not compress."""
    with open(path, "wb") as file:
        for _ in range(size >> 20):
            file.write(os.urandom(1 << 20))
    return pathlib.Path(path)
