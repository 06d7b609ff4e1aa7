"""Changes of a project's code on disk, as the kernel tells of them."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

from gatework.errors import ConfigError

_CODE = (".py", ".lock.json", ".mcp.json")
"""Lock files and pins are code: they hold the plans that a worker knows, and the tools of others in them."""
_NO_CODE = {"node_modules", "site-packages", "__pycache__", "build", "dist"}
_CATCH_UP_SECONDS = 1.0
"""How long it takes at most until a folder that is new is watched."""


async def changes(root: Path) -> AsyncGenerator[set[Path]]:
    """The Python files, lock files and pins of a project that have changed, each time some have.

    Virtual environments and hidden folders are left out: watching all of their folders would take more than a system
    allows by default. Raises `ConfigError` where nothing can be watched.
    """
    try:
        from watchfiles import awatch
    except ImportError:
        raise ConfigError(
            "The package watchfiles is not installed: run `pip install 'gatework[dev-server]'`."
        ) from None
    news: asyncio.Queue[set[Path] | Exception] = asyncio.Queue()

    async def watch(folder: Path, *, recursive: bool = True) -> None:
        try:
            async for batch in awatch(folder, watch_filter=None, recursive=recursive, step=50, debounce=400):
                await news.put({Path(path) for _, path in batch})
        except (OSError, RuntimeError) as error:
            if folder.exists():
                await news.put(error)

    async def catch_up(folder: Path, since: float) -> None:
        """What was written into a new folder before it was watched."""
        await asyncio.sleep(_CATCH_UP_SECONDS)
        await news.put({path for path in _code_in(folder) if path.stat().st_mtime >= since})

    # One for each folder: a change must not be lost because another folder has come or gone.
    tasks = {folder: [asyncio.create_task(watch(folder))] for folder in _folders(root)}
    flat = asyncio.create_task(watch(root, recursive=False))
    try:
        while True:
            batch = await news.get()
            if isinstance(batch, Exception):
                raise ConfigError(f"Changes in {root} cannot be watched: {' '.join(str(batch).split())}.") from batch
            found = {path for path in batch if _is_code(path, root)}
            folders = _folders(root)
            for folder in folders - tasks.keys():
                tasks[folder] = [
                    asyncio.create_task(watch(folder)),
                    asyncio.create_task(catch_up(folder, time.time() - _CATCH_UP_SECONDS)),
                ]
                found |= set(_code_in(folder))
            for folder in tasks.keys() - folders:
                for task in tasks.pop(folder):
                    task.cancel()
                found.add(folder)
            if found:
                yield found
    finally:
        every = [flat, *itertools.chain.from_iterable(tasks.values())]
        for task in every:
            task.cancel()
        await asyncio.gather(*every, return_exceptions=True)


def _code_in(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if _is_code(path, folder))


def _folders(root: Path) -> set[Path]:
    """The folders in which code of the project may lie."""
    return {
        folder
        for folder in root.iterdir()
        if not folder.name.startswith(".")
        and folder.name not in _NO_CODE
        and folder.is_dir()
        and not (folder / "pyvenv.cfg").exists()
    }


def _is_code(path: Path, root: Path) -> bool:
    inside = path.relative_to(root).parts if path.is_relative_to(root) else path.parts
    hidden = any(part.startswith(".") or part in _NO_CODE for part in inside)
    return path.name.endswith(_CODE) and not hidden
