"""The agent loop behind `ask`: the model, the tools that it calls, and the model again, until it answers."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel

from gatework.define.tool import Granted, Tool, TrustedTool
from gatework.errors import ContractError, GrantError
from gatework.models.question import Answer, Material, Question, ToolCall, ToolResult, ToolSpec, Turn
from gatework.perform import cell
from gatework.plan.labels import Endorsed, Label, Labelled, Untrusted
from gatework.run.journal import Entry
from gatework.values import canonical
from gatework.values.canonical import Json
from gatework.values.contract import contract

MAX_CALLS = 16
"""Most calls that a model may ask for at once."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a stage asks of a model: the arguments of `ask`."""

    output: Any
    instructions: str
    about: tuple[Labelled[Any], ...]
    name: str
    tools: tuple[Tool[..., Any] | Granted, ...]
    one_of: Mapping[str, Sequence[str]]
    max_output_tokens: int
    temperature: float | None


async def answered(asked: Asked) -> Endorsed[Any] | Untrusted[Any]:
    """What the model answers in the end, with its label; see `ask`."""
    here = cell.current()
    if asked.name and len(asked.about) != 1:
        raise ContractError("name= is for one value in about=, and there is another number of them")
    offered = _Offered(asked.tools, here)
    first = here.run.attempt == 1
    question = Question(
        instructions=asked.instructions,
        material=tuple(_material(value, here, asked.name) for value in asked.about),
        schema=_narrowed(contract(asked.output).described, asked.one_of),
        schema_name=asked.output.__name__,
        feedback=here.feedback,
        max_output_tokens=asked.max_output_tokens,
        seed=here.seed + here.run.attempt,
        temperature=asked.temperature if asked.temperature is not None else (0.0 if first else 0.4),
        tools=offered.specs,
    )
    while (answer := await here.answer(question)).calls:
        turn = Turn(calls=answer.calls, results=await offered.called(answer.calls))
        question = replace(question, turns=(*question.turns, turn))
    try:
        value = _read(asked, answer)
    except ContractError as error:
        raise error.at(f"answer of the model in {here.node.name}") from None
    untrusted = offered.untrusted or any(value.label is Label.UNTRUSTED for value in asked.about)
    return Untrusted(value) if untrusted else Endorsed(value)


def _read(asked: Asked, answer: Answer) -> Any:
    value = contract(asked.output).read(answer.text.encode())
    for field, choices in asked.one_of.items():
        if getattr(value, field) not in choices:
            raise ContractError("must be one of the choices given", field=field)
    return value


class _Offered:
    """The tools that a model may call. What it writes is checked here and in the cell, whatever it was told."""

    def __init__(self, tools: Sequence[Tool[..., Any] | Granted], here: cell.Cell) -> None:
        self._here = here
        self._boundary = f"answer of the model in {here.node.name}"
        every = [tool if isinstance(tool, Granted) else Granted(tool) for tool in tools]
        self._granted = granted = {one.tool.name: one for one in every}
        if len(granted) < len(every):
            raise GrantError(f"{here.node.name} offers its model one tool twice; name it once, with all its limits.")
        uses = {name: here.use_of(one.tool) for name, one in granted.items()}
        self._outside = {name for name, use in uses.items() if use.untrusted}
        self.untrusted = any(
            use.untrusted or not isinstance(granted[name].tool, TrustedTool) for name, use in uses.items()
        )
        """Whether what comes back may hold outside text: a tool need not be called to be of influence."""
        self.specs = tuple(
            ToolSpec(
                name=one.tool.name,
                description=one.tool.interface.description,
                schema=one.tool.interface.asked,
                untrusted=bool(one.tool.descriptor),
            )
            for one in self._granted.values()
        )

    async def called(self, calls: Sequence[ToolCall]) -> tuple[ToolResult, ...]:
        """What the model is told of each call, made side by side. Raises what ends the stage."""
        if len(calls) > MAX_CALLS:
            raise ContractError(f"asks for more than {MAX_CALLS} calls at once", boundary=self._boundary)
        told = await asyncio.gather(*map(self._called, calls), return_exceptions=True)
        for found in told:
            if isinstance(found, BaseException):
                raise found
        return tuple(found for found in told if isinstance(found, ToolResult))

    async def _called(self, call: ToolCall) -> ToolResult:
        granted = self._granted.get(call.name)
        if granted is None:
            offered = ", ".join(self._granted) or "none"
            return _told(call, self._here.refuse(f"there is no such tool; the tools are {offered}"))
        tool = granted.tool
        try:
            arguments = tool.interface.admitted(canonical.loads(call.arguments.encode()))
        except ContractError as error:
            # Where another program wrote the schema, the names in it are its words.
            theirs = bool(tool.descriptor)
            why = f"the arguments of {tool.name} break its schema" if theirs else str(error)
            refused = self._here.refuse(why, tool.name)
            return _told(call, replace(refused, reason=str(error)), untrusted=theirs)
        entry = await self._here.call_for_model(tool, arguments, granted.limits)
        # What is said of outside text may be outside text, too; what was refused before the tool was asked is ours.
        return _told(call, entry, untrusted=tool.name in self._outside and bool(entry.id))


def _told(call: ToolCall, entry: Entry, *, untrusted: bool = False) -> ToolResult:
    if entry.data is not None:
        return ToolResult(name=call.name, text=_text_of_json(entry.data.data), untrusted=untrusted)
    # A call that failed was made, and is no refusal.
    refused = entry.outcome == "refused"
    reason = f"{entry.reason.rstrip('.')}."
    text = reason if refused else f"Failed: {reason}"
    return ToolResult(name=call.name, text=text, untrusted=untrusted, refused=refused)


def _material(value: Labelled[Any], here: cell.Cell, name: str) -> Material:
    names = [name for name, given in here.inputs.items() if given is value]
    if name and not re.fullmatch(r"[\w -]{1,60}", name):
        raise ContractError("the name of material is a few words of letters and digits")
    return Material(
        name=name or (names[0] if names else type(value.value).__name__.lower()),
        text=_text(value.value),
        untrusted=value.label is Label.UNTRUSTED,
    )


def _text(value: object) -> str:
    """A value as text that a model reads: one line a field."""
    return _text_of_json(value.model_dump(mode="json") if isinstance(value, BaseModel) else value)


def _text_of_json(value: Json) -> str:
    if isinstance(value, str):
        return value
    if not isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    return "\n".join(
        f"{name}: {item if isinstance(item, str) else json.dumps(item, ensure_ascii=False, default=str)}"
        for name, item in value.items()
    )


def _narrowed(schema: Mapping[str, Json], one_of: Mapping[str, Sequence[str]]) -> Mapping[str, Json]:
    properties = dict(schema.get("properties", {}))
    for field, choices in one_of.items():
        if field not in properties or not choices:
            raise ContractError("one_of names no field with choices", field=field)
        properties[field] = {"type": "string", "enum": list(dict.fromkeys(choices))}
    return {**schema, "properties": properties} if one_of else schema
