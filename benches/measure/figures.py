"""THE LIST of what is measured, by group."""

import contextlib
import itertools
import json
import os
import pathlib
import shlex
import shutil
import socket
import ssl
import statistics
import subprocess
import time

from . import agents, dashboard, machine, network, readers, watching, wire
from .bench import at_least, at_least_times, at_most, at_most_times
from .daemons import Connection, Daemon, Home, Pair, filler, random_file, start, text_file
from .machine import Failed, Missing, find, run
from .rivals import Nats, Redis, Sshd

MIB = 1 << 20
GROUPS = {}

# What several figures leave out, or their rivals do.
SSH = "ssh keeps no audit log, and what the command started outlives a client that is cut off"
SCP = "scp neither compares checksums nor syncs what arrived; what it writes is seen half-written"
REDIS = "redis has no keys of callers and no audit log here, and holds all of its values in memory; each has its own load generator"


def group(name):
    """Makes a function a group that can be chosen. What keeps it from starting skips or fails it as a whole."""

    def named(measure):
        def guarded(bench):
            try:
                measure(bench)
            except Missing as missing:
                bench.skip(name, missing)
            except (Failed, OSError, subprocess.CalledProcessError) as failure:
                bench.fail(name, failure)

        GROUPS[name] = guarded
        return measure

    return named


def optional(rival):
    """A rival if it is there; the figures that need it are skipped without it."""
    try:
        return rival()
    except Missing as missing:
        return contextlib.nullcontext(missing)


def needs(rival, measure):
    """A measurement that is skipped when its rival is not there."""

    def measured():
        if isinstance(rival, Missing):
            raise rival
        return measure()

    return measured


def milliseconds(command, env=None, times=10):
    """The usual time of a whole process."""
    return statistics.median(run(command, env)[0] for _ in range(times)) * 1000


@group("start")
def start_up(bench):
    """Starting, and lying still."""
    home = Home(bench, "start")

    def answer():
        with Daemon(home) as daemon:
            return daemon.seconds_to_answer * 1000

    answer()
    bench.compare("daemon start until it answers", "ms", at_most(25), answer)
    true = find("true")
    version = home.cli("--version")
    bench.compare("loopsy --version", "ms", at_most_times(3), lambda: milliseconds(version), lambda: milliseconds([true]), "true")
    with Daemon(home) as daemon, optional(lambda: Redis(bench)) as redis:
        daemon.connection.send(daemon.connection.request("PUT", "/context/k", {"value": "x" * 100}))
        rival = needs(redis, lambda: milliseconds([redis.cli, "-p", str(redis.port), "get", "k"]))
        bench.compare("loopsy context get k", "ms", at_most_times(2), lambda: milliseconds(home.cli("context", "get", "k"), home.env), rival, "redis-cli", note="redis-cli presents no key")
    with Daemon(home) as daemon:
        time.sleep(2)
        bench.compare("memory of a daemon at rest", "MiB", at_most(10), lambda: machine.memory(daemon.pid, "VmRSS"), rounds=1)
    idle(bench)
    bench.compare("binary", "MiB", at_most(15), lambda: bench.binary.stat().st_size / MIB, rounds=1)


def idle(bench):
    """Processor time of a daemon that watches twenty peers."""
    with contextlib.ExitStack() as stack:
        peers = {f"peer{number}": {"key": f"{number:064x}"} for number in range(1, 21)}
        for name, link in peers.items():
            link["port"] = stack.enter_context(start(bench, name)).port
        daemon = stack.enter_context(start(bench, "watcher", peers=peers))
        # Two rounds of health checks.
        time.sleep(5)
        before = machine.cpu_seconds(daemon.pid)
        time.sleep(30)
        spent = machine.cpu_seconds(daemon.pid) - before
        bench.compare("idle CPU of a daemon with 20 peers", "% of a core", at_most(0.1), lambda: spent / 30 * 100, rounds=1)


@group("trust")
def trust(bench):
    """Becoming peers, and being called by one over TLS."""

    def pairing():
        with Pair(bench) as pair:
            return pair.seconds_to_pair * 1000

    bench.compare("pairing, code typed to first call", "ms", at_most(1000), pairing)
    with start(bench, "tls") as daemon:

        def handshake():
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            samples = []
            for _ in range(50):
                with socket.create_connection(("127.0.0.1", daemon.port)) as plain:
                    before = time.perf_counter()
                    with context.wrap_socket(plain):
                        samples.append((time.perf_counter() - before) * 1000)
            return sorted(samples)[25]

        bench.compare("TLS handshake, no session to resume", "ms", None, handshake)


@group("exec")
def execute(bench):
    """Running a command on a peer."""
    with Pair(bench) as pair, optional(lambda: Sshd(bench)) as sshd:
        home = pair.a.home
        true = find("true")
        if isinstance(sshd, Sshd):
            sshd.open_master()
        rival = needs(sshd, lambda: milliseconds(sshd.command(true, multiplexed=True)))
        bench.compare("exec true on a peer, warm", "ms", at_most_times(0.5), lambda: milliseconds(home.cli("exec", "b", true), home.env), rival, "ssh, ControlMaster", note=SSH)
        rival = needs(sshd, lambda: milliseconds(sshd.command(true), times=3))
        straight = home.cli("exec", "-k", pair.b.home.key, "--fingerprint", pair.fingerprint(), f"127.0.0.1:{pair.b.port}", true)
        bench.compare("exec true, new process, new TLS connection", "ms", at_most_times(1 / 8), lambda: milliseconds(straight, home.env), rival, "ssh, no reuse", note=SSH)

        connection = pair.b.connection
        request = connection.request("POST", "/execute", {"command": true})

        def calls(call):
            samples = []
            for _ in range(200):
                before = time.perf_counter()
                call()
                samples.append((time.perf_counter() - before) * 1000)
            return sorted(samples)

        def local():
            pid = os.posix_spawn(true, [true], os.environ)
            os.waitpid(pid, 0)

        bench.compare("exec true over an open connection, p50", "ms", at_most_times(2), lambda: calls(lambda: connection.send(request))[100], lambda: calls(local)[100], "fork+exec+wait", note="fork+exec+wait has no pipes, no supervisor and no HTTP; ours comes over loopback without TLS")
        bench.compare("the same, p99 against the local p50", "ms", at_most_times(5), lambda: calls(lambda: connection.send(request))[198], lambda: calls(local)[100], "fork+exec+wait")


@group("transfer")
def transfer(bench):
    """Output, files and folders."""
    work = bench.folder / "work"
    work.mkdir()
    with Pair(bench) as pair, optional(lambda: Sshd(bench)) as sshd:
        output(bench, pair, sshd, work)
        one_file(bench, pair, sshd, work)
        many_files(bench, pair, sshd, work)
    shutil.rmtree(work)


def rate(size, command, env=None):
    """MiB a second of a whole process."""
    return size / MIB / run(command, env)[0]


def output(bench, pair, sshd, work):
    size = 200 * MIB
    text = text_file(work / "text", size)
    request = pair.b.connection.request("POST", "/execute/stream", {"command": find("cat"), "args": [str(text)]})

    def stream():
        connection = Connection(pair.b)
        before = time.perf_counter()
        received = connection.drain(request, b'"type":"exit"')
        seconds = time.perf_counter() - before
        connection.close()
        if received < size:
            raise Failed(f"only {received} of {size} bytes came")
        return size / MIB / seconds

    machine.forget_peak(pair.b.pid)
    rival = needs(sshd, lambda: rate(size, sshd.command("cat", str(text))))
    bench.compare("/execute/stream of 200 MiB of text", "MiB/s", at_least_times(1.5), stream, rival, "ssh cat", note="ssh encrypts; ours is read on loopback without TLS, as JSON lines that escape the text")
    bench.compare("memory of the daemon, at most", "MiB", at_most(64), lambda: machine.memory(pair.b.pid, "VmHWM"), rounds=1)


def one_file(bench, pair, sshd, work):
    size = 1024 * MIB
    source = random_file(work / "source", size)
    home = pair.a.home
    client = []

    def ours(*arguments):
        seconds, most = run(home.cli(*arguments), home.env)
        client.append(most)
        if (work / "ours").stat().st_size != size:
            raise Failed("the copy has another size")
        (work / "ours").unlink()
        return size / MIB / seconds

    def theirs(source, target):
        measured = rate(size, sshd.copy(source, target))
        (work / "theirs").unlink()
        return measured

    for daemon in (pair.a, pair.b):
        machine.forget_peak(daemon.pid)
    rival = needs(sshd, lambda: theirs(source, sshd.remote(work / "theirs")))
    bench.compare("send 1 GiB", "MiB/s", at_least_times(2), lambda: ours("send", "b", source, work / "ours"), rival, "scp aes128-gcm", note=SCP)
    rival = needs(sshd, lambda: theirs(sshd.remote(source), work / "theirs"))
    bench.compare("pull 1 GiB", "MiB/s", at_least_times(2), lambda: ours("pull", "b", source, work / "ours"), rival, "scp aes128-gcm", note=SCP)
    for name, most in (("command", lambda: max(client)), ("own daemon", lambda: peak(pair.a)), ("peer's daemon", lambda: peak(pair.b))):
        bench.compare(f"memory of the {name}, at most", "MiB", at_most(64), most, rounds=1)
    source.unlink()


def peak(daemon):
    return machine.memory(daemon.pid, "VmHWM")


def many_files(bench, pair, sshd, work):
    source = work / "tree"
    for number in range(10_000):
        folder = source / f"{number // 100:03}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number:05}").write_bytes(os.urandom(4096))
    home, target, copied = pair.a.home, work / "ours", work / "theirs"
    send = home.cli("send", "-r", "b", source, target)

    def fresh(folder):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()

    def ours():
        fresh(target)
        seconds = run(send, home.env)[0]
        counted(target)
        return seconds

    def tar():
        fresh(copied)
        there = shlex.join(sshd.command("tar", "-C", shlex.quote(str(copied)), "-xf", "-"))
        return run([find("sh"), "-c", f"tar -C {shlex.quote(str(work))} -cf - tree | {there}"])[0]

    bench.compare("send -r of 10 000 files of 4 KiB", "s", at_most_times(1), ours, needs(sshd, tar), "tar | ssh | tar", note="tar neither compares checksums nor syncs, and leaves half a folder behind when it is cut off")

    def rsync():
        command = [find("rsync"), "-a", "-e", shlex.join([sshd.ssh, *sshd.options, "-p", str(sshd.port)]), str(source), sshd.remote(copied)]
        return run(command)[0]

    if isinstance(sshd, Sshd):
        with contextlib.suppress(Missing, Failed):
            rsync()
    bench.compare("the same again, nothing changed", "s", at_most_times(2), lambda: run(send, home.env)[0], needs(sshd, rsync), "rsync -a", note="both compare sizes and times of files; rsync goes no further unless asked")


def counted(folder):
    count = sum(len(files) for _, _, files in os.walk(folder))
    if count != 10_000:
        raise Failed(f"{count} files arrived")


WRK_PUT = """
wrk.method = "PUT"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"value":"' .. string.rep("x", 100) .. '"}'
"""


def wrk(daemon, path, connections, script=None, seconds=3):
    """Requests a second."""
    command = [find("wrk"), "-t1", f"-c{connections}", f"-d{seconds}s", "-H", f"Authorization: Bearer {daemon.home.key}"]
    done = subprocess.run([*command, *(["-s", str(script)] if script else []), daemon.url + path], capture_output=True, text=True)
    lines = dict(line.strip().split(":", 1) for line in done.stdout.splitlines() if ":" in line)
    if done.returncode or "Requests/sec" not in lines or "Non-2xx or 3xx responses" in lines or "Socket errors" in lines:
        raise Failed(f"wrk: {done.stdout.strip()[-300:]} {done.stderr.strip()}")
    return float(lines["Requests/sec"])


@group("context")
def context(bench):
    """The store over HTTP."""
    script = pathlib.Path(bench.folder / "put.lua")
    script.write_text(WRK_PUT)
    with start(bench, "store") as daemon, optional(lambda: Redis(bench)) as redis:
        daemon.connection.send(daemon.connection.request("PUT", "/context/k", {"value": "x" * 100}))

        def put(connections):
            return lambda: wrk(daemon, "/context/k", connections, script)

        def redis_rate(test, connections, requests):
            return needs(redis, lambda: redis.rate(test, connections, requests))

        bench.compare("GET /health, 64 connections", "/s", at_least(40_000), lambda: wrk(daemon, "/health", 64))
        bench.compare("GET /context/k, 64 connections", "/s", at_least(35_000), lambda: wrk(daemon, "/context/k", 64), redis_rate("get", 64, 200_000), "redis", note=REDIS)
        bench.compare("GET /context/k, one connection", "/s", None, lambda: wrk(daemon, "/context/k", 1), redis_rate("get", 1, 20_000), "redis", note=REDIS)
        bench.compare("durable PUT /context/k, 64 connections", "/s", at_least_times(1), put(64), redis_rate("set", 64, 100_000), "redis, always", note=REDIS)
        bench.compare("durable PUT /context/k, one connection", "/s", at_least_times(0.8), put(1), redis_rate("set", 1, 8_000), "redis, always", note=REDIS)
    with start(bench, "empty") as empty, start(bench, "full", entries=filler(100_000)) as full:

        def put_ms(daemon):
            request = daemon.connection.request("PUT", "/context/k", {"value": "x" * 100})
            before = time.perf_counter()
            for _ in range(500):
                daemon.connection.send(request)
            return (time.perf_counter() - before) / 500 * 1000

        bench.compare("PUT with 100 000 entries", "ms", at_most_times(1.3), lambda: put_ms(full), lambda: put_ms(empty), "one entry", note="the rival is this program itself with one entry")


@group("watch")
def watch(bench):
    """A change on one machine, heard of on another."""
    with Pair(bench) as pair, optional(lambda: Nats(bench)) as nats:
        ours = watching.Ours(pair)
        theirs = watching.Theirs(nats) if isinstance(nats, Nats) else None
        rival = needs(nats, lambda: theirs.p99())
        note = "both sync before they tell; NATS leads from server to server in plaintext, without keys and without a line in an audit log"
        bench.compare(f"watch, put on A until heard on B, p99 of {watching.COUNT}", "ms", at_most_times(1), ours.p99, rival, "NATS KV, always", note=note)


@group("readers")
def many_readers(bench):
    """Ten thousand who listen to one daemon."""
    readers.claim_descriptors()
    for name, tls in (("SSE readers", False), ("SSE readers over TLS", True)):
        with start(bench, "heard") as daemon, readers.Readers(daemon, tls) as listening:
            each, within = (at_most(20), at_most(1)) if not tls else (None, None)
            numbers = itertools.count()
            bench.compare(f"{readers.COUNT:,} {name}, memory each", "KiB", each, lambda: listening.kibibytes_each, rounds=1)
            note = "includes the load generator, which shares the cores" if not tls else ""
            bench.compare(f"{readers.COUNT:,} {name}, an event to all", "s", within, lambda: listening.seconds_of_event(f"k{next(numbers)}"), note=note)


@group("resume")
def resume(bench):
    """A transfer that is cut off in the middle."""
    size = bench.resume_size
    source, target = random_file(bench.folder / "long", size), bench.folder / "arrived"
    with contextlib.ExitStack() as stack:

        def cut(port):
            cuts.append(stack.enter_context(wire.Wire(port)))
            return cuts[0].port

        cuts = []
        pair = stack.enter_context(Pair(bench, cut))
        attempts = []

        def figure(of):
            return in_turn(attempts, lambda: wire.resumed(pair, cuts[0], source, target), of)

        bench.compare(f"resume of {size // MIB:,} MiB, sent twice", "MiB", at_most(8), figure("twice"), rounds=min(bench.rounds, 3))
        bench.compare("the same, cut until it goes on", "s", at_most(1), figure("seconds"), rounds=min(bench.rounds, 3))
    source.unlink()


@group("discovery")
def discovery(bench):
    """A daemon that starts, and one on its network that sees it."""
    bench.compare("discovery, start to seen by a peer", "s", at_most(2), lambda: network.seconds_until_seen(bench))


@group("agents")
def mcp(bench):
    """What an agent pays for the server before it has asked for anything."""
    with start(bench, "agents") as daemon:

        def initialize():
            samples = []
            for _ in range(10):
                with agents.Server(daemon.home) as server:
                    samples.append(server.seconds_to_answer)
            return statistics.median(samples) * 1000

        bench.compare("mcp-serve, spawn until initialize is answered", "ms", at_most(15), initialize)
        with agents.Server(daemon.home) as server:
            tools = server.ask("tools/list", {})
            bench.compare("tools/list", "kB", at_most(20), lambda: len(tools) / 1000, rounds=1)
            time.sleep(2)
            bench.compare("memory of mcp-serve at rest", "MiB", at_most(8), lambda: machine.memory(server.process.pid, "VmRSS"), rounds=1)


@group("tasks")
def tasks(bench):
    """An agent that asks, and is answered."""
    with start(bench, "asked") as daemon:
        agents.install_asker(daemon.home)
        bench.compare("approval, answered until the agent has it, p99 of 100", "ms", at_most(50), lambda: agents.slowest_answer(daemon) * 1000)


@group("messages")
def messages(bench):
    """From one machine to another that listens, or is away."""
    with Pair(bench) as pair:
        bench.compare("message, sent until a waiting inbox answers", "ms", at_most(100), lambda: agents.seconds_to_reader(pair) * 1000)
        agents.keep_port(pair.b)
        # Long enough to be known to be away, and to be asked less and less often.
        bench.compare("queued message, peer is back until delivered", "s", at_most(2), lambda: agents.seconds_after_return(pair, 20))


@group("dashboard")
def page(bench):
    """The page in a browser, and a terminal that is flooded."""
    with start(bench, "shown") as daemon, dashboard.Dashboard(daemon) as shown:
        time.sleep(2)
        bench.compare("memory of the dashboard at rest", "MiB", at_most(10), lambda: machine.memory(shown.process.pid, "VmRSS"), rounds=1)
        visits = []
        for name, unit, most, figure in (
            ("first paint", "ms", 300, "paintMs"),
            ("first paint, over the wire", "kB", 300, "wireKilobytes"),
            ("event, stored until it is on the screen, p95 of 40", "ms", 150, "eventP95Ms"),
        ):
            bench.compare(name, unit, at_most(most), in_turn(visits, lambda: dashboard.visit(shown), figure))
    with start(bench, "flooded") as daemon, optional(lambda: Sshd(bench)) as sshd:
        rival = needs(sshd, lambda: run(sshd.command("-tt", dashboard.TEXT))[0])
        bench.compare("500 MB through a terminal", "s", None, lambda: dashboard.seconds_of_flood(daemon), rival, "ssh -tt", note="ssh keeps no picture of the screen for who attaches later")
        bench.compare("memory of its daemon, at most", "MiB", at_most(64), lambda: peak(daemon), rounds=1)


def in_turn(visits, visit, figure):
    """One figure of one visit after the other. Visits tell all figures, so that the next figure takes those that were made."""
    numbers = itertools.count()

    def measured():
        number = next(numbers)
        if number == len(visits):
            visits.append(visit())
        return visits[number][figure]

    return measured


@group("fleet")
def fleet(bench):
    """Fifty sessions of one machine, started, used and stopped."""
    count, seconds = 50, 20
    with start(bench, "fleet") as main:

        def cli(*arguments):
            before = time.perf_counter()
            output = subprocess.run(main.home.cli(*arguments), env=main.home.env, check=True, capture_output=True, text=True).stdout
            return time.perf_counter() - before, output

        def ready():
            cli("session", "stop-all")
            return cli("session", "start-fleet", "--count", count)[0]

        def pids():
            found = json.loads(cli("session", "list", "--json")[1])["sessions"]
            return [session["pid"] for session in found if session["status"] == "running"]

        def broadcast():
            before = time.perf_counter()
            message = json.loads(cli("message", "send", "*", "good morning", "--json")[1])["id"]
            while True:
                sent = json.loads(cli("message", "outbox", "-n", "1", "--json")[1])["messages"][0]
                if sent["id"] == message and all(to["state"] != "queued" for to in sent["to"]):
                    return time.perf_counter() - before

        def idle_cpu():
            all_of_them = [main.pid, *pids()]
            time.sleep(3)
            before = sum(map(machine.cpu_seconds, all_of_them))
            time.sleep(seconds)
            return (sum(map(machine.cpu_seconds, all_of_them)) - before) / seconds * 100

        def stopped():
            cli("session", "start-fleet", "--count", count)
            running = pids()
            before = time.perf_counter()
            cli("session", "stop-all")
            while any(map(machine.runs, running)):
                time.sleep(0.005)
            return time.perf_counter() - before

        try:
            bench.compare(f"start-fleet of {count}, until all answer", "s", at_most(10), ready, rounds=3)
            bench.compare("memory of a session at rest, the largest", "MiB", at_most(10), lambda: max(machine.memory(pid, "VmRSS") for pid in pids()), rounds=1)
            bench.compare(f"idle CPU of all {count} and the main daemon", "% of a core", at_most(2), idle_cpu, rounds=1)
            bench.compare("session list", "ms", at_most(200), lambda: cli("session", "list")[0] * 1000)
            bench.compare("session status", "ms", at_most(200), lambda: cli("session", "status", "worker-7")[0] * 1000)
            bench.compare(f"broadcast, until it lies at all {count}", "s", at_most(1), broadcast)
            bench.compare("stop-all, until all are gone", "s", at_most(5), stopped, rounds=3)
        finally:
            cli("session", "stop-all")
