"""Where everything stands in a picture: Graphviz's layered layout, which is given sizes and names of ours alone.

No text of a plan reaches the engine: it lays out `n0` and `n1`, and what they say is written into the picture by us.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gatework.errors import ConfigError
from gatework.picture.scene import Frame, Scene

Point = tuple[float, float]
MISSING = (
    "Drawing an SVG needs the layout engine Graphviz, which comes with the extra `pictures`: "
    "pip install 'gatework[pictures]'."
)


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Places in points, from the upper left corner."""

    width: float
    height: float
    centers: Mapping[str, Point]
    frames: Mapping[str, tuple[float, float, float, float]]
    """Frame → left, top, right, bottom."""
    paths: Mapping[int, tuple[Point, ...]]
    """Arrow, by its number → the points of its curve: a start, then three for each piece."""
    labels: Mapping[int, Point]


def laid_out(scene: Scene, sizes: Mapping[str, tuple[float, float]], text: Mapping[int, float]) -> Layout:
    """Where Graphviz puts boxes of these sizes. `text`: arrow → the width of what stands at it.

    Raises `ConfigError` where the engine is not installed.
    """
    try:
        engine: Any = importlib.import_module("pygraphviz")
    except ImportError:
        raise ConfigError(MISSING) from None
    graph = engine.AGraph(string="\n".join(_dot(scene, sizes, text)))
    found: Mapping[str, Any] = json.loads(graph.draw(format="json", prog="dot"))
    return _read(found, scene)


def _dot(scene: Scene, sizes: Mapping[str, tuple[float, float]], text: Mapping[int, float]) -> Iterator[str]:
    yield "digraph {"
    yield '  graph [rankdir=TB, nodesep=0.35, ranksep=0.42, newrank=true, fontname="Helvetica"]'
    yield '  node [shape=box, fixedsize=true, label=""]'
    yield from _framed(scene.frame, sizes, "  ", outer=True)
    for number, arrow in enumerate(scene.arrows):
        room = f", label={_room(text[number], 14)}" if text.get(number) else ""
        loose = ", constraint=false" if arrow.kind == "back" else ""
        yield f'  {arrow.start} -> {arrow.end} [id="{number}"{room}{loose}]'
    yield "}"


def _framed(
    frame: Frame, sizes: Mapping[str, tuple[float, float]], indent: str, *, outer: bool = False
) -> Iterator[str]:
    if not outer:
        yield f"{indent}subgraph cluster_{frame.id} {{"
        label = _room(sizes[frame.id][0], 16) if frame.title else '""'
        yield f"{indent}  graph [label={label}, labeljust=l, margin=12]"
    for box in frame.boxes:
        width, height = sizes[box]
        yield f"{indent}  {box} [width={width / 72:.4f}, height={height / 72:.4f}]"
    for inner in frame.frames:
        yield from _framed(inner, sizes, indent + "  ")
    if not outer:
        yield f"{indent}}}"


def _room(width: float, height: float) -> str:
    """A label without a text, which keeps room for ours."""
    size = f'fixedsize="true" width="{width:.0f}" height="{height:.0f}"'
    return f'<<table border="0" cellpadding="0" cellspacing="0" {size}><tr><td></td></tr></table>>'


def _read(found: Mapping[str, Any], scene: Scene) -> Layout:
    _, _, width, height = _numbers(found["bb"])
    centers: dict[str, Point] = {}
    frames: dict[str, tuple[float, float, float, float]] = {}
    for item in found.get("objects", ()):
        name = item["name"]
        if name.startswith("cluster_"):
            left, low, right, high = _numbers(item["bb"])
            frames[name.removeprefix("cluster_")] = (left, height - high, right, height - low)
        elif "pos" in item:
            x, y = _numbers(item["pos"])
            centers[name] = (x, height - y)
    paths: dict[int, tuple[Point, ...]] = {}
    labels: dict[int, Point] = {}
    for edge in found.get("edges", ()):
        number = int(edge["id"])
        paths[number] = tuple(_points(edge["pos"], height))
        if "lp" in edge:
            x, y = _numbers(edge["lp"])
            labels[number] = (x, height - y)
    return Layout(width=width, height=height, centers=centers, frames=frames, paths=paths, labels=labels)


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(float(part) for part in text.split(","))


def _points(text: str, height: float) -> Iterator[Point]:
    """The points of a curve, and its tip where the engine says where that is."""
    tip: Point | None = None
    points: list[Point] = []
    for part in text.split():
        if part.startswith("e,"):
            x, y = _numbers(part[2:])
            tip = (x, height - y)
        elif not part.startswith("s,"):
            x, y = _numbers(part)
            points.append((x, height - y))
    yield from points
    if tip is not None:
        yield tip
