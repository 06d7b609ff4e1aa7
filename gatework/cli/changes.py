"""Changes of a project's code on disk, as the kernel tells of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable
from pathlib import Path

from gatework.errors import ConfigError

_CODE = (".py", ".lock.json")
"""A lock file is code: it holds the plans that a worker knows."""
_NO_CODE = {"node_modules", "site-packages", "__pycache__", "build", "dist"}


async def changes(root: Path) -> AsyncGenerator[set[Path]]:
    """The Python files and lock files of a project that have changed, each time some have.

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

    async def watch(folders: Iterable[Path], *, recursive: bool) -> None:
        try:
            async for batch in awatch(*folders, watch_filter=None, recursive=recursive, step=50, debounce=400):
                await news.put({Path(path) for _, path in batch})
        except (OSError, RuntimeError) as error:
            await news.put(error)

    folders = _folders(root)
    flat = asyncio.create_task(watch([root], recursive=False))
    deep = asyncio.create_task(watch(folders, recursive=True)) if folders else None
    try:
        while True:
            batch = await news.get()
            if isinstance(batch, Exception):
                raise ConfigError(f"Changes in {root} cannot be watched: {' '.join(str(batch).split())}.") from batch
            found = {path for path in batch if _is_code(path, root)}
            if (now := _folders(root)) != folders:
                found |= now ^ folders
                folders = now
                if deep is not None:
                    deep.cancel()
                deep = asyncio.create_task(watch(folders, recursive=True)) if folders else None
            if found:
                yield found
    finally:
        tasks = [task for task in (flat, deep) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


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
