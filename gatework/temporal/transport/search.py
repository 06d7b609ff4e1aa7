"""Search attributes: by what runs are found in the UI and in queries of the server, beside Temporal's own.

They are optional: a run has them where all of them are registered as Keywords in its namespace. To give a run one that
is not registered would hold it up for as long, so nobody guesses: a worker asks the server when it starts, and whether
a run has them stands in its history.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from enum import Enum

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from gatework.errors import DecisionError
from gatework.logs import emit
from gatework.plan.plan import is_role

PLAN = "GateworkPlan"
"""The workflow and the first 12 digits of its plan's digest: `refund 3f9c2a71b0de`."""
STATUS = "GateworkStatus"
"""As the run itself says: `running`, `waiting`, `completed`, `rejected`, `aborted`, `expired`, `cancelled`."""
STAGE = "GateworkStage"
"""The stage at which a person is needed, or at which the run ended other than well; else absent. Where people overrode
something, the last stage that they did stands before it, behind `OVERRIDDEN`: `overridden: picked; pay`."""
OVERRIDDEN = "overridden: "
NEEDS = "GateworkNeeds"
"""The role that a person must have who is needed; absent where nobody is. A run that was terminated, or that ran out
of Temporal's own time, keeps it: nothing of ours ran at its end."""

RUNNING = 'ExecutionStatus="Running"'

NAMES = (PLAN, STATUS, STAGE, NEEDS)

LONGEST = 200
"""The longest value in characters; databases keep 255 of a Keyword."""

RPC_TIMEOUT = timedelta(seconds=5)
VISIBLE_SECONDS = 20.0
"""How long new attributes may take to be known to all of a server."""


# -- finding runs ----------------------------------------------------------------------------------


def keyword(value: str) -> str:
    """A value as it is kept, and as a query names it."""
    return value[:LONGEST]


def whom(role: str = "") -> str:
    """The part of a query that finds the runs which need a person, or one of a role.

    Raises `DecisionError` for what cannot be a role, and could be more than a value of the query.
    """
    if role and not is_role(role):
        raise DecisionError("A role is named by letters, digits, - and _; `gatework plan show` lists those of a plan.")
    return f'{NEEDS}="{keyword(role)}"' if role else f"{NEEDS} is not null"


def other_than(role: str) -> str:
    """The part of a query that leaves out the runs which need one of a role. Raises `DecisionError` as `whom` does."""
    return whom(role).replace("=", "!=", 1)


def needing(role: str = "") -> str:
    """What finds the runs that wait for a person, or for one of a role, as the UI takes it and the server.

    Raises `DecisionError` as `whom` does.
    """
    # One that was terminated while it waited needs nobody any more.
    return f"{RUNNING} AND {whom(role)}"


def children(id: str) -> str:
    """What finds the child runs of a run, as the UI takes it and the server."""
    return f"ParentWorkflowId={quoted(id)}"


def quoted(value: str) -> str:
    """A value as a query has it."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


# -- whether they are registered -------------------------------------------------------------------


class Registered(Enum):
    """What a server says of the attributes in a namespace, and whoever asks is told in `reason`."""

    YES = "They are registered."
    NO = "They are not registered in the namespace; `gatework setup` does that."
    OTHER = "One is registered in the namespace as another type than Keyword; `gatework setup` says which."
    UNKNOWN = "The server does not say whether they are registered."

    @property
    def reason(self) -> str:
        return self.value


async def registered(client: Client) -> Registered:
    """Whether all attributes are registered as Keywords in the client's namespace.

    Asked as anybody may who can list runs: the list of the attributes themselves is the operators' service, for which
    workers need no rights.
    """
    try:
        # The one comparison that the server takes of a Keyword and of no other type.
        if await _understood(client, " AND ".join(f'{name} STARTS_WITH "x"' for name in NAMES)):
            return Registered.YES
        known = await _understood(client, " AND ".join(f"{name} is null" for name in NAMES))
    except RPCError:
        return Registered.UNKNOWN
    return Registered.OTHER if known else Registered.NO


async def _understood(client: Client, query: str) -> bool:
    try:
        await client.count_workflows(query, rpc_timeout=RPC_TIMEOUT)
    except RPCError as error:
        if error.status is RPCStatusCode.INVALID_ARGUMENT:
            return False
        raise
    return True


async def others(client: Client) -> list[str]:
    """Which of the attributes are registered as another type, each with its type. Raises `RPCError`."""
    request = ListSearchAttributesRequest(namespace=client.namespace)
    known = await client.operator_service.list_search_attributes(request, timeout=RPC_TIMEOUT)
    types = {name: known.custom_attributes.get(name, _KEYWORD) for name in NAMES}
    return [f"{name} is of type {_type(found)}" for name, found in types.items() if found != _KEYWORD]


_KEYWORD = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD


def _type(found: IndexedValueType.ValueType) -> str:
    return IndexedValueType.Name(found).removeprefix("INDEXED_VALUE_TYPE_").lower()


async def register(client: Client) -> Registered:
    """Register the attributes that are missing in the client's namespace; what the server says of them then.

    One that is registered as another type stays what it is. Raises `RPCError` where the server does not let us.
    """
    request = AddSearchAttributesRequest(namespace=client.namespace, search_attributes=dict.fromkeys(NAMES, _KEYWORD))
    await client.operator_service.add_search_attributes(request, timeout=RPC_TIMEOUT)
    answer = Registered.NO
    with suppress(TimeoutError):
        async with asyncio.timeout(VISIBLE_SECONDS):
            while (answer := await registered(client)) is Registered.NO:  # noqa: ASYNC110  # it is another process's
                await asyncio.sleep(0.1)
    return answer


class Namespaces:
    """In which namespaces the workers of this process have found the attributes."""

    def __init__(self) -> None:
        self._asked: list[tuple[str, Registered]] = []

    def __contains__(self, namespace: object) -> bool:
        found = [answer for name, answer in self._asked if name == namespace]
        # Two servers may have a namespace of one name.
        return bool(found) and all(answer is Registered.YES for answer in found)

    @asynccontextmanager
    async def asked(self, client: Client) -> AsyncGenerator[None]:
        """Ask the server of a worker that is about to start; what it said holds inside the block."""
        answer = await registered(client)
        if answer is not Registered.YES:
            emit.say("search.missing", {"reason": answer.reason})
        of = (client.namespace, answer)
        self._asked.append(of)
        try:
            yield
        finally:
            self._asked.remove(of)
