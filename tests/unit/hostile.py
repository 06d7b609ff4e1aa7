"""Values that no boundary accepts, or that it accepts only as what they are."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

MARK = "S3CRETMARK"
"""Stands in keys and values; found in no error."""

VALID: dict[str, Any] = {
    "number": 7, "text": "x", "flag": True, "rate": 1.5, "money": "1.50", "items": [1, 2], "pair": [1, "a"],
    "level": "low", "day": "2026-01-02", "at": "2026-01-02T03:04:05Z", "id": "00000000-0000-4000-8000-000000000000",
    "inner": {"name": "n"}, "variant": {"kind": "cat", "name": "n"}, "counts": {"a": 1}, "maybe": None, "one": 1,
}  # fmt: skip
"""What the model `Everything` of the tests accepts."""


def without(field: str) -> dict[str, Any]:
    return {name: value for name, value in VALID.items() if name != field}


def with_(**fields: Any) -> bytes:
    return json.dumps({**VALID, **fields}).encode()


def raw(field: str, text: str) -> bytes:
    """The valid value, but for one field that is written as the given JSON text."""
    return json.dumps({**VALID, field: "@@"}).encode().replace(b'"@@"', text.encode())


WRONG_FIELDS: dict[str, tuple[bytes, str]] = {
    "text for an integer": (with_(number="7"), "number"),
    "true for an integer": (with_(number=True), "number"),
    "fraction for an integer": (with_(number=7.5), "number"),
    "whole float for an integer": (with_(number=7.0), "number"),
    "null for an integer": (with_(number=None), "number"),
    "list for an integer": (with_(number=[7]), "number"),
    "integer for text": (with_(text=7), "text"),
    "true for text": (with_(text=True), "text"),
    "null for text": (with_(text=None), "text"),
    "text for a flag": (with_(flag="true"), "flag"),
    "yes for a flag": (with_(flag="yes"), "flag"),
    "1 for a flag": (with_(flag=1), "flag"),
    "0 for a flag": (with_(flag=0), "flag"),
    "text for a number": (with_(rate="1.5"), "rate"),
    "true for a number": (with_(rate=True), "rate"),
    "number for a decimal": (with_(money=1.5), "money"),
    "integer for a decimal": (with_(money=1), "money"),
    "decimal with spaces": (with_(money=" 1.50"), "money"),
    "decimal with underscores": (with_(money="1_000"), "money"),
    "decimal of other digits": (with_(money="١٢"), "money"),
    "decimal that is none": (with_(money="NaN"), "money"),
    "decimal that is infinite": (with_(money="Infinity"), "money"),
    "text in a list of integers": (with_(items=[1, "2"]), "items.1"),
    "object for a list": (with_(items={"0": 1}), "items"),
    "text for a list": (with_(items="12"), "items"),
    "short pair": (with_(pair=[1]), "pair"),
    "long pair": (with_(pair=[1, "a", 3]), "pair"),
    "pair the wrong way round": (with_(pair=["a", 1]), "pair.0"),
    "unknown choice": (with_(level=MARK), "level"),
    "choice in capitals": (with_(level="LOW"), "level"),
    "true for the choice of one": (with_(one=True), "one"),
    "number for a day": (with_(day=1767312000), "day"),
    "time for a day": (with_(day="2026-01-02T00:00:00Z"), "day"),
    "no day": (with_(day="2026-02-30"), "day"),
    "number for a time": (with_(at=1767312000), "at"),
    "no time": (with_(at=MARK), "at"),
    "no identifier": (with_(id=MARK), "id"),
    "text for a model": (with_(inner=MARK), "inner"),
    "list for a model": (with_(inner=[["name", "n"]]), "inner"),
    "missing in a model": (with_(inner={}), "inner"),
    "more in a model": (with_(inner={"name": "n", MARK: MARK}), "inner"),
    "unknown variant": (with_(variant={"kind": MARK, "name": "n"}), "variant"),
    "no variant": (with_(variant={"name": "n"}), "variant"),
    "text as a count": (with_(counts={MARK: MARK}), "counts"),
    "null as a count": (with_(counts={"a": None}), "counts"),
    "text for an optional integer": (with_(maybe="7"), "maybe"),
    "missing field": (json.dumps(without("text")).encode(), ""),
    "missing field with a default": (json.dumps(without("maybe")).encode(), ""),
    "unknown field": (with_(**{MARK: 1}), ""),
    "unknown field of an odd name": (with_(**{f"{MARK}.text\n": MARK}), ""),
}

WRONG_BYTES: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: b"",
    "space": lambda: b" \n",
    "null": lambda: b"null",
    "a list": lambda: json.dumps([VALID]).encode(),
    "text": lambda: json.dumps(json.dumps({**VALID, "text": MARK})).encode(),
    "a number": lambda: b"7",
    "NaN": lambda: raw("rate", "NaN"),
    "infinity": lambda: raw("rate", "-Infinity"),
    "too large a float": lambda: raw("rate", "1e999"),
    "a float that is an integer beyond 2^53": lambda: raw("rate", "1e20"),
    "an integer beyond 2^53": lambda: raw("number", "9007199254740993"),
    "an integer of 5,000 digits": lambda: raw("number", "9" * 5_000),
    "an integer of 900,000 digits": lambda: raw("number", "9" * 900_000),
    "ten megabytes of text": lambda: with_(text=MARK * 1_000_000),
    "ten megabytes of key": lambda: with_(**{MARK * 1_000_000: 1}),
    "100,000 lists deep": lambda: raw("items", "[" * 100_000 + "]" * 100_000),
    "100,000 objects deep": lambda: raw("inner", '{"name":' * 100_000 + "1" + "}" * 100_000),
    "100,000 lists deep and never closed": lambda: b"[" * 100_000,
    "65 lists deep": lambda: raw("items", "[" * 65 + "]" * 65),
    "300,000 items": lambda: raw("items", "[" + "1," * 299_999 + "1]"),
    "300,000 wrong items": lambda: raw("items", "[" + '"",' * 299_999 + "1]"),
    "one member twice": lambda: b'{"number": 7, ' + with_(number=8)[1:],
    "one unknown member twice": lambda: f'{{"{MARK}": 1, "{MARK}": 2}}'.encode(),
    "a lone surrogate": lambda: raw("text", f'"{MARK}\\ud800"'),
    "a lone surrogate in a key": lambda: raw("counts", f'{{"{MARK}\\udfff": 1}}'),
    "surrogates in the wrong order": lambda: raw("text", f'"{MARK}\\udc00\\ud800"'),
    "invalid UTF-8": lambda: with_(text=MARK).replace(MARK.encode(), MARK.encode() + b"\xff"),
    "UTF-8 of a surrogate": lambda: with_(text=MARK).replace(MARK.encode(), b"\xed\xa0\x80"),
    "overlong UTF-8": lambda: with_(text=MARK).replace(MARK.encode(), b"\xc0\xaf"),
    "UTF-16": lambda: with_(text=MARK).decode().encode("utf-16"),
    "a byte order mark": lambda: b"\xef\xbb\xbf" + with_(),
    "a control character": lambda: with_(text=MARK).replace(MARK.encode(), MARK.encode() + b"\x00"),
    "garbage at the end": lambda: with_() + MARK.encode(),
    "two values": lambda: with_() * 2,
    "half a value": lambda: with_(text=MARK)[:-20],
    "single quotes": lambda: with_().replace(b'"', b"'"),
    "a comment": lambda: b"/* " + MARK.encode() + b" */" + with_(),
    "a comma at the end": lambda: with_()[:-1] + b",}",
    "hexadecimal": lambda: raw("number", "0x7"),
    "a plus sign": lambda: raw("number", "+7"),
    "a leading zero": lambda: raw("number", "07"),
    "a name": lambda: MARK.encode(),
}
