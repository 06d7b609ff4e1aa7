"""Runs between a worker and a program, as a process of its own: when the worker dies, or says so, it ends the program.

A worker that is killed sees to nothing any more, and the kernel alone leaves gaps. It ends a process whose parent dies
only once that process has asked for it (prctl(2), PR_SET_PDEATHSIG). bubblewrap asks after it has begun, its first
process when the sandbox is made, and neither looks whether its parent is still there. Who was killed before that left a
program without a worker, or a sandbox that waits for ever. This process starts before all of them and ends after all of
them: the worker cannot die unseen, since a descriptor of it is handed over, and whatever loses its parent is its child
from then on (PR_SET_CHILD_SUBREAPER), until nothing is left.

Run as a script with the arguments WORKER, STOP, TOLD and the command. WORKER and STOP are descriptors that it inherits,
of the worker's process and of a pipe; what is written to the pipe ends the program. TOLD is -1, or one to write to what
bubblewrap writes by itself. It starts once for each program, so it takes of the standard library what loads quickly.
"""

from __future__ import annotations

import ctypes
import os
import select
import sys

_CHILD_SUBREAPER = 36
_KILL = 9
_IGNORED = (1, 2, 3, 15)
"""What a terminal or a service manager sends to all: who ends here is the worker's to say."""
_RESTORED = (13, 25, *_IGNORED)
"""With those that Python ignores from its start: broken pipes, and files over their limit."""


def run(worker: int, stop: int, told: int, command: list[str]) -> int:
    """See a program through; its exit code, as a shell has it."""
    kernel = ctypes.CDLL(None)
    if kernel.prctl(_CHILD_SUBREAPER, 1, 0, 0, 0):
        return 125
    for number in _IGNORED:
        kernel.signal(number, ctypes.c_void_p(1))
    for fd in (worker, stop, *((told,) if told >= 0 else ())):
        os.set_inheritable(fd, False)
    try:
        program = os.posix_spawnp(command[0], command, os.environ, setpgroup=0, setsigdef=_RESTORED)
    except OSError:
        _tell(told, "exit-code", 127)
        return 127
    try:
        for stream in range(3):  # or the worker would not see that the program has closed its own
            os.close(stream)
        _tell(told, "child-pid", program)
        ready = select.poll()
        for fd in (worker, stop, os.pidfd_open(program)):
            ready.register(fd, select.POLLIN)
        ready.poll()
    finally:
        code = _ended(program)
    _tell(told, "exit-code", code)
    return code


def _ended(program: int) -> int:
    """Kill what is left until nothing is; the children of one that is waited for have become ours by then."""
    code = 0
    while True:
        for pid in _children():
            try:
                os.kill(pid, _KILL)
            except OSError:  # another's by a set-user-id program, without a sandbox: it is waited for
                continue
        try:
            pid, status = os.waitpid(-1, 0)
        except ChildProcessError:
            return code
        if pid == program:
            code = os.waitstatus_to_exitcode(status)
            code = code if code >= 0 else 128 - code


def _children() -> list[int]:
    with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as children:
        return [int(pid) for pid in children.read().split()]


def _tell(told: int, what: str, number: int) -> None:
    if told < 0:
        return
    try:
        os.write(told, f'{{"{what}": {number}}}\n'.encode())
    except OSError:  # the worker is gone
        return


if __name__ == "__main__":
    _worker, _stop, _told = map(int, sys.argv[1:4])
    os._exit(run(_worker, _stop, _told, sys.argv[4:]))
