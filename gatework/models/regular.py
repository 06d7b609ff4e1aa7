"""Regular expressions of JSON Schema as GBNF, as far as the two languages agree.

The text stands inside a JSON string, so quotation marks, backslashes and control characters are left out of every
class of characters: a narrower grammar, and an answer that needs no escapes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

_LAST = 0x10FFFF
_NEVER = ((0x00, 0x1F), (0x22, 0x22), (0x5C, 0x5C), (0x7F, 0x7F), (0xD800, 0xDFFF))
_DIGITS = ((0x30, 0x39),)
_WORD = ((0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A))
_SPACE = ((0x20, 0x20),)
_ESCAPED = {"d": _DIGITS, "w": _WORD, "s": _SPACE}
_LARGEST_COUNT = 500

Ranges = tuple[tuple[int, int], ...]


class _UnsupportedError(Exception):
    """A construct that GBNF cannot express, such as look-around or a back reference."""


def gbnf(pattern: str) -> str | None:
    """The body of a GBNF rule that matches what `pattern` finds, or None where GBNF cannot say it.

    As in JSON Schema the pattern may match anywhere in the text, unless it says `^` and `$`.
    """
    try:
        start, end = pattern.startswith("^"), pattern.endswith("$") and not pattern.endswith("\\$")
        inner = pattern[int(start) : len(pattern) - int(end)]
        reader = _Reader(inner)
        body = reader.alternatives()
        if not reader.done or (("|" in inner) and (start or end) and _top_level_bar(inner)):
            return None
    except _UnsupportedError:
        return None
    return f"{'' if start else 'char* '}{body}{'' if end else ' char*'}"


def _top_level_bar(pattern: str) -> bool:
    """`^a|b$` anchors each half on its own side only; rather than guess, such a pattern is not converted."""
    reader = _Reader(pattern)
    reader.sequence()
    return not reader.done


@dataclass
class _Reader:
    pattern: str
    position: int = field(default=0)

    @property
    def done(self) -> bool:
        return self.position >= len(self.pattern)

    def _peek(self) -> str:
        return "" if self.done else self.pattern[self.position]

    def _take(self) -> str:
        letter = self._peek()
        if not letter:
            raise _UnsupportedError
        self.position += 1
        return letter

    def alternatives(self) -> str:
        choices = [self.sequence()]
        while self._peek() == "|":
            self._take()
            choices.append(self.sequence())
        return f"({' | '.join(choices)})"

    def sequence(self) -> str:
        parts: list[str] = []
        while self._peek() not in ("", "|", ")"):
            parts.append(self._atom() + self._quantifier())
        return " ".join(parts) or '""'

    def _atom(self) -> str:
        match letter := self._take():
            case "(":
                return self._group()
            case "[":
                return _class(self._class())
            case ".":
                return _class(_complement(((0x0A, 0x0A),)))
            case "\\":
                return _class(self._escape())
            case "^" | "$" | "*" | "+" | "?" | "{":
                raise _UnsupportedError
            case _:
                return _class(((ord(letter), ord(letter)),))

    def _group(self) -> str:
        if self._peek() == "?":
            self._take()
            if self._take() != ":":
                raise _UnsupportedError
        body = self.alternatives()
        if self._take() != ")":
            raise _UnsupportedError
        return body

    def _escape(self) -> Ranges:
        letter = self._take()
        if letter in _ESCAPED:
            return _ESCAPED[letter]
        if letter.lower() in _ESCAPED:
            return _complement(_ESCAPED[letter.lower()])
        if letter.isalnum():
            raise _UnsupportedError
        return ((ord(letter), ord(letter)),)

    def _class(self) -> Ranges:
        negated = self._peek() == "^"
        if negated:
            self._take()
        ranges: list[tuple[int, int]] = []
        while self._peek() != "]" or not ranges:
            ranges.extend(self._class_item())
        self._take()
        return _complement(tuple(ranges)) if negated else tuple(ranges)

    def _class_item(self) -> Ranges:
        letter = self._take()
        if letter == "[":
            raise _UnsupportedError
        first = self._escape() if letter == "\\" else ((ord(letter), ord(letter)),)
        if self._peek() != "-" or self.pattern[self.position + 1 : self.position + 2] in ("", "]"):
            return first
        self._take()
        letter = self._take()
        last = self._escape() if letter == "\\" else ((ord(letter), ord(letter)),)
        low, high = first[0][0], last[0][0]
        if len(first) != 1 or len(last) != 1 or first[0][1] != low or last[0][1] != high or high < low:
            raise _UnsupportedError
        return ((low, high),)

    def _quantifier(self) -> str:
        letter = self._peek()
        if letter not in ("*", "+", "?", "{"):
            return ""
        text = self._take()
        if letter == "{":
            while not text.endswith("}"):
                text += self._take()
            counts = text[1:-1].split(",")
            if len(counts) > 2 or not counts[0].isdigit() or not all(each.isdigit() or not each for each in counts):
                raise _UnsupportedError
            if any(int(each) > _LARGEST_COUNT for each in counts if each):
                raise _UnsupportedError
        if self._peek() in ("?", "+"):  # lazy and possessive say how to search, not what is matched
            self._take()
        return text


def _class(ranges: Ranges) -> str:
    """A GBNF class of the characters that may stand in a JSON string without an escape."""
    allowed = _without_never(ranges)
    if not allowed:
        raise _UnsupportedError
    return "[" + "".join(_point(low) + (f"-{_point(high)}" if high > low else "") for low, high in allowed) + "]"


def _point(codepoint: int) -> str:
    letter = chr(codepoint)
    if letter.isascii() and letter.isalnum():
        return letter
    return f"\\x{codepoint:02X}" if codepoint <= 0xFF else f"\\U{codepoint:08X}"


def _complement(ranges: Ranges) -> Ranges:
    result: list[tuple[int, int]] = []
    start = 0
    for low, high in sorted(ranges):
        if low > start:
            result.append((start, low - 1))
        start = max(start, high + 1)
    if start <= _LAST:
        result.append((start, _LAST))
    return tuple(result)


def _without_never(ranges: Ranges) -> Ranges:
    return _complement(_complement(ranges) + _NEVER)
