"""A picture as one SVG file that needs nothing else: no script, no font, no link. Names in it are data, and escaped."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from xml.sax.saxutils import escape, quoteattr

from gatework.picture.facts import OVERRIDDEN, OVERRIDDEN_COLOUR
from gatework.picture.layout import Layout, laid_out
from gatework.picture.scene import Arrow, Box, Frame, Scene
from gatework.plan.labels import Label

_COLOURS = {
    Label.PLAIN: ("#f3f4f6", "#6b7280"),
    Label.UNTRUSTED: ("#fdecea", "#c0392b"),
    Label.ENDORSED: ("#e8f5ec", "#2e7d4f"),
    Label.APPROVED: ("#e7effb", "#2b5fa8"),
}
"""Of a box: inside, and its edge. The same as in Mermaid."""
_INK, _FAINT, _LINE = "#111827", "#4b5563", "#374151"
_FONT = "ui-sans-serif, system-ui, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif"
_TITLE, _TEXT, _NOTE = 13.0, 11.0, 11.0
_STEP = 15.0
"""From one line to the next."""
_EDGE = 24.0
_HEAD = 64.0
_FOOT = 34.0
_LOUD = 22.0
"""The line of what was overridden."""


def svg(scene: Scene) -> str:
    """The SVG of a scene. Raises `ConfigError` where the layout engine is not installed."""
    sizes = {box.id: _size(box) for box in scene.boxes}
    sizes |= {frame.id: (_wide(frame.title, _NOTE) + 8, 16.0) for frame in _frames(scene.frame)}
    text = {number: _wide(arrow.text, _NOTE) + 10 for number, arrow in enumerate(scene.arrows) if arrow.text}
    return "\n".join(_written(scene, laid_out(scene, sizes, text), sizes)) + "\n"


# -- sizes -----------------------------------------------------------------------------------------


def _size(box: Box) -> tuple[float, float]:
    """Width and height that hold the texts of a box."""
    number = f"{box.number}  " if box.number else ""
    wide = max([_wide(number + box.title, _TITLE) * 1.06, *(_wide(line, _TEXT) for line in box.lines)])
    high = 22.0 + _STEP * len(box.lines)
    match box.shape:
        case "choice":
            return max(wide + 64, 130.0), max(high + 22, 52.0)
        case "person":
            return max(wide + 54, 130.0), high + 14
        case "small":
            return max(wide + 24, 60.0), high + 4
        case "pill":
            return max(wide + 36, 90.0), high + 8
        case _:
            return max(wide + 28, 110.0), high + 12


def _wide(text: str, size: float) -> float:
    """About how wide a text is; rather too wide than too narrow, in whatever font it is drawn."""
    return sum(_letter(c) for c in text) * size


def _letter(c: str) -> float:
    if unicodedata.east_asian_width(c) in "WF":
        return 1.05
    if c in "ijlI.,:;'|!() ":
        return 0.34
    return 0.92 if c in "mwMW@%—…" else 0.7 if c.isupper() else 0.6


def _frames(frame: Frame) -> Iterator[Frame]:
    for inner in frame.frames:
        yield inner
        yield from _frames(inner)


# -- what is written -------------------------------------------------------------------------------


def _written(scene: Scene, layout: Layout, sizes: Mapping[str, tuple[float, float]]) -> Iterator[str]:
    head = max(_wide(scene.title, 20), _wide(scene.subtitle, _TEXT), _wide(scene.loud, _TITLE) * 1.06)
    width = max(layout.width, head, 660.0) + 2 * _EDGE
    top, foot = (_LOUD, _FOOT + _LOUD) if scene.loud else (0.0, _FOOT)
    height = layout.height + top + _HEAD + foot + _EDGE
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'height="{height:.0f}" role="img" font-family={quoteattr(_FONT)}>'
    )
    yield f"<title>{_safe(scene.title)}</title>"
    yield f"<desc>{_safe(' · '.join(filter(None, (scene.loud, scene.subtitle))))}</desc>"
    yield (
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        f'orient="auto-start-reverse"><path d="M0,0 L8,4 L0,8 z" fill="{_LINE}"/></marker></defs>'
    )
    yield f'<rect width="{width:.0f}" height="{height:.0f}" fill="#ffffff"/>'
    if scene.loud:
        yield _text(_EDGE, 26, scene.loud, _TITLE, fill=OVERRIDDEN_COLOUR, weight=700)
    yield _text(_EDGE, top + 32, scene.title, 20, weight=700)
    yield _text(_EDGE, top + 50, scene.subtitle, _TEXT, fill=_FAINT)
    left = (width - layout.width) / 2
    yield f'<g transform="translate({left:.1f},{top + _HEAD:.1f})">'
    for frame in _frames(scene.frame):
        if frame.id in layout.frames:
            yield from _frame(frame, layout.frames[frame.id])
    for number, arrow in enumerate(scene.arrows):
        yield from _arrow(arrow, number, layout)
    for box in scene.boxes:
        yield from _box(box, layout.centers[box.id], sizes[box.id])
    yield "</g>"
    yield from _legend(height - foot + 6, loud=bool(scene.loud))
    yield "</svg>"


def _frame(frame: Frame, place: tuple[float, float, float, float]) -> Iterator[str]:
    left, top, right, bottom = place
    faded = ' opacity="0.45"' if frame.faded else ""
    yield (
        f'<g{faded}><rect x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" height="{bottom - top:.1f}" rx="8" '
        'fill="#6b7280" fill-opacity="0.06" stroke="#9ca3af" stroke-dasharray="4 3"/>'
    )
    yield _text(left + 9, top + 16, frame.title, _NOTE, fill=_FAINT, style="italic") + "</g>"


def _arrow(arrow: Arrow, number: int, layout: Layout) -> Iterator[str]:
    points = layout.paths.get(number)
    if not points:
        return
    first, *rest = points
    curve, tip = (rest[:-1], rest[-1]) if len(rest) % 3 == 1 else (rest, None)
    path = f"M{_at(first)} C" + " ".join(_at(point) for point in curve)
    path += f" L{_at(tip)}" if tip else ""
    dash = {"next": "", "back": ' stroke-dasharray="6 3"', "undo": ' stroke-dasharray="2 3"'}[arrow.kind]
    look = f'stroke="{_LINE}" stroke-width="1.4"' if arrow.taken else f'stroke="{_LINE}" opacity="0.3"'
    yield f'<path d="{path}" fill="none" {look}{dash} marker-end="url(#tip)"/>'
    if arrow.text and number in layout.labels:
        x, y = layout.labels[number]
        yield _text(x, y + 4, arrow.text, _NOTE, fill=_FAINT, anchor="middle")


def _box(box: Box, center: tuple[float, float], size: tuple[float, float]) -> Iterator[str]:
    (x, y), (wide, high) = center, size
    left, top = x - wide / 2, y - high / 2
    fill, edge = _COLOURS[box.label]
    status = box.fact.status if box.fact else ""
    loud = box.fact is not None and box.fact.overridden
    faded = ' opacity="0.38"' if status in ("skipped", "ahead") and not loud else ""
    thick = 3.4 if loud else 2.6 if status in ("running", "waiting") else 1.3
    edge = OVERRIDDEN_COLOUR if loud else edge
    paint = f'fill="{fill}" stroke="{edge}" stroke-width="{thick}"'
    yield f"<g{faded}>"
    yield from _outline(box, left, top, wide, high, paint, edge)
    first = y - (22.0 + _STEP * len(box.lines)) / 2 + 15
    number = f'<tspan fill="{_FAINT}" font-weight="400">{box.number}  </tspan>' if box.number else ""
    yield (
        f'<text x="{x:.1f}" y="{first:.1f}" font-size="{_TITLE}" font-weight="600" fill="{_INK}" '
        f'text-anchor="middle" xml:space="preserve">{number}{_safe(box.title)}</text>'
    )
    for row, line in enumerate(box.lines, start=1):
        weight = 600 if line.startswith("▸") else 400
        ink = OVERRIDDEN_COLOUR if loud and line.startswith(OVERRIDDEN) else _FAINT
        yield _text(x, first + row * _STEP, line, _TEXT, fill=ink, anchor="middle", weight=weight)
    yield "</g>"


def _outline(box: Box, left: float, top: float, wide: float, high: float, paint: str, edge: str) -> Iterator[str]:
    right, low = left + wide, top + high
    rect = f'<rect x="{left:.1f}" y="{top:.1f}" width="{wide:.1f}" height="{high:.1f}"'
    match box.shape:
        case "pill" | "small":
            yield f'{rect} rx="{high / 2:.1f}" {paint}/>'
        case "person":
            yield f'<polygon points="{_hexagon(left, top, right, low, 16)}" {paint}/>'
        case "choice":
            yield f'<polygon points="{_hexagon(left, top, right, low, 26)}" {paint} stroke-dasharray="5 2"/>'
        case "records":
            yield f'{rect} rx="3" {paint}/>'
            yield f'<path d="M{left:.1f},{top + 5:.1f} H{right:.1f}" stroke="{edge}" stroke-width="1"/>'
            yield f'<path d="M{left:.1f},{low - 5:.1f} H{right:.1f}" stroke="{edge}" stroke-width="1"/>'
        case "effect":
            yield f'{rect} rx="3" {paint}/>'
            inner = f'x="{left + 4:.1f}" y="{top + 4:.1f}" width="{wide - 8:.1f}" height="{high - 8:.1f}"'
            yield f'<rect {inner} rx="2" fill="none" stroke="{edge}" stroke-width="1.3"/>'
        case "frame":
            yield f'<rect x="{left + 5:.1f}" y="{top - 4:.1f}" width="{wide:.1f}" height="{high:.1f}" rx="6" {paint}/>'
            yield f'{rect} rx="6" {paint}/>'
        case _:
            yield f'{rect} rx="6" {paint}/>'


def _hexagon(left: float, top: float, right: float, low: float, cut: float) -> str:
    mid = (top + low) / 2
    corners = (left + cut, top), (right - cut, top), (right, mid), (right - cut, low), (left + cut, low), (left, mid)
    return " ".join(map(_at, corners))


def _legend(y: float, *, loud: bool) -> Iterator[str]:
    """What the colours and shapes mean."""
    x = _EDGE
    if loud:
        paint = f'fill="none" stroke="{OVERRIDDEN_COLOUR}" stroke-width="3"'
        yield f'<rect x="{x:.0f}" y="{y - 9:.0f}" width="12" height="12" rx="3" {paint}/>'
        said = "OVERRIDDEN: people let it past what had stopped it"
        yield _text(x + 18, y + 1, said, _NOTE, fill=OVERRIDDEN_COLOUR, weight=600)
        y += _LOUD
    for label in (Label.UNTRUSTED, Label.ENDORSED, Label.APPROVED, Label.PLAIN):
        fill, edge = _COLOURS[label]
        yield f'<rect x="{x:.0f}" y="{y - 9:.0f}" width="12" height="12" rx="3" fill="{fill}" stroke="{edge}"/>'
        yield _text(x + 18, y + 1, label, _NOTE, fill=_FAINT)
        x += 34 + _wide(label, _NOTE)
    yield _text(x, y + 1, "double frame: an effect · hexagon: a person · dashed: a choice", _NOTE, fill=_FAINT)


def _text(
    x: float, y: float, text: str, size: float, *, fill: str = _INK, anchor: str = "start", weight: int = 400,
    style: str = "normal",
) -> str:  # fmt: skip
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" fill="{fill}" text-anchor="{anchor}" '
        f'font-weight="{weight}" font-style="{style}" xml:space="preserve">{_safe(text)}</text>'
    )


def _safe(text: str) -> str:
    """Text that is only text, in XML and to the eye: no control, direction or private character is in it."""
    kept = "".join(c if c == " " or unicodedata.category(c)[0] not in "CZ" else "\ufffd" for c in text)
    return escape(kept)


def _at(point: tuple[float, float]) -> str:
    return f"{point[0]:.1f},{point[1]:.1f}"
