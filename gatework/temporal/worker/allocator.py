"""The C library's allocator, told to give back what a worker has freed. Of glibc alone, and nothing anywhere else.

By itself it gives each thread a heap of its own, up to eight for each core, and takes ever larger buffers from them: a
worker whose threads each read a megabyte now and then keeps all of those heaps. With two of them, and large buffers
apart, it holds what is in use, and little more. Threads that run Python take turns in any case.
"""

from __future__ import annotations

import ctypes
import os

SET_BY_HAND = ("MALLOC_", "GLIBC_TUNABLES", "LD_PRELOAD")
"""Beginnings of variables by which somebody has chosen how memory is held: then it stays as they want it."""

_ARENA_MAX, _MMAP_THRESHOLD, _TRIM_THRESHOLD = -8, -3, -1
"""`M_ARENA_MAX`, `M_MMAP_THRESHOLD` and `M_TRIM_THRESHOLD` of malloc.h."""

_HEAPS = 2
"""One for the main thread, one for all others."""

_LARGE = 128 * 1024
"""glibc's own first threshold, which it raises by itself unless it is set: up to 32 MB."""


def spare() -> bool:
    """Have memory given back as soon as it is free, from here on; whether that could be said."""
    if any(name.startswith(SET_BY_HAND) for name in os.environ):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):  # no C library that knows of it
        return False
    return all([mallopt(_ARENA_MAX, _HEAPS), mallopt(_MMAP_THRESHOLD, _LARGE), mallopt(_TRIM_THRESHOLD, _LARGE)])
