"""Ten thousand programs that listen to one daemon."""

import resource
import select
import socket
import ssl
import time

from . import machine
from .daemons import API, Connection
from .machine import Failed, Missing

COUNT = 10_000
# What both processes need besides.
SPARE = 500


def claim_descriptors():
    """Raises this process's limit, which a daemon inherits, to what the readers take."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = COUNT + SPARE
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise Missing(f"needs {wanted} descriptors in each process, may have {hard}")
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class Readers:
    """Connections that follow the events of a daemon. Closed with their `with` block."""

    def __init__(self, daemon, tls=False, count=COUNT):
        self.daemon, self.sockets = daemon, {}
        self.poll = select.epoll()
        before = machine.memory(daemon.pid, "VmRSS")
        request = f"GET {API}/events?kinds=context HTTP/1.1\r\nHost: 127.0.0.1:{daemon.port}\r\nAuthorization: Bearer {daemon.home.key}\r\n\r\n"
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        try:
            for _ in range(count):
                reader = socket.create_connection(("127.0.0.1", daemon.port), timeout=60)
                reader = context.wrap_socket(reader) if tls else reader
                self.sockets[reader.fileno()] = reader
                reader.sendall(request.encode())
                self.poll.register(reader, select.EPOLLIN)
            self.seconds_until_all_have("hello")
            self.kibibytes_each = (machine.memory(daemon.pid, "VmRSS") - before) * 1024 / count
        except BaseException:
            self.close()
            raise

    def seconds_until_all_have(self, word, begun=None):
        """Reads until this word has come to each of them."""
        begun, word = begun or time.perf_counter(), word.encode()
        waiting, heard = set(self.sockets), dict.fromkeys(self.sockets, b"")
        while waiting:
            ready = self.poll.poll(30)
            if not ready:
                raise Failed(f"{len(waiting)} of {len(self.sockets)} readers heard nothing of {word.decode()}")
            for number, _ in ready:
                piece = self.sockets[number].recv(1 << 14)
                if not piece:
                    raise Failed("a reader was cut off")
                heard[number] = (heard[number] + piece)[-4096:]
                if word in heard[number]:
                    waiting.discard(number)
        return time.perf_counter() - begun

    def seconds_of_event(self, key):
        """From a change that is asked for until all have heard of it."""
        # One of its own: the daemon has closed what was unused for a minute.
        connection = Connection(self.daemon)
        begun = time.perf_counter()
        connection.send(connection.request("PUT", f"/context/{key}", {"value": "x"}))
        connection.close()
        return self.seconds_until_all_have(f'"{key}"', begun)

    def close(self):
        for reader in self.sockets.values():
            reader.close()
        self.poll.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
