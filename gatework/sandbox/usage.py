"""What the processes of a sandbox use together, as the kernel says: limits on one process say nothing of the sum."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from gatework.sandbox.view import SCRATCH

_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")

_FILE_BYTES = 1024
"""What the kernel keeps of a file in memory, besides its data."""


@dataclass(frozen=True)
class Used:
    """What is in use just now."""

    memory_bytes: int
    cpu_seconds: float
    processes: int


def used(first: int, scratch_bytes: int) -> Used:
    """What a process and all below it use, with what lies in memory as files in places of `scratch_bytes` each.

    Pages that several processes share count once where the kernel says so, and for each of them where it does not.
    """
    pids = list(_tree(first))
    memory, cpu = 0, 0.0
    for pid in pids:
        with suppress(OSError, ValueError, IndexError):
            memory += _resident(pid)
        with suppress(OSError, ValueError, IndexError):
            cpu += _seconds(pid)
    return Used(memory + _kept(first, scratch_bytes), cpu, len(pids))


def shared_once(first: int, scratch_bytes: int) -> int:
    """The memory of a process and all below it, each page counted once; takes longer to ask for."""
    memory = 0
    for pid in _tree(first):
        with suppress(OSError, ValueError, IndexError):
            try:
                memory += _proportional(pid)
            except (OSError, ValueError):  # a program may have shut itself to us
                memory += _resident(pid)
    return memory + _kept(first, scratch_bytes)


def _tree(first: int) -> Iterator[int]:
    waiting = [first]
    while waiting:
        pid = waiting.pop()
        yield pid
        with suppress(OSError):
            for task in os.listdir(f"/proc/{pid}/task"):
                with suppress(OSError), open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as children:
                    waiting += map(int, children.read().split())


def _resident(pid: int) -> int:
    with open(f"/proc/{pid}/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * _PAGE


def _proportional(pid: int) -> int:
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as smaps:
        for line in smaps:
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    raise ValueError("no Pss")


def _seconds(pid: int) -> float:
    """Of a process and of those that it has waited for."""
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:
        fields = stat.read().rpartition(")")[2].split()  # its name stands before, and may hold anything
    return sum(map(int, fields[11:15])) / _TICKS


def _kept(first: int, scratch_bytes: int) -> int:
    kept = 0
    for place in SCRATCH:
        with suppress(OSError):
            found = os.statvfs(f"/proc/{first}/root{place}")
            # Until its root is made, a sandbox still has that of the machine.
            if found.f_blocks * found.f_frsize == scratch_bytes:
                kept += (found.f_blocks - found.f_bfree) * found.f_frsize
                kept += (found.f_files - found.f_ffree) * _FILE_BYTES
    return kept
