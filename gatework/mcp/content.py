"""What a tool of a server answered: one JSON value that keeps to its pin, its word that it failed, or what is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gatework.define.secret import Secret, shows
from gatework.errors import ContractError
from gatework.mcp.schemas import check
from gatework.values import canonical
from gatework.values.canonical import Json

if TYPE_CHECKING:
    from mcp_types import CallToolResult

_KINDS = {
    "image": "an image",
    "audio": "a sound",
    "resource": "an embedded resource",
    "resource_link": "a link to a resource",
}

TEXT: Mapping[str, Json] = {"type": "string"}
"""The contract of what a tool gives whose pin promises nothing but content."""


class Unfit(Exception):
    """An answer that is not passed on; its text is a clause in our words."""


@dataclass(frozen=True)
class Failure:
    """The server's word that a call failed."""

    said: str
    """Why, in its own words: text from outside."""


def value_of(
    result: CallToolResult, *, output: Mapping[str, Json] | None, max_bytes: int, secrets: tuple[Secret, ...] = ()
) -> Json | Failure:
    """The value in a result. Raises `Unfit`."""
    if result.is_error:
        return failure(_text(result.content, lenient=True), secrets)
    if output is None:
        value: Json = _text(result.content)
    elif result.structured_content is None:
        raise Unfit("it answered without the structured content that its pin promises")
    else:
        value = result.structured_content
    try:
        size = len(canonical.dumps(value))
        if size > max_bytes:
            raise Unfit(f"it answered with {size} bytes, more than the {max_bytes} that are taken; ask it for less")
        if output is not None:
            check(output, value)
    except ContractError as error:
        # The field is one that the pin names; nothing of the answer is in it.
        raise Unfit(f"its answer breaks its pinned schema: {error}") from None
    if shows(value, secrets):
        raise Unfit("its answer holds a secret that it was given")
    return value


def failure(said: str, secrets: tuple[Secret, ...] = ()) -> Failure:
    """A failure in the server's words, as far as they are passed on."""
    if not said.strip():
        said = "it does not say why"
    if shows(said, secrets):
        said = "what it says of it holds a secret that it was given"
    return Failure(said.encode("utf-8", "backslashreplace").decode())


def _text(content: Iterable[Any], *, lenient: bool = False) -> str:
    texts = []
    for block in content:
        if block.type == "text":
            texts.append(block.text)
        elif not lenient:
            raise Unfit(f"it answered with {_KINDS.get(block.type, 'another kind of content')}, which is not taken")
    if not texts and not lenient:
        raise Unfit("it answered with nothing")
    return "\n".join(texts)
