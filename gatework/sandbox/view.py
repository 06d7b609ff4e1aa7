"""What a sandboxed program sees: the command line of bubblewrap, and whether this machine can run it.

A new root holds the system's programs and libraries, read-only, the program's own folder at /work, a little memory at
/tmp, and four devices. There is no network, no process but its own, no variable of the worker's environment.

As an ordinary user bubblewrap makes a user namespace. A worker that is root needs none, and its programs run under an
id that nothing else has: the kernel does not count the processes of root, whatever its namespace.
"""

from __future__ import annotations

import functools
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gatework.sandbox import seccomp

WORK = "/work"
"""Where a program finds its folder."""

PATH = "/usr/local/bin:/usr/bin:/bin"

SCRATCH = ("/tmp", "/dev/shm")  # noqa: S108  # inside the sandbox
"""Where it finds memory to write files to."""

_INSIDE = 1000
"""The user that a program takes itself for."""

_PRLIMIT, _SETPRIV, _SHELL = "/usr/bin/prlimit", "/usr/bin/setpriv", "/bin/sh"

_FIRST = '"$@"; exit $?'
"""Runs as the first process: with its end the kernel ends all others, also those that were left behind.

It keeps the user that bubblewrap runs as, who alone may kill it when bubblewrap dies.
"""

_START = f'cd {WORK} || exit 125; exec "$@"'

_SYSTEM = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
"""What stands beside /usr, or is a link into it."""

_DEVICES = ("null", "zero", "random", "urandom")

_ETC = ("ld.so.cache", "alternatives")
"""What the linker and Debian's choices of programs need. No accounts, no hosts, no keys."""

PROBE_SECONDS = 20.0


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What the kernel holds each process to."""

    address_bytes: int
    cpu_seconds: int
    file_bytes: int
    processes: int
    open_files: int = 256
    scratch_bytes: int = 0
    """Size of each place for files in memory, in whole pages."""


@dataclass(frozen=True, kw_only=True)
class View:
    """A program with what it may see."""

    command: Sequence[str]
    folder: Path
    user: int
    limits: Limits
    read: Sequence[Path] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def variables(self) -> Mapping[str, str]:
        """The whole environment of the program."""
        return {"PATH": PATH, "HOME": WORK, "TMPDIR": "/tmp", "LANG": "C.UTF-8", **self.environment}  # noqa: S108  # inside


def limited(command: Sequence[str], limits: Limits, *, processes: bool = True) -> list[str]:
    """A command held to limits, or to those of this process where they are tighter already."""
    wanted = {
        "as": (resource.RLIMIT_AS, limits.address_bytes),
        "cpu": (resource.RLIMIT_CPU, limits.cpu_seconds),
        "fsize": (resource.RLIMIT_FSIZE, limits.file_bytes),
        "nofile": (resource.RLIMIT_NOFILE, limits.open_files),
        "core": (resource.RLIMIT_CORE, 0),
        "msgqueue": (resource.RLIMIT_MSGQUEUE, 0),
        "nproc": (resource.RLIMIT_NPROC, limits.processes),
    }
    if not processes:  # outside of a sandbox every process of the user counts
        del wanted["nproc"]
    options = [f"--{name}={_at_most(which, value)}" for name, (which, value) in wanted.items()]
    return [_PRLIMIT, *options, "--", *command]


def command_line(view: View, *, status: int, filter: int, files: Mapping[str, int]) -> list[str]:
    """The whole command line of bubblewrap. `status`, `filter` and each of `files` are descriptors that it inherits."""
    return [
        _found("bwrap"),
        *_namespaces(),
        *("--die-with-parent", "--new-session", "--as-pid-1", "--clearenv"),
        *(part for name, value in view.variables.items() for part in ("--setenv", name, value)),
        *_root(view, files),
        *("--json-status-fd", str(status), "--seccomp", str(filter)),
        *_privileges(),
        "--",
        *(_SHELL, "-c", _FIRST, "sh"),
        *_dropping(view.user),
        *limited([_SHELL, "-c", _START, "sh", *view.command], view.limits),
    ]


def accounts(user: int) -> Mapping[str, bytes]:
    """The files that name the one account which a program finds."""
    inside = user if os.geteuid() == 0 else _INSIDE
    return {
        "/etc/passwd": f"sandbox:x:{inside}:{inside}::{WORK}:{_SHELL}\n".encode(),
        "/etc/group": f"sandbox:x:{inside}:\n".encode(),
    }


def _namespaces() -> list[str]:
    shared = ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"]
    named = ["--hostname", "sandbox"]
    if os.geteuid() == 0:
        return [*shared, *named]
    inside = str(_INSIDE)
    return ["--unshare-user", "--disable-userns", "--uid", inside, "--gid", inside, *shared, *named]


def _privileges() -> list[str]:
    if os.geteuid() != 0:
        return []
    # For the moment until `setpriv` has given them up with the rest.
    kept = ("CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP")
    return ["--cap-drop", "ALL", *(part for name in kept for part in ("--cap-add", name))]


def _dropping(user: int) -> list[str]:
    if os.geteuid() != 0:
        return []
    none = ["--clear-groups", "--inh-caps=-all", "--ambient-caps=-all", "--bounding-set=-all"]
    return [_SETPRIV, f"--reuid={user}", f"--regid={user}", *none, "--"]


def _root(view: View, files: Mapping[str, int]) -> Iterator[str]:
    yield from ("--ro-bind", "/usr", "/usr")
    for name in _SYSTEM:
        place = f"/{name}"
        if os.path.islink(place):
            yield from ("--symlink", os.readlink(place), place)
        elif os.path.isdir(place):
            yield from ("--ro-bind", place, place)
    for place, fd in files.items():
        yield from ("--perms", "0644", "--ro-bind-data", str(fd), place)
    for name in _ETC:
        yield from ("--ro-bind-try", f"/etc/{name}", f"/etc/{name}")
    yield from ("--proc", "/proc")
    for name in _DEVICES:
        yield from ("--dev-bind", f"/dev/{name}", f"/dev/{name}")
    for name, source in (("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")):
        yield from ("--symlink", f"/proc/self/fd{source}", f"/dev/{name}")
    yield from ("--chmod", "0755", "/dev")
    for place in SCRATCH:
        yield from ("--perms", "1777", "--size", str(view.limits.scratch_bytes), "--tmpfs", place)
    for path in view.read:
        # Where bubblewrap makes them by itself, nobody else may pass through.
        for above in reversed(path.parents[:-1]):
            yield from ("--perms", "0755", "--dir", str(above))
        yield from ("--ro-bind", str(path), str(path))
    yield from ("--bind", str(view.folder), WORK)
    yield from ("--remount-ro", "/")


# -- whether it can be ---------------------------------------------------------------------------------


@functools.cache
def missing() -> str:
    """Why no program can be run in a sandbox here, as a sentence that says what to do; empty where one can."""
    if sys.platform != "linux":
        return "Sandboxes need Linux; run the workers of these tools there."
    if not seccomp.known():
        return f"There is no sandbox for machines of the kind {os.uname().machine}; use x86-64 or ARM64."
    if not sys.executable:
        return "This Python does not say where it is (`sys.executable`); run workers of such tools with one that does."
    if not shutil.which("bwrap"):
        return "bubblewrap is not installed; install it (on Debian and Ubuntu: apt install bubblewrap)."
    for tool in (_PRLIMIT, *((_SETPRIV,) if os.geteuid() == 0 else ())):
        if not os.access(tool, os.X_OK):
            return f"{tool} is missing; install util-linux (on Debian and Ubuntu: apt install util-linux)."
    if not os.path.exists(f"/proc/self/task/{os.getpid()}/children"):
        return "This kernel does not list the children of a process; use one with CONFIG_PROC_CHILDREN."
    tried = [_found("bwrap"), *_namespaces(), "--ro-bind", "/", "/", "--proc", "/proc", *_privileges(), "--", "true"]
    try:
        answer = subprocess.run(tried, env={}, capture_output=True, timeout=PROBE_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return "bubblewrap does not run here; see what `bwrap --ro-bind / / true` says."
    if answer.returncode == 0:
        return ""
    if os.geteuid() == 0:
        return (
            "bubblewrap may make no namespaces here; give this container CAP_SYS_ADMIN, or use another user than root."
        )
    return (
        "bubblewrap may make no namespaces here; allow user namespaces (kernel.unprivileged_userns_clone=1, "
        "user.max_user_namespaces above 0, kernel.apparmor_restrict_unprivileged_userns=0)."
    )


def _at_most(which: int, wanted: int) -> int:
    _, hard = resource.getrlimit(which)
    return wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)


def _found(program: str) -> str:
    return shutil.which(program) or program
