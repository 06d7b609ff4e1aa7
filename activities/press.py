"""The press: briefs as Markdown files, one for each key, whatever is killed or tried again."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import secrets
from datetime import timedelta
from pathlib import Path

from pydantic import BaseModel

from activities.briefs import Brief, name_of
from activities.evidence import Note
from activities.markdown import brief_as_markdown, note_as_markdown
from gatework import Approved, Block, Endorsed, IdempotencyKey, effect, stage

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_MAX_BYTES = 200_000


class Published(BaseModel):
    """A text that was published."""

    name: str
    file: str
    """Its file in the folder of published briefs."""
    digest: str
    """SHA-256 of what is in the file."""


async def find_published(key: IdempotencyKey) -> Published | None:
    """The text that was published under this key; None where none was."""
    return await asyncio.to_thread(recorded, briefs_path(), key)


@effect(once="name", probe=find_published, egress=True)
async def publish_text(key: IdempotencyKey, name: str, text: str) -> Published | Block:
    """Publish a text under a name."""
    return await asyncio.to_thread(put, briefs_path(), key, name, text)


@stage(tools=[publish_text], attempts=3, timeout=timedelta(minutes=1))
async def publish(brief: Approved[Brief]) -> Endorsed[Published]:
    """Publish what the editor has accepted, and nothing else."""
    return Endorsed(await publish_text(brief.value.name, brief_as_markdown(brief.value)))


@stage(tools=[publish_text], attempts=3, timeout=timedelta(minutes=1))
async def publish_note(note: Approved[Note]) -> Endorsed[Published]:
    """Publish what the editor has readers told where the documents say too little."""
    return Endorsed(await publish_text(name_of(note.value.title), note_as_markdown(note.value)))


def briefs_path() -> Path:
    """Where briefs are published: `GATEWORK_BRIEFS`, or `var/briefs` in the project."""
    return Path(os.environ.get("GATEWORK_BRIEFS") or Path(__file__).parent.parent / "var" / "briefs")


def put(folder: Path, key: str, name: str, text: str) -> Published | Block:
    """Put a text into a file of its own, if there is none under this key; then what is there."""
    if not key or not _NAME.fullmatch(name) or len(name) > 60:
        return Block("A text needs a key, and a name of small letters, digits and hyphens.")
    data = text.encode()
    if not text.strip() or len(data) > _MAX_BYTES:
        return Block("The text is empty or too long.")
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f".{_mark(key)}.{os.getpid()}.{secrets.token_hex(4)}"
    target = folder / f"{name}-{_mark(key)}.md"
    try:
        with draft.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if _find(folder, key) is None:
            # Unlike a rename, a link never replaces what is there: of two that come at once, one is first.
            os.link(draft, target)
            _sync(folder)
    except FileExistsError:
        pass  # it was put there a moment ago; looked at below like any other
    finally:
        draft.unlink(missing_ok=True)
    there = recorded(folder, key)
    if there is None or (there.name, there.digest) != (name, hashlib.sha256(data).hexdigest()):
        return Block("Another text was published under this key.")
    return there


def recorded(folder: Path, key: str) -> Published | None:
    """What was published under a key."""
    path = _find(folder, key)
    if path is None:
        return None
    name = path.name.removesuffix(f"-{_mark(key)}.md")
    return Published(name=name, file=path.name, digest=hashlib.sha256(path.read_bytes()).hexdigest())


def _find(folder: Path, key: str) -> Path | None:
    # The mark holds no character that a pattern reads as anything else.
    return next(iter(sorted(folder.glob(f"*-{_mark(key)}.md"))), None)


def _mark(key: str) -> str:
    """What only this key has, and no key can choose."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _sync(folder: Path) -> None:
    """Make the names in a folder last through a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
