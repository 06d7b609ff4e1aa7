"""What a worker has freed goes back to the machine."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from gatework.temporal.worker import allocator

HELD = """
import ctypes, threading, sys
from pathlib import Path
from gatework.temporal.worker.allocator import spare

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

said = spare()
before, malloc = resident(), ctypes.CDLL(None).malloc
malloc.restype = free_type = ctypes.c_void_p
free = ctypes.CDLL(None).free
free.argtypes = [ctypes.c_void_p]

def work(gate):
    # Large buffers, as messages are, below a small one that stays.
    for _ in range(3):
        large = [malloc(1_000_000) for _ in range(4)]
        for at in large:
            ctypes.memset(at, 1, 1_000_000)
        malloc(64)
        for at in large:
            free(at)
    gate.wait()

gate = threading.Barrier(9)
threads = [threading.Thread(target=work, args=(gate,)) for _ in range(8)]
for thread in threads:
    thread.start()
gate.wait()
print(said, resident() - before)
"""


def held(**environment: str) -> tuple[bool, int]:
    """What a process still holds whose threads have freed nearly all, and whether it was to give that back."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(allocator.SET_BY_HAND)}
    done = subprocess.run(
        [sys.executable, "-c", HELD], env={**env, **environment}, capture_output=True, text=True, check=True, timeout=60
    )
    said, size = done.stdout.split()
    return said == "True", int(size)


@pytest.mark.skipif(sys.platform != "linux", reason="the C library of Linux")
def test_what_threads_have_freed_is_given_back_unless_somebody_chose_otherwise() -> None:
    """Eight threads with megabytes each hold next to nothing once they have freed them; glibc's own variables count."""
    spared, size = held()
    assert spared
    assert size < 4_000_000
    spared, kept = held(MALLOC_ARENA_MAX="8")
    assert not spared
    assert kept > 2 * size
