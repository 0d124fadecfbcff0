"""The MCP server as an agent starts it, messages from machine to machine, and an agent that asks."""

import json
import subprocess
import sys
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


# In Claude Code's protocol: asks a hundred times at once, and notes when each answer came.
ASKER = """#!{python}
import json, sys, time
def say(**line): print(json.dumps(line), flush=True)
json.loads(sys.stdin.readline())
for n in range(100):
    request = {{"subtype": "can_use_tool", "tool_name": "Bash", "input": {{"command": "true"}}, "tool_use_id": str(n)}}
    say(type="control_request", request_id=f"ask-{{n}}", request=request)
with open("answers", "w") as answers:
    for n in range(100):
        answer = json.loads(sys.stdin.readline())
        print(answer["response"]["request_id"], time.perf_counter(), file=answers)
say(type="result", subtype="success", is_error=False, result="done")
"""


def install_asker(home):
    """Puts it where the daemon finds it as Claude Code."""
    agent = home.path / "bin" / "claude"
    agent.parent.mkdir()
    agent.write_text(ASKER.format(python=sys.executable))
    agent.chmod(0o755)


def slowest_answer(daemon):
    """From the request that answers to the moment in which the agent has read it: the slowest but one of a hundred."""
    path = f"/ai-tasks/{json.loads(daemon.connection.post('/ai-tasks', {'prompt': 'ask', 'cwd': str(daemon.home.path)}))['taskId']}"
    task = {"pendingApprovals": []}
    while len(task["pendingApprovals"]) < 100:
        task = json.loads(daemon.connection.get(path))
    begun = {}
    # People answer by ids of the daemon's; they are in the order in which the agent asked.
    for number, approval in enumerate(task["pendingApprovals"]):
        request = daemon.connection.request("POST", f"{path}/approve", {"requestId": approval["requestId"], "approved": True})
        begun[f"ask-{number}"] = time.perf_counter()
        daemon.connection.send(request)
    while task["status"] != "completed":
        if task["status"] == "failed":
            raise Failed(task["error"])
        task = json.loads(daemon.connection.get(path))
    answers = (line.split() for line in (daemon.home.path / "answers").read_text().splitlines())
    return sorted(float(came) - begun[request_id] for request_id, came in answers)[-2]
