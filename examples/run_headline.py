"""Runs `headline` once: a worker, a run, and an editor at the terminal. `temporal server start-dev` goes first."""

import asyncio

from headline import Note, headline
from temporalio.worker import Worker

from gatework import GateworkError
from gatework.temporal import GateworkPlugin, connect, start, task_queue


async def main() -> None:
    client = await connect(GateworkPlugin(headline))
    async with Worker(client, task_queue=task_queue()):
        note = Note(text="The lift in the east wing is out of order until Friday; the stairs are open.")
        run = await start(client, headline, note)
        while asked := (await run.waiting()).waiting:
            print(asked.kind, asked.shown)
            typed = await asyncio.to_thread(input, f"Type {asked.number} to approve: ")
            try:
                print(await run.approve(typed, by="editor at the terminal"))
            except GateworkError as refused:
                print(refused)
        print(await run.result())


if __name__ == "__main__":
    asyncio.run(main())
