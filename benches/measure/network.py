"""A network of this process's own, in which daemons find each other."""

import ctypes
import json
import subprocess
import threading
import time

from .daemons import Daemon, Home
from .machine import Failed, Missing, find

CLONE_NEWNET = 0x40000000


def apart(work):
    """Does work on a thread that has a network of its own, which goes when the last program in it does."""
    outcome = {}

    def begin():
        try:
            libc = ctypes.CDLL(None, use_errno=True)
            if libc.unshare(CLONE_NEWNET):
                raise Missing("needs the right to make a network namespace")
            for words in ("link set lo up", "link add one type veth peer name two", "addr add 10.83.0.1/24 dev one", "link set one up", "link set two up"):
                done = subprocess.run([find("ip"), *words.split()], capture_output=True, text=True)
                if done.returncode:
                    raise Missing(f"ip {words}: {done.stderr.strip()}")
            outcome["value"] = work()
        except BaseException as error:
            outcome["error"] = error

    thread = threading.Thread(target=begin)
    thread.start()
    thread.join()
    if "error" in outcome:
        raise outcome["error"]
    return outcome["value"]


def open_home(bench, name):
    """A home whose daemon announces itself and listens for others."""
    home = Home(bench, name)
    home.config["server"]["host"] = "0.0.0.0"
    home.config["discovery"] = {"enabled": True}
    (home.path / "config.yaml").write_text(json.dumps(home.config))
    return home


def seconds_until_seen(bench, limit=30):
    """From the start of a daemon until one that runs already lists it."""

    def work():
        with Daemon(open_home(bench, "first")) as first:
            # Its own first announcements are over.
            time.sleep(3)
            begun = time.perf_counter()
            with Daemon(open_home(bench, "second")):
                while time.perf_counter() - begun < limit:
                    if any(peer.get("hostname") == "second" for peer in json.loads(first.connection.get("/peers"))["peers"]):
                        return time.perf_counter() - begun
                    time.sleep(0.005)
        raise Failed(f"the second daemon was not seen within {limit} s")

    return apart(work)
