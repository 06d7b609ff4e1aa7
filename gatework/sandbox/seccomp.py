"""The system calls that a sandbox takes away, as a filter for the kernel: classic BPF, as seccomp(2) has it.

Namespaces and missing privileges hold by themselves; the filter takes away what would attack the kernel below them,
what reaches past them (sockets to the hypervisor, keys of the worker's session, typing into a terminal), and memory
that no limit on a process counts.
"""

from __future__ import annotations

import errno
import platform
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

# <linux/audit.h>, <linux/seccomp.h>, <linux/bpf_common.h>
_LOAD_WORD, _JUMP_EQUAL, _JUMP_AT_LEAST, _JUMP_ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
"""Offsets in `struct seccomp_data`; each argument takes 8 bytes, the low half first on the machines below."""

_X32 = 0x40000000
"""Numbers from here on are those of the x32 ABI, which names every call of x86-64 a second time."""

_FAMILIES = (1, 2, 10)
"""AF_UNIX, AF_INET and AF_INET6, which the network namespace holds. Not AF_VSOCK, which reaches the hypervisor."""

_TERMINAL = (0x5412, 0x541C)
"""TIOCSTI and TIOCLINUX, which type into a terminal."""

_NEW_NAMESPACES = 0x7E020080
"""CLONE_NEW*: time, mounts, cgroup, uts, ipc, user, pids, network."""

_X86_64: Mapping[str, int] = {
    "clone": 56, "clone3": 435, "socket": 41, "ioctl": 16,
    "acct": 163, "add_key": 248, "adjtimex": 159, "bpf": 321, "chroot": 161, "clock_adjtime": 305,
    "clock_settime": 227, "delete_module": 176, "fanotify_init": 300, "finit_module": 313, "init_module": 175,
    "ioperm": 173, "iopl": 172, "kcmp": 312, "kexec_file_load": 320, "kexec_load": 246, "keyctl": 250,
    "lookup_dcookie": 212, "mbind": 237, "memfd_create": 319, "migrate_pages": 256, "modify_ldt": 154, "mount": 165,
    "move_pages": 279, "msgget": 68, "name_to_handle_at": 303, "nfsservctl": 180, "open_by_handle_at": 304,
    "perf_event_open": 298, "pivot_root": 155, "process_vm_readv": 310, "process_vm_writev": 311, "ptrace": 101,
    "quotactl": 179, "reboot": 169, "request_key": 249, "set_mempolicy": 238, "setns": 308, "settimeofday": 164,
    "shmat": 30, "shmctl": 31, "shmdt": 67, "shmget": 29, "swapoff": 168, "swapon": 167, "syslog": 103,
    "umount2": 166, "unshare": 272, "userfaultfd": 323, "vhangup": 153,
}  # fmt: skip

_AARCH64: Mapping[str, int] = {
    "clone": 220, "clone3": 435, "socket": 198, "ioctl": 29,
    "acct": 89, "add_key": 217, "adjtimex": 171, "bpf": 280, "chroot": 51, "clock_adjtime": 266,
    "clock_settime": 112, "delete_module": 106, "fanotify_init": 262, "finit_module": 273, "init_module": 105,
    "kcmp": 272, "kexec_file_load": 294, "kexec_load": 104, "keyctl": 219, "lookup_dcookie": 18, "mbind": 235,
    "memfd_create": 279, "migrate_pages": 238, "mount": 40, "move_pages": 239, "msgget": 186,
    "name_to_handle_at": 264, "nfsservctl": 42, "open_by_handle_at": 265, "perf_event_open": 241, "pivot_root": 41,
    "process_vm_readv": 270, "process_vm_writev": 271, "ptrace": 117, "quotactl": 60, "reboot": 142,
    "request_key": 218, "set_mempolicy": 237, "setns": 268, "settimeofday": 170, "shmat": 196, "shmctl": 195,
    "shmdt": 197, "shmget": 194, "swapoff": 225, "swapon": 224, "syslog": 116, "umount2": 39, "unshare": 97,
    "userfaultfd": 282, "vhangup": 58,
}  # fmt: skip

_EVERYWHERE: Mapping[str, int] = {
    "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427, "open_tree": 428, "move_mount": 429,
    "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433, "pidfd_getfd": 438, "process_madvise": 440,
    "mount_setattr": 442, "quotactl_fd": 443, "memfd_secret": 447,
}  # fmt: skip
"""Calls since Linux 5.1 have one number for all machines. io_uring opens sockets behind the back of a filter."""

_WITH_ARGUMENTS = ("clone", "clone3", "socket", "ioctl")
"""Calls that stay, but for some of their arguments."""


@dataclass(frozen=True)
class _Machine:
    architecture: int
    """AUDIT_ARCH_…: what the kernel says that a call was made for."""
    calls: Mapping[str, int]
    has_x32: bool = False


_MACHINES: Mapping[str, _Machine] = {
    "x86_64": _Machine(0xC000003E, _X86_64, has_x32=True),
    "aarch64": _Machine(0xC00000B7, _AARCH64),
}


def known(machine: str = platform.machine()) -> bool:
    """Whether there is a filter for a kind of machine."""
    return machine in _MACHINES


def program(machine: str = platform.machine()) -> bytes:
    """The filter, as the array of `struct sock_filter` that `bwrap --seccomp` reads. Raises `KeyError` if unknown."""
    return b"".join(_instructions(_MACHINES[machine]))


def _instructions(machine: _Machine) -> Iterator[bytes]:
    calls = machine.calls
    yield _load(_ARCHITECTURE)
    # Calls of another ABI, such as 32-bit ones, have other numbers: none of them is let through.
    yield from (_skip(_JUMP_EQUAL, machine.architecture, 1), _return(_KILL))
    yield _load(_NUMBER)
    if machine.has_x32:
        yield from _refuse_from(_X32, errno.ENOSYS)
    for number in sorted({**calls, **_EVERYWHERE}.items(), key=lambda call: call[1]):
        if number[0] not in _WITH_ARGUMENTS:
            yield from _refuse(number[1], errno.EPERM)
    # Its arguments lie in memory, where a filter cannot look; libraries take `clone` where it is missing.
    yield from _refuse(calls["clone3"], errno.ENOSYS)
    yield from _only_for(
        calls["clone"], 0, [_jump(_JUMP_ANY_BIT, _NEW_NAMESPACES, 0, 1), _error(errno.EPERM), _return(_ALLOW)]
    )
    families = [_skip(_JUMP_EQUAL, family, len(_FAMILIES) - at) for at, family in enumerate(_FAMILIES)]
    yield from _only_for(calls["socket"], 0, [*families, _error(errno.EAFNOSUPPORT), _return(_ALLOW)])
    yield from _only_for(
        calls["ioctl"],
        1,
        [*(part for request in _TERMINAL for part in _refuse(request, errno.EPERM)), _return(_ALLOW)],
    )
    yield _return(_ALLOW)


def _only_for(number: int, argument: int, rest: list[bytes]) -> Iterator[bytes]:
    """Instructions that look at the low half of an argument of one call, and end there."""
    yield _jump(_JUMP_EQUAL, number, 0, len(rest) + 1)
    yield _load(_ARGUMENTS + 8 * argument)
    yield from rest


def _refuse(value: int, error: int) -> Iterator[bytes]:
    yield from (_jump(_JUMP_EQUAL, value, 0, 1), _error(error))


def _refuse_from(value: int, error: int) -> Iterator[bytes]:
    yield from (_jump(_JUMP_AT_LEAST, value, 0, 1), _error(error))


def _load(offset: int) -> bytes:
    return _instruction(_LOAD_WORD, offset)


def _skip(code: int, value: int, count: int) -> bytes:
    """Go on `count` instructions later where it holds."""
    return _jump(code, value, count, 0)


def _jump(code: int, value: int, if_so: int, if_not: int) -> bytes:
    return _instruction(code, value, if_so, if_not)


def _error(number: int) -> bytes:
    return _return(_ERRNO | number)


def _return(value: int) -> bytes:
    return _instruction(_RETURN, value)


def _instruction(code: int, value: int, if_so: int = 0, if_not: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_so, if_not, value)
