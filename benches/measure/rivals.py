"""What people would use instead: sshd, redis and nats-server, each in a throw-away folder on a port of its own."""

import csv
import getpass
import json
import os
import pathlib
import signal
import socket
import subprocess
import time

from .machine import Failed, find


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Rival:
    """A server process that ends with its `with` block."""

    def __init__(self, bench, name, command_of):
        self.folder = bench.folder / name
        self.folder.mkdir(mode=0o700, exist_ok=True)
        self.port = free_port()
        with open(self.folder / "log", "wb") as log:
            self.process = subprocess.Popen(command_of(self.folder, self.port), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            self._listening()
        except BaseException:
            self.stop()
            raise

    def _listening(self):
        end = time.monotonic() + 10
        while time.monotonic() < end and self.process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.01)
        words = (self.folder / "log").read_text(errors="replace").strip().splitlines()
        raise Failed(f"{self.folder.name} does not listen: {' / '.join(words[-2:])}")

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Redis(Rival):
    """Redis that syncs before it answers."""

    def __init__(self, bench):
        server = find("redis-server")
        self.benchmark, self.cli = find("redis-benchmark"), find("redis-cli")
        super().__init__(
            bench,
            "redis",
            lambda folder, port: [
                server, "--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder),
                "--save", "", "--appendonly", "yes", "--appendfsync", "always",
            ],
        )

    def rate(self, test, connections, requests):
        """Requests a second by redis's own load generator, with values of 100 bytes."""
        command = [self.benchmark, "-h", "127.0.0.1", "-p", str(self.port), "-t", test, "-c", str(connections), "-n", str(requests), "-d", "100", "--csv"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        rows = [row for row in csv.reader(done.stdout.splitlines()) if row and row[0].lower() == test]
        if done.returncode or not rows:
            raise Failed(f"redis-benchmark: {done.stderr.strip()}")
        return float(rows[0][1])


class Nats(Rival):
    """A NATS server with JetStream that syncs before it answers, and as `leaf` one on another machine that leads to it."""

    def __init__(self, bench):
        server, leads = find("nats-server"), free_port()

        def command(more):
            def written(folder, port):
                (folder / "conf").write_text(f'host: 127.0.0.1\nport: {port}\n{more.format(folder=folder, leads=leads)}\n')
                return [server, "-c", str(folder / "conf")]

            return written

        hub = 'jetstream {{ store_dir: "{folder}/store", sync_interval: always }}\nleafnodes {{ host: 127.0.0.1, port: {leads} }}'
        self.leaf = None
        super().__init__(bench, "nats", command(hub))
        try:
            self.leaf = Rival(bench, "nats-leaf", command('leafnodes {{ remotes: [ {{ url: "nats://127.0.0.1:{leads}" }} ] }}'))
        except BaseException:
            self.stop()
            raise

    def stop(self):
        if self.leaf:
            self.leaf.stop()
        super().stop()


class NatsLine:
    """A connection in NATS's own protocol, with as little of Python in the way as can be."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received, self.inbox, self.number = b"", f"_INBOX.{port}.{id(self)}", 0
        self.socket.sendall(b'CONNECT {"verbose":false,"pedantic":false,"headers":true,"no_responders":true}\r\nPING\r\n')
        while b"PONG\r\n" not in self.received:
            self._more()
        self.received = b""
        self.socket.sendall(f"SUB {self.inbox}.* 1\r\n".encode())

    def subscribe(self):
        """Where a consumer sends what this connection is to hear. Known to the server when this returns."""
        self.socket.sendall(f"SUB {self.inbox}-deliver 2\r\nPING\r\n".encode())
        while b"PONG\r\n" not in self.received:
            self._more()
        # To the servers beyond it comes a moment later.
        time.sleep(1)
        self.received = b""
        return f"{self.inbox}-deliver"

    def publish(self, subject, content):
        """Sends; answers the subject of the answer to come."""
        self.number += 1
        answered = f"{self.inbox}.{self.number}"
        self.socket.sendall(f"PUB {subject} {answered} {len(content)}\r\n".encode() + content + b"\r\n")
        return answered

    def ask(self, subject, question):
        answer = json.loads(self.until(self.publish(subject, json.dumps(question).encode())))
        if "error" in answer:
            raise Failed(f"nats: {answer['error']}")
        return answer

    def until(self, subject):
        """Reads messages until one of this subject; answers its content."""
        while True:
            line, rest = self._line()
            words = line.split()
            if words and words[0] == b"MSG":
                end = int(words[-1])
                while len(rest) < end + 2:
                    self._more()
                    rest = self.received[len(line) + 2 :]
                self.received = rest[end + 2 :]
                if words[1] == subject.encode():
                    return rest[:end]
            else:
                self.received = rest
                if words and words[0] == b"PING":
                    self.socket.sendall(b"PONG\r\n")
                elif words and words[0] in (b"-ERR", b"HMSG"):
                    raise Failed(f"nats: {line.decode()} {rest[:200]!r}")

    def _line(self):
        while b"\r\n" not in self.received:
            self._more()
        line, _, rest = self.received.partition(b"\r\n")
        return line, rest

    def _more(self):
        piece = self.socket.recv(1 << 16)
        if not piece:
            raise Failed("nats: the connection broke off")
        self.received += piece


class Sshd(Rival):
    """An sshd with keys and settings of its own, and the clients' options to reach it."""

    def __init__(self, bench):
        sshd, keygen = find("sshd"), find("ssh-keygen")
        self.ssh, self.scp = find("ssh"), find("scp")
        if os.geteuid() == 0:
            # Where sshd, started by root, locks its unprivileged half in.
            pathlib.Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)

        def command(folder, port):
            for name in ("host", "user"):
                if not (folder / name).exists():
                    subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
            settings = {
                "Port": port, "ListenAddress": "127.0.0.1", "HostKey": folder / "host", "PidFile": "none",
                "AuthorizedKeysFile": folder / "user.pub", "StrictModes": "no", "UsePAM": "no", "PasswordAuthentication": "no",
                "PermitRootLogin": "yes", "Subsystem": "sftp internal-sftp", "MaxSessions": 100,
                # What the user's shell does when it starts is not ssh's fault.
                "SetEnv": f"HOME={folder}",
            }
            (folder / "config").write_text("".join(f"{key} {value}\n" for key, value in settings.items()))
            return [sshd, "-D", "-e", "-f", str(folder / "config")]

        super().__init__(bench, "sshd", command)
        known = "StrictHostKeyChecking=no", f"UserKnownHostsFile={self.folder / 'known'}", "BatchMode=yes", "LogLevel=ERROR"
        self.options = ["-F", "none", "-i", str(self.folder / "user"), *(part for option in known for part in ("-o", option))]
        self.host = f"{getpass.getuser()}@127.0.0.1"
        self.control = self.folder / "control"

    def command(self, *remote, multiplexed=False, cipher=None):
        """The client's command line."""
        reuse = ["-S", str(self.control)] if multiplexed else ["-S", "none"]
        ciphers = ["-c", cipher] if cipher else []
        return [self.ssh, *self.options, *reuse, *ciphers, "-p", str(self.port), self.host, *remote]

    def copy(self, source, target):
        """scp with the fastest cipher that it has on current processors."""
        return [self.scp, "-q", *self.options, "-c", "aes128-gcm@openssh.com", "-P", str(self.port), str(source), str(target)]

    def remote(self, path):
        return f"{self.host}:{path}"

    def open_master(self):
        """Opens the connection that later commands share."""
        command = [self.ssh, *self.options, "-M", "-S", str(self.control), "-N", "-f", "-p", str(self.port), self.host]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def stop(self):
        if getattr(self, "control", None) and self.control.exists():
            subprocess.run([self.ssh, "-F", "none", "-S", str(self.control), "-O", "exit", self.host], capture_output=True)
        super().stop()
