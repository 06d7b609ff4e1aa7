"""Bytes that somebody, or something, has mutilated."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

PIECES = (b'"', b"{", b"}", b"[", b",", b"null", b"-", b"1e9", b"\\u0000", b"\xff", b"true")


def mutants(data: bytes, seed: str, many: int) -> Iterator[bytes]:
    """The bytes with a few of them changed, dropped, doubled or taken from elsewhere."""
    chance = Random(seed)
    for _ in range(many):
        made = bytearray(data)
        for _ in range(chance.choice([1, 1, 1, 2, 5])):
            at = chance.randrange(max(len(made), 1))
            length = chance.choice([1, 1, 2, 8, 64])
            match chance.randrange(6):
                case 0:
                    made[at : at + 1] = bytes([chance.randrange(256)])
                case 1:
                    made[at : at + 1] = bytes(byte ^ 1 << chance.randrange(8) for byte in made[at : at + 1])
                case 2:
                    del made[at : at + length]
                case 3:
                    made[at:at] = made[at : at + length]
                case 4:
                    there = chance.randrange(max(len(made), 1))
                    made[at : at + length] = made[there : there + length]
                case _:
                    made[at : at + length] = chance.choice(PIECES)
        yield bytes(made)
