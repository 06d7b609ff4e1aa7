"""The cell: what one running stage can reach, and the record of what it reached for.

A stage's function sees it only through `ask` and the tools it calls; both find it in a context variable. Every call
passes here: is the tool granted, do the limits of the plan admit these arguments, is there budget left, was it answered
before. What must run apart is not done here: the stage stands still, and is run again once it is answered.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, NoReturn

from gatework.errors import ConfigError, ContractError, GateworkError, GrantError, ToolError
from gatework.models.cost import estimate, price
from gatework.models.question import Answer, Question, ToolCall
from gatework.perform import acting
from gatework.perform.purse import Purse
from gatework.plan import grant
from gatework.plan.plan import Limit, ToolUse, Work
from gatework.run.journal import Call, Entry, Journal, key_of, salt_of
from gatework.run.state import Act, Run
from gatework.values import canonical
from gatework.values.canonical import Json, Sealed
from gatework.values.document import Desk, named_in
from gatework.values.spelling import spelled

if TYPE_CHECKING:
    from gatework.define.tool import Tool
    from gatework.models.question import Model
    from gatework.values.store import Store

REFUSALS = 3
"""How many calls of a model may be refused in an attempt; one more blocks the stage."""

MAX_RECORDED = 200
"""Most calls of each kind that the receipt of an attempt tells of."""

_ROUNDS = 10
"""Turns of the event loop in which what runs side by side in a stage may reach its own next call."""

_REACHES = 10
"""How often a stage that is over may reach for something before it is held where it is: it catches whatever is said."""

_current: ContextVar[Cell | None] = ContextVar("gatework_cell", default=None)


class Refusal(GateworkError):
    """A tool or a person said no to a call of the stage's own code; the stage stops with the same reason."""

    code = "block"


class _Unfit(GrantError):
    """A call whose key stands for something else already, or that names a document which the stage may not read."""


class Suspension(asyncio.CancelledError):
    """The stage stands still until what it waits for is answered; nothing it does until then counts."""


@dataclass
class Cell:
    """What one attempt of a node may do, and what it did."""

    run: Run
    node: Work
    lineage: str
    """What names the run across retries, continue-as-new and reset."""
    tries: int = 1
    """How often Temporal has run this, this time included."""
    model_source: Callable[[], Model] | None = None
    """Gives what `ask` reaches; called only when a stage asks."""
    seed: int = 0
    store: Callable[[], Store] | None = None
    """Gives where documents lie; called only when one is stored or read."""
    granted: Mapping[str, Tool[..., Any]] = field(default_factory=dict)
    inputs: Mapping[str, object] = field(default_factory=dict)
    """The labelled values that the stage was called with, by parameter."""
    due: list[Call] = field(default_factory=list)
    """The calls that must be answered before the stage goes on."""

    def __post_init__(self) -> None:
        self.journal = Journal(self.run.journal, salt=salt_of(self.run.inputs))
        self.purse = Purse(self.run.allowance, node=self.node.name, tries=self.tries)
        self.desk = Desk(self.node.name, self.store)
        self._uses = {use.name: use for use in self.node.tools}
        self._questions: list[Json] = []
        self._calls: list[Json] = []
        self._refused: list[Json] = []
        self._keys: dict[str, tuple[str, Json]] = {}
        """Key of an effect → the call that was made under it."""
        self._one_question = asyncio.Lock()
        self._answered = False
        """Whether the model has answered in this activity; a second question waits for the next."""
        self._busy = 0
        """Calls and questions that are under way here."""
        self._still = False
        self._over = False
        self._reaches = 0
        self._loop = asyncio.get_running_loop()
        self._held: list[asyncio.Future[NoReturn]] = []
        self.stopped: asyncio.Future[None] = self._loop.create_future()
        """Done once the stage has ended, or can go no further and nothing is under way."""

    def enter(self) -> None:
        """Run what follows in this task, and in those that it starts, inside this cell."""
        _current.set(self)
        self.desk.sit()

    def stop(self) -> None:
        """Say that the stage has ended, or stands still."""
        if not self.stopped.done():
            self.stopped.set_result(None)

    def close(self) -> None:
        """The stage is over: what it left running reaches nothing."""
        self._over = True
        self.desk.close()
        for held in self._held:
            held.cancel()

    @property
    def feedback(self) -> tuple[str, ...]:
        """Why earlier attempts were refused."""
        return self.run.feedback

    @property
    def evidence(self) -> dict[str, Json]:
        """How the output came about, for the receipt: by digests, and in our words."""
        kinds = {"calls": self._questions, "tools": self._calls, "refused": self._refused}
        evidence: dict[str, Json] = {kind: list(found[:MAX_RECORDED]) for kind, found in kinds.items() if found}
        more = sum(max(len(found) - MAX_RECORDED, 0) for found in kinds.values())
        return {**evidence, "more": more} if more else evidence

    # -- the model ---------------------------------------------------------------------------------

    async def answer(self, question: Question) -> Answer:
        """The model's answer to a question, within the budget; the one in the journal, if it was asked before."""
        await self._must_be_open()
        # Whichever worker answers: its seed makes no other question of it.
        digest = self.journal.named("question", {**asdict(question), "seed": 0})
        request = self.journal.occurrence("asked", [self.node.name, digest])
        entry = self.journal.find(request)
        if entry is None:
            async with self._one_question:
                if self._answered or self._still:
                    # A worker that dies loses one answer at most.
                    await self._stand_still()
                entry = await self._asked(question, request)
        answer = _answer_in(entry)
        self._questions.append(
            {
                "model": answer.model,
                "seed": question.seed,
                "temperature": question.temperature,
                "question": digest,
                "answer": self.journal.named("answer", [_printable(answer.text), *_written(answer.calls)]),
                "input_tokens": answer.input_tokens,
                "output_tokens": answer.output_tokens,
                **({"asked_for": len(answer.calls)} if answer.calls else {}),
            }
        )
        return answer

    async def _asked(self, question: Question, request: str) -> Entry:
        if self.model_source is None:
            raise ConfigError(f"{self.node.name} asks a model, and the worker has none; set GATEWORK_MODEL.")
        model = self.model_source()
        with self._at_work():
            most = await estimate(model, question)
            reserved = self.purse.take_question(most.tokens, most.money_usd)
            answer = await model.answer(question)
            used = max(answer.input_tokens, 0), max(answer.output_tokens, 0)
            self.purse.settle(reserved, sum(used), price(model, *used))
            said: Json = {
                "text": _printable(answer.text),
                "calls": _written(answer.calls),
                "input_tokens": answer.input_tokens,
                "output_tokens": answer.output_tokens,
                "model": answer.model,
            }
            entry = Entry(kind="model", id=request, outcome="answered", data=Sealed.of(said, os.urandom(16)))
            self.journal.add(entry)
            self._answered = True
        return entry

    # -- tools -------------------------------------------------------------------------------------

    async def call(self, tool: Tool[..., Any], arguments: Json) -> Json:
        """A call by the stage's own code: the result of the tool. `arguments` keep to its contract.

        Raises `GrantError` outside of the grant or its limits, `Refusal` where the tool or a person says no, and
        `ToolError` where the tool broke.
        """
        await self._must_be_open()
        use = self.use_of(tool)
        if why := grant.refusal(use, arguments, self._plan_value):
            self._refused.append({"tool": use.name, "reason": why})
            raise GrantError(f"{self.node.name}: {why}.")
        entry = await self._entry(use, tool, arguments, by_model=False)
        if entry.data is None:
            # What is said of outside text may be outside text.
            said = f"{use.name} said no" if use.untrusted and entry.outcome == "refused" else entry.reason
            raise (Refusal if entry.outcome == "refused" else ToolError)(said)
        return entry.data.data

    async def call_for_model(self, tool: Tool[..., Any], arguments: Json, limits: tuple[Limit, ...] = ()) -> Entry:
        """A call that a model chose, held to further limits; what came of it, a refusal included.

        `arguments` keep to the tool's contract. Raises `GrantError` where the model was refused too often.
        """
        await self._must_be_open()
        use = self.use_of(tool)
        narrowed = replace(use, limits=(*use.limits, *limits))
        if why := grant.refusal(narrowed, arguments, self._plan_value):
            return self.refuse(why, use.name)
        try:
            entry = await self._entry(use, tool, arguments, by_model=True)
        except _Unfit as error:
            return self.refuse(error.message, use.name)
        if use.approver and entry.outcome == "refused":
            # A person or the tool said no; what is said of outside text may be outside text.
            self._count_refusal(f"{use.name} was refused" if use.untrusted else entry.reason, use.name)
        return entry

    def refuse(self, why: str, tool: str = "") -> Entry:
        """Refuse a call of a model before anything happens. Raises `GrantError` where that was once too often."""
        self._count_refusal(why, tool)
        return Entry(kind="tool", id="", outcome="refused", reason=why, tool=tool)

    def _count_refusal(self, why: str, tool: str) -> None:
        self._refused.append({"tool": tool, "reason": why})
        if len(self._refused) > REFUSALS:
            raise GrantError(f"{self.node.name}: its model was refused {len(self._refused)} calls; the last: {why}.")

    def use_of(self, tool: Tool[..., Any]) -> ToolUse:
        """How the plan grants a tool to this stage. Raises `GrantError` where it does not."""
        if self.granted.get(tool.name) is not tool:
            holds = ", ".join(sorted(self.granted)) or "no tool"
            raise GrantError(
                f"{self.node.name} does not hold {tool.name}; the plan grants it {holds}. Name it in its tools=."
            )
        return self._uses[tool.name]

    def _plan_value(self, node: str) -> Json:
        return self.run.limits[node].data

    async def _entry(self, use: ToolUse, tool: Tool[..., Any], arguments: Json, *, by_model: bool) -> Entry:
        """What a granted call was answered: in the journal, or now."""
        if self.desk.strange(arguments):
            # A tool reads the documents in its arguments.
            raise _Unfit(f"{use.name} is to be handed a document that {self.node.name} was not handed itself")
        key = key_of(use, arguments, node=self.node.name, lineage=self.lineage)
        asked = [self.node.name, use.name, arguments]
        request = self.journal.occurrence("call", asked, once=bool(key))
        if key:
            request, arguments = self._same_effect(use, tool, key, request, arguments)
        entry = self.journal.find(request)
        if entry is None:
            call = Call(id=request, tool=use.name, arguments=arguments, key=key, by_model=by_model)
            if use.apart or self._still:
                await self._stand_still(call if use.apart else None)
            entry = await self._made(use, tool, call)
        if entry.data is not None:
            self.desk.add(*named_in(entry.data.data))
        self._calls.append(
            {
                "tool": use.name,
                "call": request,
                "arguments": self.journal.named("arguments", arguments),
                "outcome": entry.outcome,
                "by": "model" if by_model else "stage",
                **({"key": key} if key else {}),
            }
        )
        return entry

    async def _made(self, use: ToolUse, tool: Tool[..., Any], call: Call) -> Entry:
        self.purse.take_call(use.name)
        run = self.run
        with self._at_work(), _outside():
            acted = await acting.act(
                use, tool, Act(plan=run.plan, node=run.node, attempt=run.attempt, call=call), store=self.store
            )
            assert acted.outcome != "unknown"  # only of effects, which run apart
            entry = Entry(
                kind="tool",
                id=call.id,
                outcome=acted.outcome,
                data=acted.result,
                reason=acted.reason,
                tool=use.name,
            )
            self.journal.add(entry)
        return entry

    def _same_effect(
        self, use: ToolUse, tool: Tool[..., Any], key: str, request: str, arguments: Json
    ) -> tuple[str, Json]:
        """The call that was made under a key, if it is the same. Raises `_Unfit` where it is not."""
        earlier, before = self._keys.setdefault(key, (request, arguments))
        schema = tool.interface.arguments.schema
        # The same may be written in two ways: 12.5 and 12.50.
        if not canonical.alike(spelled(schema, before), spelled(schema, arguments)):
            raise _Unfit(f"{use.name} is called twice for one {use.once}, with different arguments")
        return earlier, before

    # -- standing still ----------------------------------------------------------------------------

    async def _stand_still(self, call: Call | None = None) -> NoReturn:
        """Go no further here: until a call is answered, or only until the next activity."""
        if call is not None and all(call.id != one.id for one in self.due):
            self.purse.take_call(call.tool, apart=True)
            self.due.append(call)
        self._still = True
        self._look_soon()
        held: asyncio.Future[NoReturn] = self._loop.create_future()
        self._held.append(held)
        await held
        raise Suspension

    @contextmanager
    def _at_work(self) -> Generator[None]:
        self._busy += 1
        try:
            yield
        finally:
            self._busy -= 1
            self._look_soon()

    def _look_soon(self, rounds: int = _ROUNDS) -> None:
        """Say that the stage stands, once nothing is under way and what runs beside had time to come as far."""
        if not self._still or self._busy:
            return
        if rounds:
            self._loop.call_soon(self._look_soon, rounds - 1)
        else:
            self.stop()

    async def _must_be_open(self) -> None:
        if asyncio.get_running_loop() is not self._loop:
            raise GrantError(f"{self.node.name} reaches for something from another thread; await it where it runs.")
        if not self._over:
            return
        self._reaches += 1
        if self._reaches > _REACHES:
            # It catches whatever it is told, and would turn for ever.
            await self._loop.create_future()
        if self._still:
            raise Suspension
        raise GrantError(f"{self.node.name} has ended; nothing it left running may reach further.")


@contextmanager
def _outside() -> Generator[None]:
    """Run a tool outside of the cell that called it: a tool reaches nothing through it."""
    token = _current.set(None)
    try:
        yield
    finally:
        with suppress(ValueError):  # a task that was left behind ends in no context of its own
            _current.reset(token)


def current() -> Cell:
    """The cell of the stage that is running. Raises `GrantError` outside of one."""
    cell = _current.get()
    if cell is None:
        raise GrantError("ask and tools work only inside a stage that an execution runs.")
    return cell


# -- questions and answers as JSON -----------------------------------------------------------------


def _written(calls: tuple[ToolCall, ...]) -> list[Json]:
    return [{"name": _printable(call.name), "arguments": _printable(call.arguments)} for call in calls]


def _answer_in(entry: Entry) -> Answer:
    try:
        said: Any = entry.data.data if entry.data is not None else None
        calls = tuple(ToolCall(name=call["name"], arguments=call["arguments"]) for call in said["calls"])
        texts = [said["text"], said["model"], *(text for call in calls for text in (call.name, call.arguments))]
        counts = [said["input_tokens"], said["output_tokens"]]
        if not (all(type(text) is str for text in texts) and all(type(count) is int for count in counts)):
            raise TypeError
    except (TypeError, KeyError):
        raise ContractError("is no answer of a model", boundary="an entry of the journal") from None
    return Answer(text=texts[0], model=texts[1], input_tokens=counts[0], output_tokens=counts[1], calls=calls)


def _printable(text: str) -> str:
    """Text that JSON can hold: a lone surrogate is written out, which no contract then takes for what it was."""
    return text.encode("utf-8", "backslashreplace").decode()
