"""Other ways to write a certificate, which a lenient reader takes for the same."""

from __future__ import annotations

import json


def spellings(data: bytes) -> dict[str, tuple[bytes, str]]:
    """Other bytes that a lenient reader takes for the same, with the code of each."""
    text = data.decode()
    # The name of the workflow of the first run: a text that every certificate has.
    name = json.dumps(json.loads(text)["runs"][0]["workflow"]).encode()
    inner, rest = name[1:2], name[2:-1]
    return {
        "white space behind": (data + b" ", "canonical"),
        "two line feeds": (data + b"\n\n", "canonical"),
        "white space before": (b" " + data, "canonical"),
        "white space inside": (data.replace(b'":', b'": ', 1), "canonical"),
        "garbage behind": (data + b"x", "json"),
        "another text behind": (data + data, "json"),
        "a byte order mark": (b"\xef\xbb\xbf" + data, "json"),
        "not UTF-8": (data.replace(name, b'"' + inner + b"\xff" + rest + b'"', 1), "json"),
        "UTF-16": (text.encode("utf-16"), "json"),
        "1.0": (data.replace(b'"sequence":1}', b'"sequence":1.0}', 1), "canonical"),
        "1e0": (data.replace(b'"sequence":1}', b'"sequence":1e0}', 1), "canonical"),
        "01": (data.replace(b'"sequence":1}', b'"sequence":01}', 1), "json"),
        "+1": (data.replace(b'"sequence":1}', b'"sequence":+1}', 1), "json"),
        "-0": (data.replace(b'"attempt":1', b'"attempt":-0', 1), "canonical"),
        "NaN": (data.replace(b'"attempt":1', b'"attempt":NaN', 1), "json"),
        "1e400": (data.replace(b'"attempt":1', b'"attempt":1e400', 1), "json"),
        "2^53": (data.replace(b'"attempt":1', b'"attempt":9007199254740992', 1), "json"),
        "an escape": (data.replace(name, b'"\\u%04x%s"' % (ord(inner), rest), 1), "canonical"),
        "an escaped slash": (data.replace(b"/", b"\\/", 1), "canonical"),
        "a lone surrogate": (data.replace(name, b'"\\ud800"', 1), "json"),
        "twice": (data.replace(b'{"format"', b'{"format":"gatework.certificate/1","format"', 1), "json"),
        "twice, deep": (data.replace(b'"attempt":1', b'"attempt":1,"attempt":1', 1), "json"),
        "another order": (
            json.dumps(dict(reversed(json.loads(text).items())), separators=(",", ":")).encode(),
            "canonical",
        ),
        "single quotes": (data.replace(name, b"'" + inner + rest + b"'", 1), "json"),
        "a comma more": (data[:-1] + b",}", "json"),
        "nothing": (b"", "json"),
        "deep": (b"[" * 100_000 + b"]" * 100_000, "json"),
    }
