"""Commands tied to this process: on Linux the kernel kills them when it dies, even by SIGKILL."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

# Run in between, because Python code between fork and exec (`preexec_fn`) can deadlock where threads run.
_TIED = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: prctl(2)
signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # writing to the terminal from its own process group must not stop it
if os.getppid() != int(sys.argv[1]):
    sys.exit(1)  # it died in between
os.execv(sys.argv[2], sys.argv[2:])
"""


def tied(command: Sequence[str]) -> list[str]:
    """The command that runs `command`, whose first part is a path, and dies with this process. Elsewhere, as it is."""
    if sys.platform != "linux":
        return list(command)
    return [sys.executable, "-I", "-S", "-c", _TIED, str(os.getpid()), *command]
