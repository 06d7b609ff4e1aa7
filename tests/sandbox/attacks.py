"""What a hostile program tries: one attack a function, named on the command line. Needs nothing but Python.

Each says on standard output what it got; that it got something is judged from outside, by what happened there.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

LIBC = ctypes.CDLL(None, use_errno=True)
CANARY = b"canary sings"


def tcp(port: str) -> None:
    with socket.create_connection(("127.0.0.1", int(port)), timeout=3) as connection:
        connection.sendall(CANARY)
        print("connected")


def udp(port: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(CANARY, ("127.0.0.1", int(port)))
        print("sent")


def abstract_socket(name: str) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect("\0" + name)
        connection.sendall(CANARY)
        print("connected")


def path_socket(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        connection.sendall(CANARY)
        print("connected")


def read(path: str) -> None:
    print(Path(path).read_text(errors="replace"))


def environments(*_: str) -> None:
    print(dict(os.environ))
    for process in Path("/proc").glob("[0-9]*"):
        try:
            print(process, (process / "environ").read_bytes())
        except OSError as error:
            print(process, error)


def write(path: str) -> None:
    """Also to the places where every system has something to spoil."""
    for target in (
        path,
        "/usr/bin/gatework-canary",
        "/etc/gatework-canary",
        "/dev/gatework-canary",
        "/gatework-canary",
    ):
        try:
            Path(target).write_bytes(CANARY)
            print("wrote", target)
        except OSError as error:
            print(target, error)


def link_out(secret: str) -> None:
    """What the host reads or writes through afterwards."""
    for name, target in (("report.txt", secret), ("folder", str(Path(secret).parent)), ("loop", "loop")):
        os.symlink(target, name)
    os.mkfifo("pipe.txt")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket.txt")
    for name, target in (("hard.txt", secret), ("hard-usr.txt", "/usr/bin/env")):
        try:
            os.link(target, name)
        except OSError as error:
            print(name, error)
    print("planted")


def processes(token: str) -> None:
    """As many as there can be, up to a number at which a test has seen enough."""
    started = 0
    for _ in range(300):
        try:
            if os.fork() == 0:
                os.closerange(0, 3)  # or who reads from them would wait for it
                os.execvp("sleep", [f"sleep-{token}", "60"])
            started += 1
        except OSError:
            break
    print("started", started, flush=True)
    time.sleep(0.5)


def bomb(token: str) -> None:
    """Without an end; never to be run outside of a sandbox."""
    if not os.path.isdir("/work"):
        sys.exit("not here")
    print(token, flush=True)
    while True:
        try:
            os.fork()
        except OSError:
            time.sleep(0.01)


def memory(megabytes: str) -> None:
    kept = bytearray(int(megabytes) * 1024 * 1024)
    for page in range(0, len(kept), 4096):
        kept[page] = 1
    print("has", len(kept) // 1024 // 1024, flush=True)


def memory_of_many(megabytes: str) -> None:
    """Each takes little, all of them much."""
    children = []
    for _ in range(8):
        child = os.fork()
        if child == 0:
            memory(str(int(megabytes) // 8))
            time.sleep(1)
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)


def memory_of_files(megabytes: str, folder: str) -> None:
    block = b"x" * 1024 * 1024
    for written in range(1, int(megabytes) + 1):
        with open(f"{folder}/{written}", "wb") as file:
            file.write(block)
        if written % 32 == 0:
            print("has", written, flush=True)
    time.sleep(0.5)


def empty_files(count: str, folder: str) -> None:
    """Empty ones, which take memory of the kernel's."""
    for number in range(int(count)):
        with open(f"{folder}/{number}", "wb"):
            pass
        if number % 100_000 == 99_999:
            print("has", number, flush=True)
    print("has", int(count), flush=True)


def disk(megabytes: str) -> None:
    for number in range(int(megabytes)):
        Path(f"{number}").write_bytes(b"x" * 1024 * 1024)
        time.sleep(0.002)
    print("wrote", megabytes)


def hidden_disk(megabytes: str) -> None:
    """In a folder that is shut as soon as it is open."""
    os.mkdir("shut")
    fd = os.open("shut", os.O_RDONLY)
    os.chmod("shut", 0)
    print("shut", os.listdir("."))
    os.chmod("shut", 0o300)
    here = os.open("shut/x", os.O_CREAT | os.O_WRONLY)
    os.chmod("shut", 0)
    for _ in range(int(megabytes)):
        os.write(here, b"x" * 1024 * 1024)
        time.sleep(0.005)
    os.close(fd)
    print("wrote", megabytes)


def large_file(megabytes: str) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with open("large", "wb") as file:
        for _ in range(int(megabytes)):
            file.write(b"x" * 1024 * 1024)
    print("wrote", megabytes)


def deep(depth: str) -> None:
    """Folders in each other, deeper than a path is long."""
    for _ in range(int(depth)):
        os.mkdir("d")
        os.chdir("d")
    Path("bottom").write_text("x")
    os.chmod("bottom", 0)
    print("deep")


def flood(megabytes: str) -> None:
    for _ in range(int(megabytes)):
        os.write(1, b"x" * 1024 * 1024)


def flood_errors(megabytes: str) -> None:
    for _ in range(int(megabytes)):
        os.write(2, b"x" * 1024 * 1024)


def sleep(seconds: str, *_: str) -> None:
    time.sleep(float(seconds))
    print("slept")


def compute(seconds: str) -> None:
    if os.fork() == 0:
        while time.process_time() < float(seconds) / 2:
            pass
        os._exit(0)
    while time.process_time() < float(seconds) / 2:
        pass
    os.wait()
    print("computed")


def stubborn(seconds: str) -> None:
    """Ends for no signal that can be waved off, and closes its streams."""
    for number in range(1, 32):
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(number, signal.SIG_IGN)
    sys.stdout.flush()
    os.closerange(0, 3)
    time.sleep(float(seconds))


def daemon(path: str) -> None:
    """Leaves somebody behind, in a session of his own, who goes on when all is over."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            null = os.open("/dev/null", os.O_RDWR)
            for stream in range(3):
                os.dup2(null, stream)
            for _ in range(40):
                with open(path, "a") as file:
                    file.write("still here\n")
                time.sleep(0.1)
        os._exit(0)
    os.wait()
    print("left one behind")


def type_into_terminal(*_: str) -> None:
    """TIOCSTI: what is typed so is read by whoever reads the terminal next."""
    tried = []
    for place in ("/dev/tty", 0, 1, 2):
        try:
            fd = os.open(place, os.O_RDWR) if isinstance(place, str) else place
            for byte in CANARY + b"\n":
                fcntl.ioctl(fd, 0x5412, bytes([byte]))
            print("typed into", place)
            return
        except OSError as error:
            tried.append(f"{place} {error}")
    print(tried)


def trace(pid: str) -> None:
    if LIBC.ptrace(16, int(pid), None, None) == 0:  # PTRACE_ATTACH
        os.waitpid(int(pid), 0)
        LIBC.ptrace(17, int(pid), None, None)  # PTRACE_DETACH
        print("traced")
    else:
        print(errno.errorcode[ctypes.get_errno()])


def kill(pid: str) -> None:
    os.kill(int(pid), signal.SIGKILL)
    print("killed")


def mount(*_: str) -> None:
    """A file system over another; in a name space of its own, so that nothing happens to a machine that lets it."""
    if LIBC.unshare(0x00020000 | (0 if os.geteuid() == 0 else 0x10000000)) != 0:
        print("unshare", errno.errorcode[ctypes.get_errno()])
    if LIBC.mount(b"none", b"/", None, 0x44000, None) == 0 and LIBC.mount(b"none", b"/usr", b"tmpfs", 0, None) == 0:
        print("mounted")
    else:
        print("mount", errno.errorcode[ctypes.get_errno()])


def remount(*_: str) -> None:
    """Make the system's files writable; only a sandbox has them read-only."""
    for place in ("/", "/usr", "/etc", "/proc"):
        if LIBC.mount(b"none", place.encode(), None, 0x20 | 0x1000, None) == 0:
            print("writable", place)
    print(errno.errorcode.get(ctypes.get_errno()))


def system_calls(*_: str) -> None:
    """Calls that attack the kernel, or reach past a name space; what each of them says."""
    for name, number, arguments in CALLS:
        ctypes.set_errno(0)
        LIBC.syscall.restype = ctypes.c_long
        answer = LIBC.syscall(ctypes.c_long(number), *(ctypes.c_long(argument) for argument in arguments))
        code = ctypes.get_errno()
        print(f"{name}={'did' if answer >= 0 else errno.errorcode.get(code, code)}")
        if name.startswith("clone") and answer == 0:
            os._exit(0)
        if answer > 2:
            os.close(answer) if name in ("memfd", "bpf", "vsock", "netlink", "packet") else None


_NEW_USER = 0x10000000
CALLS = (
    ("unshare", 272, (_NEW_USER,)),
    ("clone", 56, (_NEW_USER | signal.SIGCHLD, 0, 0, 0, 0)),
    ("clone3", 435, (0, 0)),
    ("keyctl", 250, (0, -3, 0)),
    ("add_key", 248, (0, 0, 0, 0, 0)),
    ("bpf", 321, (0, 0, 0)),
    ("perf", 298, (0, 0, 0, 0, 0)),
    ("io_uring", 425, (1, 0)),
    ("userfaultfd", 323, (0,)),
    ("memfd", 319, (0, 0)),
    ("shmget", 29, (0, 4096, 0o1600)),
    ("vsock", 41, (40, 1, 0)),
    ("netlink", 41, (16, 3, 0)),
    ("packet", 41, (17, 3, 0)),
    ("process_vm_readv", 310, (1, 0, 0, 0, 0, 0)),
    ("pidfd_getfd", 438, (0, 0, 0)),
    ("x32_getpid", 0x40000000 + 39, ()),
)
"""Name, number on x86-64, arguments."""


def descriptors(*_: str) -> None:
    for fd in range(3, 256):
        try:
            print(fd, os.read(fd, 100))
        except OSError:
            continue


def set_user_id(*_: str) -> None:
    """A program that runs with its owner's rights, for somebody else to find."""
    with open("shell", "wb") as copy:
        copy.write(Path("/bin/sh").read_bytes())
    os.chmod("shell", 0o4755)
    os.chmod(".", 0o777)
    print("left a shell")


def gain(*_: str) -> None:
    """Programs of the system that run as root, whoever starts them."""
    for program in ("su", "mount", "passwd", "chsh", "sudo", "newgrp"):
        try:
            subprocess.run([program, "--help"], capture_output=True, check=False)
        except OSError:
            continue
    try:
        os.setuid(0)
        print("root")
    except OSError as error:
        print(error)


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
