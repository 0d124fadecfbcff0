"""A change that is made on one machine and heard of on another: ours, and the key-value store of NATS JetStream."""

import json
import time

from .daemons import API, Connection
from .machine import Failed
from .rivals import NatsLine

COUNT = 500


def slowest(hear, change):
    """Milliseconds from a change that is asked for until it is heard of, p99. `change` answers when it is asked for, and what is
    to be done before the next one."""
    samples = []
    for number in range(COUNT):
        word = f"key-{number:06}-"
        begun = time.perf_counter()
        finish = change(word)
        hear(word)
        samples.append((time.perf_counter() - begun) * 1000)
        finish()
    return sorted(samples)[COUNT * 99 // 100 - 1]


class Ours:
    """A watch on `b` of the store of `a`, by way of b's daemon."""

    def __init__(self, pair):
        self.put = Connection(pair.a)
        self.watch = Connection(pair.b)
        watch = f"GET {API}/context-watch HTTP/1.1\r\n{self.watch.head}X-Loopsy-Peer: a\r\n\r\n"
        self.watch.socket.sendall(watch.encode())
        self._until("\r\n\r\n")

    def _until(self, word):
        heard, word = b"", word.encode()
        while word not in heard:
            piece = self.watch.socket.recv(1 << 16)
            if not piece:
                raise Failed("the watch broke off")
            heard += piece

    def p99(self):
        def change(word):
            self.put.socket.sendall(self.put.request("PUT", f"/context/{word}", {"value": "x" * 100}))
            return lambda: self.put.send(b"")

        return slowest(self._until, change)


class Theirs:
    """A watcher at a server that leads to the one that has the store."""

    def __init__(self, nats):
        self.put, self.watch = NatsLine(nats.port), NatsLine(nats.leaf.port)
        self.put.ask("$JS.API.STREAM.CREATE.KV_bench", {
            "name": "KV_bench", "subjects": ["$KV.bench.>"], "max_msgs_per_subject": 1, "storage": "file", "discard": "new",
            "allow_rollup_hdrs": True, "deny_delete": True, "allow_direct": True, "num_replicas": 1,
        })
        inbox = self.watch.subscribe()
        self.put.ask("$JS.API.CONSUMER.CREATE.KV_bench", {
            "stream_name": "KV_bench",
            "config": {"deliver_subject": inbox, "deliver_policy": "new", "ack_policy": "none", "filter_subject": "$KV.bench.>", "max_deliver": 1, "mem_storage": True, "num_replicas": 1},
        })

    def p99(self):
        def change(word):
            answered = self.put.publish(f"$KV.bench.{word}", b"x" * 100)

            def finish():
                if "error" in (answer := json.loads(self.put.until(answered))):
                    raise Failed(f"nats: {answer}")

            return finish

        return slowest(lambda word: self.watch.until(f"$KV.bench.{word}"), change)
