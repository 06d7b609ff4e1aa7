"""Attacks out of the sandbox, tried for real: each is judged by what happened outside, and each works without one."""

from __future__ import annotations

import os
import platform
import shutil
import signal
import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest

from gatework.sandbox import FolderError, Sandbox
from tests.sandbox.arena import (
    MIB,
    NOBODY,
    SECRET,
    Moment,
    Order,
    Outside,
    Played,
    Playing,
    Slow,
    Who,
    eventually,
    no_sandbox,
    played,
    users,
)

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="sandboxes are Linux's"),
    # On the machine that decides whether a change is good, a sandbox that is missing is a failure.
    pytest.mark.skipif(shutil.which("bwrap") is None and not os.environ.get("CI"), reason="no bubblewrap on the PATH"),
]


def _ways(plain_as: Who) -> pytest.MarkDecorator:
    ways = [(who, False) for who in users()] + [(plain_as, True)]
    return pytest.mark.parametrize(
        ("who", "plain"), ways, ids=[f"{who}-{'plain' if plain else 'sandboxed'}" for who, plain in ways]
    )


SANDBOX_AND_NONE = _ways(users()[-1])
"""Plain: the attack succeeds, or the test would show nothing."""


def tried(who: Who, plain: bool, *attack: object, **more: Any) -> Played:
    return played(Order(attack=tuple(map(str, attack)), who=who, plain=plain, **more))


# -- the network ---------------------------------------------------------------------------------------


@SANDBOX_AND_NONE
@pytest.mark.parametrize("kind", ["tcp", "udp", "abstract", "path"])
def test_nothing_outside_is_reached_by_a_socket(outside: Outside, who: Who, plain: bool, kind: str) -> None:
    """Loopback, UDP, abstract sockets, sockets in folders: who listens there hears nothing."""
    place = outside.listen(kind)
    name = {"abstract": "abstract_socket", "path": "path_socket"}.get(kind, kind)
    tried(who, plain, name, place)
    if plain:
        assert eventually(lambda: outside.heard == [b"canary sings"])
        return
    time.sleep(0.2)
    assert outside.heard == []


# -- reading -------------------------------------------------------------------------------------------


@SANDBOX_AND_NONE
def test_files_of_others_are_not_there(outside: Outside, who: Who, plain: bool) -> None:
    """A key in a home folder, by its whole path."""
    assert (SECRET in tried(who, plain, "read", outside.key).said) is plain


@SANDBOX_AND_NONE
@pytest.mark.parametrize("place", ["/etc/shadow", "/proc/1/environ", "/etc/hostname", "/root", "/home", "/var", "/run"])
def test_files_of_the_system_are_not_there(who: Who, plain: bool, place: str) -> None:
    """Accounts, the environment of the first process of the machine, the name of the machine, homes, state."""
    if plain:
        assert os.path.exists(place)
        return
    found = tried(who, plain, "read", place)
    if place == "/proc/1/environ" and who == "user":  # that of its own first process
        assert found.said.startswith("PATH=/usr/local/bin:/usr/bin:/bin\ufffdHOME=/work\ufffdTMPDIR=/tmp")
        return
    assert found.said == ""
    assert ("PermissionError" if place == "/proc/1/environ" else "FileNotFoundError") in found.ran.errors_text


@SANDBOX_AND_NONE
def test_no_environment_is_read_but_its_own(outside: Outside, who: Who, plain: bool) -> None:
    """Neither the worker's own, nor that of any process of the same user."""
    outside.bystander(who)
    found = tried(who, plain, "environments")
    assert (SECRET in found.said) is plain
    if not plain:
        assert "'HOME': '/work'" in found.said
        assert found.said.count("/proc/") <= 4


@SANDBOX_AND_NONE
def test_no_descriptor_is_inherited(who: Who, plain: bool) -> None:
    """Also none that the worker left open for its children, nor those that bubblewrap was given."""
    found = tried(who, plain, "descriptors")
    assert (SECRET in found.said) is plain
    assert plain or found.said == ""
    assert found.ran.ended == "exited"


# -- writing -------------------------------------------------------------------------------------------


@SANDBOX_AND_NONE
def test_nothing_outside_is_written(outside: Outside, who: Who, plain: bool) -> None:
    """Not even a file that anybody may write to, and nothing of the system's."""
    system = [Path(place) for place in ("/usr/bin/gatework-canary", "/etc/gatework-canary", "/gatework-canary")]
    try:
        tried(who, plain, "write", outside.file)
        assert (outside.file.read_text() != "as it was") is plain
        if not plain:
            assert not [place for place in system if place.exists()]
    finally:
        for place in (*system, Path("/dev/gatework-canary")):
            place.unlink(missing_ok=True)


def _read_back(sandbox: Sandbox) -> dict[str, str]:
    found = {}
    for name in ("report.txt", "folder/file.txt", "folder", "loop", "pipe.txt", "socket.txt", "hard.txt", "missing",
                 "../file.txt", "/etc/passwd", "a//b", ".", "attack.py"):  # fmt: skip
        try:
            found[name] = sandbox.get(name).decode()[:20]
        except FolderError as error:
            found[name] = error.message
    found["names"] = " ".join(sandbox.names())
    for name in ("report.txt", "folder/file.txt", "pipe.txt"):
        try:
            sandbox.put(name, b"put")
            found[f"put {name}"] = sandbox.get(name).decode()
        except FolderError as error:
            found[f"put {name}"] = error.message
    return found


def test_what_the_host_reads_back_is_in_the_folder_or_nowhere(outside: Outside, who: Who) -> None:
    """Links to files and folders, circles, pipes, sockets, paths upwards: none is followed or waited for."""
    found = tried(who, False, "link_out", outside.file, after=_read_back).after
    assert "planted" in tried(who, False, "link_out", outside.file).said
    none = "The sandbox's folder holds no plain file of that name; look at what `names` gives."
    upwards = "That is no path inside the sandbox's folder; leave out `..`, and do not begin with /."
    for name in ("report.txt", "folder/file.txt", "folder", "loop", "pipe.txt", "socket.txt", "hard.txt", "missing"):
        assert found[name] == none, name
    for name in ("../file.txt", "/etc/passwd", "a//b", "."):
        assert found[name] == upwards
    assert found["attack.py"].startswith('"""What a hostile')
    assert found["names"] == "attack.py"
    assert found["put report.txt"] == found["put pipe.txt"] == "put"
    assert found["put folder/file.txt"] == none
    assert outside.file.read_text() == "as it was"


def _read_naively(sandbox: Sandbox) -> str:
    return (sandbox.folder / "report.txt").read_text() + (sandbox.folder / "folder" / "file.txt").read_text()


def test_links_that_were_planted_lead_out_for_who_follows_them(outside: Outside, who: Who) -> None:
    """So it is the reading that holds: a naive one gets what is outside."""
    assert tried(who, False, "link_out", outside.file, after=_read_naively).after == "as it wasas it was"


def _reachable(sandbox: Sandbox) -> tuple[bool, int]:
    """Whether another user reaches the program that was left, and what rights it has."""
    left = sandbox.folder / "shell"
    mode = left.stat().st_mode
    if os.geteuid() != 0:
        return bool(sandbox.folder.stat().st_mode & 0o077), mode
    child = os.fork()
    if child == 0:
        os.setresuid(NOBODY - 1, NOBODY - 1, NOBODY - 1)
        os._exit(0 if os.access(left, os.F_OK) else 1)
    return os.waitpid(child, 0)[1] == 0, mode


def test_program_that_runs_as_its_owner_is_out_of_reach(who: Who) -> None:
    """A worker's own user must not be had through a file that it did not write: the folder is shut again each time."""
    found = tried(who, False, "set_user_id", after=_opened_again)
    reachable, mode = found.after
    assert mode & stat.S_ISUID
    assert not reachable


def _opened_again(sandbox: Sandbox) -> tuple[bool, int]:
    sandbox.put("anything", b"")
    return _reachable(sandbox)


# -- processes -----------------------------------------------------------------------------------------


@SANDBOX_AND_NONE
@pytest.mark.parametrize("attack", ["kill", "trace"])
def test_processes_of_others_cannot_be_touched(outside: Outside, who: Who, plain: bool, attack: str) -> None:
    """Neither killed nor traced, by the number that they have outside."""
    victim = outside.bystander(who)
    time.sleep(0.1)
    found = tried(who, plain, attack, victim.pid)
    assert (found.said.strip() in ("killed", "traced")) is plain
    assert (victim.poll() is None) is (not plain or attack == "trace")


@SANDBOX_AND_NONE
def test_processes_are_counted(outside: Outside, who: Who, plain: bool) -> None:
    """A program that starts 300 gets what it may have, and no process is left of it."""
    found = tried(who, plain, "processes", outside.token, seconds=30, limits={"processes": 20})
    started = int(found.said.split()[1])
    assert started == 300 if plain else 10 < started < 20
    assert bool(outside.left()) is plain


def test_fork_bomb_ends_with_its_time(outside: Outside, who: Who) -> None:
    """One that never stops: the machine goes on, and nothing of it is left."""
    began = time.monotonic()
    found = tried(who, False, "bomb", outside.token, seconds=2)
    assert outside.token in found.said
    assert found.ran.ended in ("timeout", "memory")
    assert time.monotonic() - began < 30
    assert outside.none_left()


@SANDBOX_AND_NONE
def test_whoever_is_left_behind_has_ended(outside: Outside, who: Who, plain: bool) -> None:
    """A daemon in a session of its own: once the program has ended, it writes no more."""
    if plain:
        tried(who, plain, "daemon", outside.file)
        assert eventually(lambda: outside.file.read_text().count("still here") > 2)
        return
    found = tried(who, plain, "daemon", "left", after=_grows)
    assert found.said == "left one behind\n"
    assert found.ran.ended == "exited"
    assert found.after is False


def _grows(sandbox: Sandbox) -> bool:
    before = (sandbox.folder / "left").stat().st_size if (sandbox.folder / "left").exists() else 0
    time.sleep(0.5)
    return before != ((sandbox.folder / "left").stat().st_size if (sandbox.folder / "left").exists() else 0)


def _killed(order: Order, reached: Callable[[], bool]) -> None:
    """Kill a worker once something is so."""
    playing = Playing(order)
    try:
        assert eventually(reached)
    finally:
        playing.process.kill()
        playing.process.join()


@pytest.mark.parametrize("moment", get_args(Moment))
def test_program_goes_with_its_worker(outside: Outside, who: Who, moment: Moment) -> None:
    """A worker that is killed takes its programs along, from before the first moment of the sandbox."""
    slow = Slow(outside, moment)
    order = Order(attack=("sleep", "60", outside.token), who=who, path=slow.path, seconds=70)
    _killed(order, slow.reached)
    slow.go_on()
    assert outside.none_left()


@pytest.mark.parametrize("plain", [False, True])
def test_program_without_a_sandbox_goes_too_unless_it_is_a_plain_subprocess(
    outside: Outside, who: Who, plain: bool
) -> None:
    """Where limits alone are allowed. A naive one stays, or these tests would show nothing."""
    attack, limits = ("sleep", "60", outside.token), {"allow_unsandboxed": True}
    order = Order(attack=attack, who=who, plain=plain, path=no_sandbox(outside), limits=limits, seconds=70)
    _killed(order, lambda: bool(outside.left()))
    assert outside.left() if plain else outside.none_left()


@pytest.mark.parametrize("moment", ["begun", "untold", "made"])
def test_sandbox_that_is_not_made_in_time_is_ended(outside: Outside, who: Who, moment: Moment) -> None:
    """Its worker ends it wherever it stands, and leaves nothing that waits for ever."""
    slow = Slow(outside, moment)
    found = tried(who, False, "sleep", 60, outside.token, path=slow.path, seconds=1)
    slow.go_on()
    assert (found.said, found.ran.ended) == ("\n[Ended: it ran longer than 1 s.]", "timeout")
    assert outside.none_left()


# -- privileges ----------------------------------------------------------------------------------------


@SANDBOX_AND_NONE
def test_nothing_can_be_mounted(who: Who, plain: bool) -> None:
    """Neither over what is there, nor in a name space of its own."""
    found = tried(who, plain, "mount").said
    assert ("mounted" in found) is plain
    if not plain:
        assert "EPERM" in found
        assert "writable" not in tried(who, plain, "remount").said


@_ways(users()[0])
def test_terminal_cannot_be_typed_into(who: Who, plain: bool) -> None:
    """What a program types into the terminal of a worker that was started by hand, its shell would run."""
    if plain and who == "user" and not _typing_is_allowed():
        pytest.skip("this kernel lets nobody but root type into a terminal")
    found = tried(who, plain, "type_into_terminal", terminal=True)
    assert (found.typed == b"canary sings\n") is plain
    assert ("typed into" in found.said) is plain


def _typing_is_allowed() -> bool:
    place = Path("/proc/sys/dev/tty/legacy_tiocsti")
    return place.exists() and place.read_text().strip() == "1"


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the numbers are those of x86-64")
def test_calls_that_attack_the_kernel_are_refused(who: Who) -> None:
    """By the filter: without it the kernel looks at their arguments first, or does them."""
    refused = dict(line.split("=") for line in tried(who, False, "system_calls").said.split())
    assert {**refused, "clone3": "", "x32_getpid": "", "vsock": "", "netlink": "", "packet": ""} == {
        **dict.fromkeys(refused, "EPERM"), "clone3": "", "x32_getpid": "", "vsock": "", "netlink": "", "packet": "",
    }  # fmt: skip
    assert {refused["clone3"], refused["x32_getpid"]} == {"ENOSYS"}
    assert {refused["vsock"], refused["netlink"], refused["packet"]} == {"EAFNOSUPPORT"}
    plain = dict(line.split("=") for line in tried(who, True, "system_calls").said.split())
    same = {name for name in refused if plain.get(name) == refused[name]}
    # What a kernel lacks, or lets nobody have, cannot show that the filter holds it.
    assert len(same) <= 6, same


def test_programs_of_the_system_give_no_rights(who: Who) -> None:
    """Those that run as root whoever starts them do not, in there."""
    assert "root" not in tried(who, False, "gain").said


# -- what it may use -----------------------------------------------------------------------------------


@SANDBOX_AND_NONE
@pytest.mark.parametrize(
    "attack", [("memory", 300), ("memory_of_many", 300), ("memory_of_files", 300, "/tmp"),
               ("memory_of_files", 300, "/dev/shm"), ("empty_files", 200_000, "/tmp")],
    ids=["one", "many", "tmp", "shm", "empty"],
)  # fmt: skip
def test_memory_is_bounded(who: Who, plain: bool, attack: tuple[Any, ...]) -> None:
    """Of one process, of many together, and of files that are memory."""
    name, *arguments = attack
    if plain and len(arguments) > 1:
        return  # a machine's own /tmp is not filled for a test
    found = tried(who, plain, name, *arguments, seconds=20, limits={"memory_bytes": 100 * MIB, "processes": 16})
    if plain:
        assert found.said.count("has") == (1 if name == "memory" else 8)
        return
    assert found.ran.ended == "memory" or "MemoryError" in found.ran.errors_text or "No space" in found.ran.errors_text
    assert "has 300" not in found.said
    assert "has 200000" not in found.said
    assert found.ran.memory_bytes < 300 * MIB


@SANDBOX_AND_NONE
def test_time_is_bounded(who: Who, plain: bool) -> None:
    """One that sleeps, and one that waves off every signal and has closed its streams."""
    for attack in ("sleep", "stubborn")[: 1 if plain else 2]:
        began = time.monotonic()
        found = tried(who, plain, attack, 1 if plain else 60, seconds=10 if plain else 0.5)
        took = time.monotonic() - began
        assert found.ran.ended == ("exited" if plain else "timeout")
        assert took >= 1 if plain else took < 30


@SANDBOX_AND_NONE
def test_computing_is_bounded(who: Who, plain: bool) -> None:
    """Of all processes together, however much time there is by the clock."""
    found = tried(who, plain, "compute", 3, seconds=20, limits={"cpu_seconds": 1.0})
    assert found.ran.ended == ("exited" if plain else "cpu")
    assert found.said == ("computed\n" if plain else "\n[Ended: it computed longer than 1 s.]")


@SANDBOX_AND_NONE
@pytest.mark.parametrize("attack", ["flood", "flood_errors"])
def test_output_is_bounded(who: Who, plain: bool, attack: str) -> None:
    """What is over is not kept, the program is ended, and a note says so."""
    ran = tried(who, plain, attack, 20).ran
    said = ran.output if attack == "flood" else ran.errors
    if plain:
        assert len(said) == 20 * MIB
        return
    assert (len(said), ran.ended) == (64 * 1024, "output")
    assert ran.output_text.endswith("\n[Cut here and ended: it said more than 65536 bytes.]")


@pytest.mark.parametrize(
    "attack", [("disk", 400), ("hidden_disk", 400), ("empty_files", 30_000, "."), ("large_file", 400), ("deep", 200)]
)
def test_disk_is_bounded(who: Who, attack: tuple[Any, ...]) -> None:
    """By its files together, one file, their number, their depth; also in a folder that is shut to the worker."""
    limits = {"folder_bytes": 20 * MIB, "file_bytes": 100 * MIB}
    found = tried(who, False, *attack, seconds=20, limits=limits, after=_size)
    assert found.ran.ended == "disk"
    assert found.after < 200 * MIB
    assert "wrote 400" not in found.said


def _size(sandbox: Sandbox) -> int:
    return sum(
        (Path(folder) / name).lstat().st_blocks * 512 for folder, _, names in os.walk(sandbox.folder) for name in names
    )


def test_folder_is_removed_whatever_is_in_it(who: Who) -> None:
    """Folders deeper than a path is long, links, pipes, what nobody may read."""
    before = set(Path("/tmp").glob("gatework-*"))
    for attack in (("deep", "4000"), ("link_out", "/etc/passwd"), ("hidden_disk", "1")):
        tried(who, False, *attack, seconds=20, limits={"folder_files": 100_000})
    assert set(Path("/tmp").glob("gatework-*")) - before == set()


def test_killed_program_has_the_code_of_its_signal(who: Who) -> None:
    """As a shell has it: 128 and the number."""
    found = tried(who, False, "sleep", "5", seconds=0.3)
    assert found.ran.code == 128 + signal.SIGKILL
