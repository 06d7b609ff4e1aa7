"""Plans and runs as pictures: what is drawn, where it stands, and the SVG of it."""

from __future__ import annotations

from gatework.picture.facts import Facts, facts_of
from gatework.picture.scene import Scene, scene_of
from gatework.picture.svg import svg

__all__ = ["Facts", "Scene", "facts_of", "scene_of", "svg"]
