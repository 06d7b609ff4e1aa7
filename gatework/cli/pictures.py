"""Plans and runs as pictures: `--mermaid` prints one, `--svg` writes one into a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from gatework.cli.output import clean, console, say
from gatework.cli.session import USAGE, fail

if TYPE_CHECKING:
    from gatework.picture import Facts
    from gatework.plan.plan import Plan

Svg = Annotated[
    Path | None,
    typer.Option("--svg", metavar="FILE", help="As an SVG picture, into this file; - prints it."),
]


def draw(plan: Plan, facts: Facts | None, *, mermaid: bool, svg: Path | None) -> None:
    """Print or write the picture of a plan, or of a run of it."""
    if mermaid:
        from gatework.picture.drawing import mermaid as drawn

        say(drawn(plan, facts).rstrip("\n"))
    if svg is None:
        return
    from gatework import picture

    try:
        text = picture.svg(picture.scene_of(plan, facts))
    except ValueError as error:
        raise fail(f"{plan.name} cannot be drawn: {error}.", USAGE) from None
    if str(svg) == "-":
        say(text.rstrip("\n"))
        return
    try:
        svg.write_text(text, encoding="utf-8")
    except OSError as error:
        raise fail(f"The picture cannot be written to {clean(str(svg))}: {error.strerror}.", USAGE) from None
    console(stderr=True).print(Text(f"The picture is in {clean(str(svg))}."), soft_wrap=True)
