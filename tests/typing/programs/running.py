"""Temporal's own client infers a workflow's result from `run`, and refuses another input."""

from __future__ import annotations

from typing import assert_type

from domain import Letter, Mail, Owed, Sent
from temporalio.client import Client, WorkflowHandle

from gatework import Endorsed, Untrusted, Workflow, workflow


@workflow
def untrusted(mail: Untrusted[Mail]) -> Endorsed[Sent]:
    raise NotImplementedError


@workflow
def endorsed(owed: Endorsed[Owed]) -> Endorsed[Sent]:
    raise NotImplementedError


@workflow
def labelled_in_the_end(owed: Owed) -> Untrusted[Sent]:
    raise NotImplementedError


@workflow
def plain(mail: Mail) -> Letter:
    raise NotImplementedError


first_untrusted: Workflow[Mail, Sent] = untrusted
first_endorsed: Workflow[Owed, Sent] = endorsed
first_labelled_in_the_end: Workflow[Owed, Sent] = labelled_in_the_end
first_plain: Workflow[Mail, Letter] = plain


async def start(client: Client, mail: Mail, owed: Owed) -> None:
    assert_type(await client.execute_workflow(untrusted.run, mail, id="1", task_queue="q"), Sent)
    assert_type(await client.execute_workflow(endorsed.run, owed, id="1", task_queue="q"), Sent)
    assert_type(await client.execute_workflow(labelled_in_the_end.run, owed, id="1", task_queue="q"), Sent)
    assert_type(await client.execute_workflow(plain.run, mail, id="1", task_queue="q"), Letter)
    handle = await client.start_workflow(untrusted.run, mail, id="1", task_queue="q")
    assert_type(await handle.result(), Sent)
    typed: WorkflowHandle[object, Sent] = client.get_workflow_handle_for(untrusted.run, "1")
    assert_type(await typed.result(), Sent)
    await client.execute_workflow(untrusted.run, owed, id="1", task_queue="q")  # rejected
    await client.execute_workflow(untrusted.run, Untrusted(mail), id="1", task_queue="q")  # rejected
    await client.execute_workflow(untrusted.run, id="1", task_queue="q")  # rejected
    letter: Letter = await client.execute_workflow(untrusted.run, mail, id="1", task_queue="q")  # rejected
    print(letter)


@workflow  # rejected
def two_inputs(mail: Untrusted[Mail], owed: Endorsed[Owed]) -> Endorsed[Sent]:
    raise NotImplementedError


@workflow  # rejected
def no_input() -> Endorsed[Sent]:
    raise NotImplementedError


@workflow
async def a_coroutine(mail: Untrusted[Mail]) -> Endorsed[Sent]:
    raise NotImplementedError


assert_type(a_coroutine, Workflow[Mail, Sent])  # rejected
