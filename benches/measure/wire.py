"""A wire between two daemons that counts what their TLS carries, and is cut once."""

import socket
import struct
import threading
import time

from .machine import Failed, run

# What the wire may hold in each direction, bytes: no more than two daemons without it would.
HELD = 64 * 1024
# What TLS 1.3 adds to the content of a record: its type and its tag.
ADDED = 17
# The file goes on once more than this has been sent after the cut: handshakes and requests are smaller.
GREETING = 64 * 1024


class Records:
    """Counts what is inside of the TLS records of a stream."""

    def __init__(self):
        self.content, self.left, self.head = 0, 0, b""

    def feed(self, piece):
        at = 0
        while at < len(piece):
            if self.left:
                passed = min(self.left, len(piece) - at)
                self.left -= passed
                at += passed
                continue
            missing = 5 - len(self.head)
            self.head += bytes(piece[at : at + missing])
            at += missing
            if len(self.head) == 5:
                self.left = struct.unpack(">H", self.head[3:])[0]
                self.content += max(0, self.left - ADDED)
                self.head = b""


class Wire:
    """A port that leads to another. Ends with its `with` block."""

    def __init__(self, target):
        self.target = target
        self.cut_after, self.was_cut, self.went_on = None, None, None
        self.sent, self.sent_at_cut = 0, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut_once_after(self, content):
        """From now on counts what is sent to the target, and breaks the connection that carries it once it is so much."""
        self.cut_after, self.was_cut, self.went_on, self.sent = content, None, None, 0

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
                far = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                return
            for end in (near, far):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, HELD)
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, HELD)
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for source, sink, counted in ((near, far, True), (far, near, False)):
                threading.Thread(target=self._carry, args=(source, sink, counted), daemon=True).start()

    def _carry(self, source, sink, counted):
        buffer, records, told = memoryview(bytearray(1 << 18)), Records(), 0
        try:
            while count := source.recv_into(buffer):
                if counted:
                    records.feed(buffer[:count])
                    self.sent, told = self.sent + records.content - told, records.content
                    if self.was_cut and not self.went_on and self.sent > self.sent_at_cut + GREETING:
                        self.went_on = time.perf_counter()
                    if self.cut_after and not self.was_cut and self.sent > self.cut_after:
                        self.was_cut, self.sent_at_cut = time.perf_counter(), self.sent
                        break
                sink.sendall(buffer[:count])
        except OSError:
            pass
        for end in (source, sink):
            try:
                # What is still held is lost, as where a cable is pulled.
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            end.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()


def resumed(pair, wire, source, target):
    """Sends a file over a wire that is cut in the middle: MiB sent twice, and seconds until it went on."""
    size = source.stat().st_size
    wire.cut_once_after(size // 2)
    run(pair.a.home.cli("send", "b", source, target), pair.a.home.env)
    arrived = target.stat().st_size
    target.unlink()
    if arrived != size or not wire.was_cut or not wire.went_on:
        raise Failed(f"{arrived} of {size} bytes arrived, after a cut: {bool(wire.was_cut)}, gone on: {bool(wire.went_on)}")
    return {"twice": max(0, wire.sent - size) / (1 << 20), "seconds": wire.went_on - wire.was_cut}
