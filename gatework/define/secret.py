"""Secrets: what a tool needs and nobody else sees. The plan, histories, logs and prompts hold no more than its name.

A tool declares one as a keyword-only parameter, `token: Secret = secret("PAYMENTS_TOKEN")`. It is read on the worker
that does the call, from the environment or from the file that `PAYMENTS_TOKEN_FILE` names, and handed to the function.
"""

from __future__ import annotations

import base64
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, cast
from urllib.parse import quote, quote_plus

from gatework.errors import ConfigError, PlanError
from gatework.values.canonical import Json

MAX_SECRET_BYTES = 65_536
"""Largest file that is read as a secret."""

_SHORTEST_ENCODED = 8
"""Shortest secret, in characters, that is looked for in other forms than its own."""

MASK = "[secret]"
"""What stands where a secret stood."""


class Secret:
    """A secret at hand. Only `reveal()` gives its text; whatever writes, compares or copies it does not."""

    __slots__ = ("_text", "name")
    name: str
    """What it is called in the environment."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self._text = text

    def reveal(self) -> str:
        """The text itself. Do not log it, and put it into no value that a tool returns."""
        return self._text

    def __repr__(self) -> str:
        return f"Secret({self.name!r})"

    def _kept(self, *_: object) -> NoReturn:
        raise TypeError(f"the secret {self.name} is neither copied nor written down; call reveal() where it is used")

    __reduce_ex__ = __copy__ = __deepcopy__ = __getstate__ = _kept


@dataclass(frozen=True, slots=True)
class SecretUse:
    """The name of a secret that a tool needs, as declared."""

    name: str


def secret(name: str) -> Secret:
    """Declare a secret of a tool: the default of a keyword-only parameter `token: Secret = secret("NAME")`.

    `name` is that of an environment variable. Raises `PlanError` where it cannot be one.
    """
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,99}", name):
        raise PlanError(f"{name!r} is no name of a secret.", fix="Name an environment variable, such as MAIL_TOKEN.")
    # A name until the call, when the function gets the secret itself.
    return cast(Secret, SecretUse(name))


def resolved(name: str) -> Secret:
    """A secret on this worker: `NAME` in the environment, or the file named by `NAME_FILE`, without its last newline.

    Raises `ConfigError` where there is none, or both, or it is empty.
    """
    text, path = os.environ.get(name), os.environ.get(f"{name}_FILE")
    if text is not None and path is not None:
        raise ConfigError(f"The secret {name} is given twice; unset {name} or {name}_FILE.")
    if path is not None:
        text = _of_file(name, path)
    if text is None:
        raise ConfigError(f"The secret {name} is not set; set it, or {name}_FILE to a file that holds it.")
    if not text.strip():
        raise ConfigError(f"The secret {name} is empty; set it, or {name}_FILE to a file that holds it.")
    return Secret(name, text)


def _of_file(name: str, path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            data = file.read(MAX_SECRET_BYTES + 1)
        text = data.decode("utf-8")
    except (OSError, UnicodeDecodeError):
        # Neither the path nor what the system says of it: both may tell where secrets lie.
        raise ConfigError(f"The file of the secret {name} cannot be read; set {name}_FILE to one that can.") from None
    if len(data) > MAX_SECRET_BYTES:
        raise ConfigError(f"The file of the secret {name} is larger than {MAX_SECRET_BYTES} bytes.")
    return text.removesuffix("\n").removesuffix("\r")


def masked(text: str, secrets: tuple[Secret, ...]) -> str:
    """A text in which no secret stands, in any of the ways in which `shows` finds one."""
    for form in sorted({form for one in secrets for form in _forms(one)}, key=len, reverse=True):
        text = text.replace(form, MASK)
    return text


def shows(data: Json, secrets: tuple[Secret, ...]) -> bool:
    """Whether a secret stands in some text of a JSON value, or in the name of a member.

    Also where it is written as JSON, in a URL, in hexadecimal digits or in base64, alone or amid other text.
    """
    if isinstance(data, str):
        return any(form in data for one in secrets for form in _forms(one))
    if isinstance(data, dict):
        return any(shows(key, secrets) or shows(item, secrets) for key, item in data.items())
    return isinstance(data, list) and any(shows(item, secrets) for item in data)


def _forms(one: Secret) -> set[str]:
    """The ways in which a secret is written."""
    text = one.reveal()
    # What travels in a header loses the blanks around it, and may come back without its scheme: `Bearer …`.
    words = text.split()
    bare = words[1:] if len(words) == 2 and len(words[1]) >= _SHORTEST_ENCODED else []
    texts = {text, text.strip(), *bare}
    return {form for part in texts for form in _forms_of(part)}


def _forms_of(text: str) -> set[str]:
    forms = {text}
    if len(text) >= _SHORTEST_ENCODED:  # what is shorter is found everywhere
        data = text.encode("utf-8", "surrogatepass")
        forms |= {quote(text, safe="", errors="replace"), quote_plus(text, errors="replace")}
        forms |= {json.dumps(text)[1:-1], data.hex(), data.hex().upper()}
        # Three bytes make four letters. What stands before it shifts it, and only its inner letters are its own.
        for before in range(3):
            shifted = base64.b64encode(bytes(before) + data).decode().rstrip("=")
            inner = shifted[(0, 2, 3)[before] : len(shifted) - (1 if (before + len(data)) % 3 else 0)]
            forms |= {inner, inner.replace("+", "-").replace("/", "_")}
    return forms


__all__ = ["Secret", "SecretUse", "masked", "resolved", "secret", "shows"]
