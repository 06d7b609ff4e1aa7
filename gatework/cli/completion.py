"""What the shell completes: ids of runs, as the server lists them."""

from __future__ import annotations

from collections.abc import Sequence

MOST = 50
SECONDS = 3.0


def run_ids(incomplete: str) -> Sequence[str]:
    """The ids of runs that begin with what is typed, newest first; none where no server answers."""
    import asyncio

    from gatework.temporal.client.operate import ids_beginning, operating

    async def found() -> Sequence[str]:
        async with asyncio.timeout(SECONDS), operating() as client:
            return await ids_beginning(client, incomplete, limit=MOST)

    try:
        return asyncio.run(found())
    except Exception:  # noqa: BLE001  # somebody is typing: whatever is wrong, the command itself will say it
        return []
