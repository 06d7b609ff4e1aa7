"""`ask`: the one way in which a stage reaches a language model."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, overload

from pydantic import BaseModel

from gatework import cell
from gatework.canonical import Json
from gatework.contract import contract
from gatework.errors import ContractError
from gatework.labels import Endorsed, Label, Labelled, Untrusted
from gatework.models.question import Material, Question

T = TypeVar("T")


# The forms overlap on purpose: what is endorsed throughout stays so, anything else is untrusted.
@overload
async def ask(  # type: ignore[overload-overlap]
    output: type[T],
    *,
    instructions: str,
    about: Endorsed[Any] | Sequence[Endorsed[Any]] = (),
    one_of: Mapping[str, Sequence[str]] | None = None,
    max_output_tokens: int = 512,
    temperature: float | None = None,
) -> Endorsed[T]: ...
@overload
async def ask(
    output: type[T],
    *,
    instructions: str,
    about: Labelled[Any] | Sequence[Labelled[Any]],
    one_of: Mapping[str, Sequence[str]] | None = None,
    max_output_tokens: int = 512,
    temperature: float | None = None,
) -> Untrusted[T]: ...
async def ask(
    output: type[T],
    *,
    instructions: str,
    about: Labelled[Any] | Sequence[Labelled[Any]] = (),
    one_of: Mapping[str, Sequence[str]] | None = None,
    max_output_tokens: int = 512,
    temperature: float | None = None,
) -> Any:
    """Ask the model for one value of a type, about values of the running stage and nothing else.

    `one_of` narrows text fields to given choices. Feedback of earlier attempts is put into the question.
    `temperature` is 0 at the first attempt and 0.4 after, unless given. What comes back is labelled:
    untrusted where anything in `about` is. Raises `ContractError` where the answer breaks the contract (the
    stage is then tried again), `BudgetError`, and `ModelError` where no answer can be had.
    """
    here = cell.current()
    sealed = contract(output)
    materials = (about,) if isinstance(about, Labelled) else tuple(about)
    question = Question(
        instructions=instructions,
        material=tuple(_material(value, here) for value in materials),
        schema=_narrowed(sealed.described, one_of or {}),
        schema_name=output.__name__,
        feedback=here.feedback,
        max_output_tokens=max_output_tokens,
        seed=here.seed + here.attempt,
        temperature=temperature if temperature is not None else (0.0 if here.attempt == 1 else 0.4),
    )
    answer = await here.answer(question)
    try:
        value: Any = sealed.read(answer.text.encode("utf-8", "surrogatepass"))
        for field, choices in (one_of or {}).items():
            if getattr(value, field) not in choices:
                raise ContractError("must be one of the choices given", field=field)
    except ContractError as error:
        raise error.at(f"answer of the model in {here.node.name}") from None
    untrusted = any(value.label is Label.UNTRUSTED for value in materials)
    return Untrusted(value) if untrusted else Endorsed(value)


def _material(value: Labelled[Any], here: cell.Cell) -> Material:
    names = [name for name, given in here.inputs.items() if given is value]
    return Material(
        name=names[0] if names else type(value.value).__name__.lower(),
        text=_text(value.value),
        untrusted=value.label is Label.UNTRUSTED,
    )


def _text(value: object) -> str:
    """A value as text that a model reads: one line a field."""
    if not isinstance(value, BaseModel):
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    fields = value.model_dump(mode="json")
    return "\n".join(
        f"{name}: {item if isinstance(item, str) else json.dumps(item, ensure_ascii=False)}"
        for name, item in fields.items()
    )


def _narrowed(schema: Mapping[str, Json], one_of: Mapping[str, Sequence[str]]) -> Mapping[str, Json]:
    properties = dict(schema.get("properties", {}))
    for field, choices in one_of.items():
        if field not in properties or not choices:
            raise ContractError("one_of names no field with choices", field=field)
        properties[field] = {"type": "string", "enum": list(dict.fromkeys(choices))}
    return {**schema, "properties": properties} if one_of else schema
