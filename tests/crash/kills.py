"""The list of kills: every place that the scenes pass, once, as their undisturbed runs have named it."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.crash import scenes
from tests.crash.judge import Ended
from tests.crash.places import Victim
from tests.crash.scenes import Scene

WAITING = "a person: waiting at "
"""How places begin at which the kill comes from outside, while a decision is pending."""

VICTIMS: tuple[Victim, ...] = ("worker", "server", "both")


_MOMENTS = {
    "first": "first task",
    "asking": "asking for an activity",
    "accepting": "before the machine takes an event",
    "accepted": "after the machine has taken it",
    "checking": "checking a decision",
    "taking": "taking a decision",
    "continuing": "continuing as new",
    "task": "task done and not reported",
}
"""What the first word of a place in the workflow stands for."""


@dataclass(frozen=True)
class Kill:
    """One kill at a named place."""

    scene: Scene
    place: str
    number: int = 1
    """At which pass of the place in the run."""
    victim: Victim = "worker"

    def __str__(self) -> str:
        return f"--scene {self.scene.name} --victim {self.victim} --pass {self.number} --at {self.place!r}"

    @property
    def kind(self) -> str:
        """What sort of place it is, whatever the stage."""
        where, _, moment = self.place.partition(": ")
        if where == "run":
            return f"run: {_MOMENTS.get(moment.split()[0], 'a decision taken')}"
        if moment.endswith("has judged"):
            return "stage: after a guard"
        if moment.startswith("waiting"):
            return "while a decision is pending"
        known = ("guard", "effect", "probe")
        for word in known:
            if moment.startswith(word + " "):
                return f"stage: in a {word}" if word == "guard" else f"stage: before its {word}"
        if where == "gatework.begin":
            return "in gatework.begin"
        for ending in ("probed", "done"):
            if moment.endswith(" " + ending):
                return f"stage: after its {'probe' if ending == 'probed' else 'effect'}"
        return f"stage: {moment}"


@dataclass(frozen=True)
class Undisturbed:
    """A scene as it goes by itself."""

    ended: Ended
    kills: Sequence[Kill]
    """One for each pass of each place."""


def every(alone: Mapping[str, Undisturbed], chance: random.Random) -> list[Kill]:
    """Each place once under a killed worker; each kind of place once under a killed server, and under both.

    What a scene has in common with one before it is not killed again. The order is random, so that any beginning of
    the list is a fair sample.
    """
    seen: set[tuple[str, int]] = set()
    workers: list[Kill] = []
    for undisturbed in alone.values():
        fresh = [kill for kill in undisturbed.kills if _worth(kill, seen)]
        seen.update((kill.place, kill.number) for kill in fresh)
        workers += fresh
    others: list[Kill] = []
    for victim in VICTIMS[1:]:
        kinds: dict[str, list[Kill]] = {}
        for kill in workers:
            kinds.setdefault(kill.kind, []).append(kill)
        for same in kinds.values():
            picked = chance.choice(same)
            others.append(Kill(picked.scene, picked.place, picked.number, victim))
    kills = [*workers, *others]
    chance.shuffle(kills)
    return kills


def _worth(kill: Kill, seen: set[tuple[str, int]]) -> bool:
    if kill.scene is scenes.CONTINUED and kill.number > (2 if kill.place.endswith("first task") else 1):
        return False  # whether it continues once more depends on how its tasks fall together
    return bool(kill.scene.first_kill) or (kill.place, kill.number) not in seen


def sampled(kills: Sequence[Kill], *, victims: Mapping[Victim, int]) -> list[Kill]:
    """The first kill of each kind, for each victim as many kinds as are asked for."""
    found: dict[tuple[str, str], Kill] = {}
    for kill in kills:
        found.setdefault((kill.victim, kill.kind), kill)
    return [
        kill
        for victim, count in victims.items()
        for kill in [kill for (killed, _), kill in found.items() if killed == victim][:count]
    ]
