"""Pins: what a server said of its tools when a person looked, kept in a file beside the module that declares it.

A model reads of a tool what its pin says, never what the server says later; and a tool that is not what its pin says is
not called. The file is read in review as code is, so it holds escapes in place of characters that nobody sees.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from gatework.errors import ConfigError, ContractError
from gatework.mcp.schemas import SchemaError, arguments_of, contract_of
from gatework.values import canonical
from gatework.values.canonical import Json

VERSION = 1
MAX_PIN_BYTES = 4_000_000
"""Largest file of pins."""
MAX_PROSE = 10_000
"""Longest description of a tool, in characters."""

_NAME = re.compile(r"[A-Za-z0-9_./-]{1,128}")
"""Names of tools as the protocol has them (2025-11-25, server/tools); anything else is not called."""
_SEEN = "\n\r\t\u200d"
"""What is not printed and hides nothing: ends of lines, and what joins emoji."""


@dataclass(frozen=True, kw_only=True)
class Descriptor:
    """What a server says of one tool, unchanged."""

    name: str
    title: str = ""
    description: str = ""
    input_schema: Json = None
    output_schema: Json = None
    """None where its results are text."""
    annotations: Mapping[str, Json] = field(default_factory=dict)
    """What the server claims of its behaviour, such as `readOnlyHint`."""

    @property
    def data(self) -> dict[str, Json]:
        return {
            "name": self.name,
            "title": self.title,
            "description": self.description,
            "input_schema": self.input_schema,
            "output_schema": self.output_schema,
            "annotations": dict(self.annotations),
        }

    @cached_property
    def digest(self) -> str:
        """64 hex digits that name all of it; in the plan it stands for the tool."""
        return canonical.digest("mcp-tool", self.data)

    @property
    def fault(self) -> str:
        """Why the tool cannot be declared, in a clause that repeats nothing of it; empty where it can."""
        if not _NAME.fullmatch(self.name):
            return "its name is not one that the protocol allows"
        if len(self.title) + len(self.description) > MAX_PROSE:
            return f"it is described in more than {MAX_PROSE} characters"
        if any(map(_hides, _texts(self.data))):
            return "it is described with characters that nobody sees"
        try:
            arguments_of(self.input_schema)
            if self.output_schema is not None:
                contract_of(self.output_schema)
        except SchemaError as error:
            return f"its schema cannot be checked: {error}"
        return ""


@dataclass(frozen=True, kw_only=True)
class Pins:
    """What a server said of itself and its tools."""

    server: str
    """What the deployment calls it."""
    name: str = ""
    """What it calls itself; never more than a remark."""
    version: str = ""
    tools: tuple[Descriptor, ...] = ()
    """Each that can be declared, by name."""

    def tool(self, name: str) -> Descriptor | None:
        return next((one for one in self.tools if one.name == name), None)

    @property
    def written(self) -> str:
        """The file as it is committed."""
        data = {
            "gatework_pins": VERSION,
            "server": self.server,
            "says": {"name": self.name, "version": self.version},
            "tools": [{**one.data, "digest": one.digest} for one in self.tools],
        }
        return json.dumps(data, indent=2, ensure_ascii=True) + "\n"


def read(path: Path, server: str) -> Pins:
    """The pins in a file. Raises `ConfigError`; a file whose digests are not those of its text was edited by hand."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"The pins {path.name} cannot be read: {error.strerror}.") from None
    try:
        found = canonical.loads(data, max_bytes=MAX_PIN_BYTES)
        if found["gatework_pins"] != VERSION or found["server"] != server:
            raise KeyError
        tools = tuple(_descriptor(one) for one in found["tools"])
        says = found["says"]
        pins = Pins(server=server, name=str(says["name"]), version=str(says["version"]), tools=tools)
    except (ContractError, KeyError, TypeError, AttributeError):
        raise ConfigError(
            f"{path.name} holds no pins of the server {server}; run `gatework tools pin` to write them anew."
        ) from None
    if len({one.name for one in tools}) != len(tools) or any(one.fault for one in tools):
        raise ConfigError(f"{path.name} pins what cannot be declared; run `gatework tools pin` to write it anew.")
    return pins


def _descriptor(data: Mapping[str, Json]) -> Descriptor:
    one = Descriptor(
        name=_text(data["name"]),
        title=_text(data["title"]),
        description=_text(data["description"]),
        input_schema=data["input_schema"],
        output_schema=data["output_schema"],
        annotations=dict(data["annotations"]),
    )
    if data["digest"] != one.digest:
        raise KeyError
    return one


def _text(data: Json) -> str:
    if not isinstance(data, str):
        raise TypeError
    return data


def difference(pinned: Descriptor, said: Iterable[Descriptor]) -> str:
    """How a tool is not what was pinned, in a clause that repeats nothing of what is said now; empty where it is."""
    now = [one for one in said if one.name == pinned.name]
    if not now:
        return "it is gone"
    if len(now) > 1:
        return "the server has several of that name"
    try:
        if now[0].digest == pinned.digest:
            return ""
    except ContractError:
        return "what is said of it is no plain JSON"
    parts = {
        "title": "its title",
        "description": "its description",
        "input_schema": "what it takes (its input schema)",
        "output_schema": "what it gives (its output schema)",
        "annotations": "what it claims of itself (its annotations)",
    }
    changed = [what for part, what in parts.items() if not canonical.alike(pinned.data[part], now[0].data[part])]
    return f"{' and '.join(changed) or 'what is said of it'} changed"


def _texts(data: Json) -> Iterator[str]:
    if isinstance(data, str):
        yield data
    elif isinstance(data, list):
        for item in data:
            yield from _texts(item)
    elif isinstance(data, dict):
        for key, item in data.items():
            yield key
            yield from _texts(item)


def _hides(text: str) -> bool:
    """Whether a text holds what a reviewer would not see, such as direction marks and the tags of Unicode."""
    return any(
        not c.isprintable() and c not in _SEEN and (unicodedata.category(c)[0] == "C" or c in "\u2028\u2029")
        for c in text
    )
