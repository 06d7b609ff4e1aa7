"""Ports for the servers of tests, away from those that people use and that the system gives to anybody who asks."""

from __future__ import annotations

import errno
import socket

BLOCK = 40
"""A server whose port is taken tries the twenty after it."""
_UI_OFFSET = 1_000
# Every second thousand: the one between is for the pages of the UI.
_BLOCKS = [first for start in range(20_000, 30_000, 2 * _UI_OFFSET) for first in range(start, start + 1_000, BLOCK)]
_held: list[socket.socket] = []


def spare_ports() -> int:
    """The first of a block of free ports that no other process of tests takes, for as long as this one lives.

    Tests run side by side, also those of another checkout. Whoever takes a block says so by the UDP port of its first
    number, which no server here uses and which is free again with the process.
    """
    for first in _BLOCKS:
        mark = socket.socket(type=socket.SOCK_DGRAM)
        try:
            mark.bind(("127.0.0.1", first))
            if all(_is_free(port) for each in range(first, first + BLOCK) for port in (each, each + _UI_OFFSET)):
                _held.append(mark)
                return first
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
        mark.close()
    raise RuntimeError(f"none of {len(_BLOCKS)} blocks of {BLOCK} ports is free")


def _is_free(port: int) -> bool:
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
