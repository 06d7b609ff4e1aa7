"""`ask`: the one way in which a stage reaches a language model, which may call tools before it answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, overload

from gatework.define.tool import Granted, Tool, TrustedGranted, TrustedTool
from gatework.plan.labels import Endorsed, Labelled, Untrusted

T = TypeVar("T")


# The forms overlap on purpose: what is endorsed throughout stays so, anything else is untrusted.
@overload
async def ask(
    output: type[T],
    *,
    instructions: str,
    about: Endorsed[Any] | Sequence[Endorsed[Any]] = (),
    name: str = "",
    tools: Sequence[TrustedTool[..., Any] | TrustedGranted] = (),
    one_of: Mapping[str, Sequence[str]] | None = None,
    max_output_tokens: int = 512,
    temperature: float | None = None,
) -> Endorsed[T]: ...
@overload
async def ask(
    output: type[T],
    *,
    instructions: str,
    about: Labelled[Any] | Sequence[Labelled[Any]] = (),
    name: str = "",
    tools: Sequence[Tool[..., Any] | Granted] = (),
    one_of: Mapping[str, Sequence[str]] | None = None,
    max_output_tokens: int = 512,
    temperature: float | None = None,
) -> Untrusted[T]: ...
async def ask(
    output: type[T],
    *,
    instructions: str,
    about: Labelled[Any] | Sequence[Labelled[Any]] = (),
    name: str = "",
    tools: Sequence[Tool[..., Any] | Granted] = (),
    one_of: Mapping[str, Sequence[str]] | None = None,
    max_output_tokens: int = 512,
    temperature: float | None = None,
) -> Any:
    """Ask the model for one value of a type, about values of the running stage and nothing else.

    `tools` are those of the stage's grant that it may call before it answers, each as granted or narrowed further by
    `tool.only(…)`; none unless named. `name` is what the material is called where `about` is one value that is no input
    of the stage. `one_of` narrows text fields to given choices. Feedback of earlier attempts is put into the question.
    `temperature` is 0 at the first attempt and 0.4 after, unless given. What comes back is labelled: untrusted where
    anything in `about` is, or any of `tools` gives outside text. Raises `ContractError` where the answer breaks the
    contract (the stage is then tried again), `BudgetError`, `GrantError` for a tool that the stage does not hold or a
    model that was refused too often, and `ModelError` where no answer can be had.
    """
    from gatework.perform.agent import Asked, answered  # with asyncio, which a definition can do without

    return await answered(
        Asked(
            output=output,
            instructions=instructions,
            about=(about,) if isinstance(about, Labelled) else tuple(about),
            name=name,
            tools=tuple(tools),
            one_of=one_of or {},
            max_output_tokens=max_output_tokens,
            temperature=temperature,
        )
    )
