"""A PDF as the text that its reader sees: run as a program of its own, bytes in, JSON out.

    python -I activities/pdf_text.py < file.pdf

A PDF can hold text that no page shows: white on white, under a picture, beside the page, in a mode that paints nothing,
too small to be read. So each page is drawn by PDFium, and a character counts where its own ink can be told from
what is around it. What may be seen or not takes its whole line with it: a sentence that is missing can be looked up, an
instruction that only a model can see does harm, and so does a sentence that lost its `not`. Text that is drawn over a
photograph may be lost, and no text is read out of pictures.

A process of its own, since a library that reads PDFs cannot be stopped where it has lost itself in one. It limits its
memory and its time, before the library is even loaded.
"""

from __future__ import annotations

import ctypes
import json
import resource
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

MAX_BYTES = 10_000_000
"""Largest file that is read."""
MAX_PAGES = 60
MAX_CHARACTERS = 200_000
"""Of all pages, seen or not."""
MEMORY_BYTES = 2_000_000_000
"""Address space; what is used is far less."""
SECONDS = 20
"""CPU time."""

_DOTS = 2.0
"""Dots a point when a page is drawn: 144 dpi, where a line of seven points is eight dots high."""
_LARGEST_PAGE = 2_500.0
"""Points: A0 is 2,384 wide."""
_LEAST_HEIGHT = 4.0
"""Points; the line height below which nobody reads a text without a glass."""
_LEAST_CONTRAST = 40
"""Of ink and ground, in 255 steps of grey, that everybody sees."""
_NO_CONTRAST = 6
"""Of any two dots, that nobody sees."""
_LEAST_INK = 0.3
"""How far from ground to ink the strongest dot of a character has to be; thin lines are drawn pale."""
_PARAGRAPH = 1.45
"""Distance of two lines, in heights of a line, from which on they belong to two paragraphs."""


class Unreadable(Exception):
    """Why a file cannot be read, in a sentence that repeats nothing of it."""


class _Seen(Enum):
    """Whether a reader sees a character."""

    YES = "yes"
    NO = "no"
    PERHAPS = "perhaps"


@dataclass(frozen=True)
class _Box:
    """Where a character stands on the drawn page, in dots; `top` is less than `bottom`."""

    left: int
    top: int
    right: int
    bottom: int


@dataclass(frozen=True)
class _Drawn:
    """A page as grey dots, row after row."""

    dots: bytes
    width: int
    height: int
    stride: int

    def row(self, y: int, left: int, right: int) -> bytes:
        return self.dots[y * self.stride + left : y * self.stride + right]

    def shows(self, box: _Box, ink: int) -> _Seen:
        """Whether something of this grey can be told from its ground in a box."""
        if box.right <= 0 or box.bottom <= 0 or box.left >= self.width or box.top >= self.height:
            return _Seen.NO
        left, right = max(box.left, 0), min(box.right, self.width)
        inside = [self.row(y, left, right) for y in range(max(box.top, 0), min(box.bottom, self.height))]
        ground, darkest, lightest = _ground(inside), min(map(min, inside)), max(map(max, inside))
        if lightest - darkest < _NO_CONTRAST:
            return _Seen.NO
        strongest = darkest if ink < ground else lightest
        clear = abs(ink - ground) >= _LEAST_CONTRAST and abs(strongest - ground) >= _LEAST_INK * abs(ink - ground)
        return _Seen.YES if clear else _Seen.PERHAPS


def _ground(rows: list[bytes]) -> int:
    """The grey around a character: the median of the box's border, which a letter hardly touches."""
    border = sorted(rows[0] + rows[-1] + b"".join(row[:1] + row[-1:] for row in rows))
    return border[len(border) // 2]


def pages_of(data: bytes) -> list[list[str]]:
    """The paragraphs of each page, each on one line. Raises `Unreadable`."""
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError:
        raise Unreadable("The PDF is damaged, or needs a password.") from None
    with document:
        if len(document) > MAX_PAGES:
            raise Unreadable(f"The PDF has more than {MAX_PAGES} pages.")
        left = MAX_CHARACTERS
        pages = []
        for page in document:
            text_page = page.get_textpage()
            left -= text_page.count_chars()
            if left < 0:
                raise Unreadable("The PDF holds too much text.")
            pages.append(_paragraphs(_lines(page, text_page)))
        return pages


@dataclass
class _Line:
    """A line of characters that are seen."""

    text: str = ""
    bottom: float = 0.0
    """Points above the foot of the page, of the lowest character; only compared with other lines."""
    height: float = 0.0
    doubtful: bool = False
    """Whether something in it may be seen or not."""

    def add(self, character: str, bottom: float, height: float) -> None:
        self.bottom = min(self.bottom, bottom) if self.text.strip() else bottom
        self.height = max(self.height, height)
        self.text += character


def _lines(page: Any, text_page: Any) -> Iterator[_Line]:
    """Lines in the order of the file, each of what a reader sees of it."""
    import pypdfium2.raw as pdfium

    drawn = _draw(page)
    places: set[tuple[int, int]] = set()
    line = _Line()
    for i in range(text_page.count_chars()):
        character = chr(pdfium.FPDFText_GetUnicode(text_page, i))
        if character in "\r\n":
            yield line
            line = _Line()
            continue
        if pdfium.FPDFText_IsGenerated(text_page, i) == 1 or character.isspace():
            line.text += " "
            continue
        loose = pdfium.FS_RECTF()
        box = _box(page, text_page, i)
        if box is None or not pdfium.FPDFText_GetLooseCharBox(text_page, i, loose):
            continue
        seen = drawn.shows(box, _ink(text_page, i))
        if seen is _Seen.NO:
            continue
        height = abs(loose.top - loose.bottom)
        # Where text lies upon text nobody can say which of them is read.
        place = ((box.left + box.right) // 4, (box.top + box.bottom) // 4)
        line.doubtful |= seen is _Seen.PERHAPS or height < _LEAST_HEIGHT or place in places
        places.add(place)
        line.add(character, min(loose.top, loose.bottom), height)
    yield line


def _draw(page: Any) -> _Drawn:
    width, height = page.get_size()
    if not (0 < width <= _LARGEST_PAGE and 0 < height <= _LARGEST_PAGE):
        raise Unreadable("The PDF has a page of an odd size.")
    # Notes and forms are not part of the text, and a reader may not see them.
    bitmap = page.render(scale=_DOTS, grayscale=True, draw_annots=False, may_draw_forms=False)
    return _Drawn(bytes(bitmap.buffer), bitmap.width, bitmap.height, bitmap.stride)


def _box(page: Any, text_page: Any, i: int) -> _Box | None:
    """Where a character's ink is on the drawn page."""
    import pypdfium2.raw as pdfium

    left, right, bottom, top = (ctypes.c_double() for _ in range(4))
    if not pdfium.FPDFText_GetCharBox(text_page, i, left, right, bottom, top):
        return None
    width, height = (round(size * _DOTS) for size in page.get_size())
    corners = []
    for x, y in ((left, top), (right, bottom)):
        across, down = ctypes.c_int(), ctypes.c_int()
        if not pdfium.FPDF_PageToDevice(page, 0, 0, width, height, 0, x, y, across, down):
            return None
        corners.append((across.value, down.value))
    (x1, y1), (x2, y2) = corners
    # A dot more on each side, so that the border is ground.
    return _Box(min(x1, x2) - 1, min(y1, y2) - 1, max(x1, x2) + 2, max(y1, y2) + 2)


def _ink(text_page: Any, i: int) -> int:
    """The grey in which a character is filled; that of the ground where it is not known."""
    import pypdfium2.raw as pdfium

    red, green, blue, alpha = (ctypes.c_uint() for _ in range(4))
    if not pdfium.FPDFText_GetFillColor(text_page, i, red, green, blue, alpha):
        return 255
    return round(0.299 * red.value + 0.587 * green.value + 0.114 * blue.value)


def _paragraphs(lines: Iterator[_Line]) -> list[str]:
    """Lines joined where they follow each other closely and in one size."""
    paragraphs: list[str] = []
    before: _Line | None = None
    for line in lines:
        if line.doubtful or not line.text.strip():
            before = None if line.doubtful else before
            continue
        text = " ".join(line.text.replace("\x02", "-").split())
        follows = (
            before is not None
            and 0 < before.bottom - line.bottom < _PARAGRAPH * max(before.height, line.height)
            and abs(before.height - line.height) < 0.1 * max(before.height, line.height)
        )
        if follows:
            paragraphs[-1] += " " + text
        else:
            paragraphs.append(text)
        before = line
    return paragraphs


def main() -> int:
    """Read a PDF from standard input; write its pages, or why it cannot be read, to standard output."""
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    data = sys.stdin.buffer.read(MAX_BYTES + 1)
    try:
        if len(data) > MAX_BYTES:
            raise Unreadable("The PDF is larger than ten megabytes.")
        said: dict[str, object] = {"pages": pages_of(data)}
    except Unreadable as refusal:
        said = {"refused": str(refusal)}
    sys.stdout.write(json.dumps(said))
    return 0


if __name__ == "__main__":
    sys.exit(main())
