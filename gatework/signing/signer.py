"""The key of a machine: where it is had from, and signing with it in a time that is bounded.

GATEWORK_WORKER_KEY names it: `file:PATH`, `env:NAME` (a variable that holds the key itself), or `call:MODULE:FUNCTION`,
which reaches a key service, so that the private key is on no worker at all. What cannot be signed was not done: an
attempt fails, a verdict blocks, and of an effect it is not known what became of it.
"""

from __future__ import annotations

import asyncio
import base64
import importlib
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from gatework.errors import ConfigError, ContractError
from gatework.logs.emit import say_broke
from gatework.logs.text import place_of
from gatework.plan.plan import Plan
from gatework.run.events import Acted, ActedOutcome, Failed, Given, Result, Signed, Stopped
from gatework.run.journal import Call
from gatework.signing import attest, dsse
from gatework.signing.keys import PrivateKey, PublicKey, Signer, signature_of
from gatework.threads import Threads
from gatework.values.canonical import Json
from gatework.values.verdict import short

VARIABLE = "GATEWORK_WORKER_KEY"
PASSPHRASE = "GATEWORK_KEY_PASSPHRASE"  # noqa: S105  # a name, and no passphrase

TRIES = 3
TRY_SECONDS = 3.0
"""How long a key service may take for a signature; three times that, and what is signed is late by no more than the
grace that Temporal gives an activity."""

MOST_HANGING = 12
"""Calls of a key service that have not come back; more are not made."""

FORMS = "file:PATH, env:NAME or call:MODULE:FUNCTION"


# -- where it is had from --------------------------------------------------------------------------


def of_environment() -> Signer | None:
    """What GATEWORK_WORKER_KEY names; None where it is not set. Raises `ConfigError`."""
    source = os.environ.get(VARIABLE)
    return None if source is None else had_from(source, VARIABLE)


def had_from(source: str, named_by: str, passphrase: Callable[[], str] | None = None) -> Signer:
    """The key that a setting or an option names. Raises `ConfigError`.

    `passphrase` asks for that of a key that has one; it is taken from GATEWORK_KEY_PASSPHRASE where left out.
    """

    def of_variable() -> str:
        word = os.environ.get(PASSPHRASE, "")
        if not word:
            raise ConfigError(f"The key that {named_by} names has a passphrase; set {PASSPHRASE} to it.")
        return word

    asked = passphrase or of_variable
    form, _, rest = source.partition(":")
    match form:
        case "file" if rest:
            return PrivateKey.read(Path(rest).expanduser(), asked)
        case "env" if rest:
            return _in_variable(rest, named_by, asked)
        case "call" if rest:
            return _called(rest, named_by)
        case _:  # what stands there may be the key itself
            raise ConfigError(f"{named_by} does not say where the key is; set it to {FORMS}.")


def _in_variable(name: str, named_by: str, passphrase: Callable[[], str]) -> Signer:
    text = os.environ.get(name) if name.isidentifier() else None
    if not text:
        what = f"the variable {name}, which is not set" if name.isidentifier() else "no variable"
        raise ConfigError(f"{named_by} names {what}; set it to {FORMS}.")
    # Where a deployment writes line ends as two letters, so that the value is one line.
    return PrivateKey.of(text.replace("\\n", "\n").encode(), f"in {name}", passphrase)


def _called(path: str, named_by: str) -> Signer:
    module, _, name = path.partition(":")
    named = f"{module}:{name}" if all(part.isidentifier() for part in (*module.split("."), name)) else ""
    if not named:
        raise ConfigError(f"{named_by} names no function; set it to call:MODULE:FUNCTION.")
    try:
        function: Any = getattr(importlib.import_module(module), name)
        given: Any = function()
        public, sign = PublicKey.read(str(given.public)), given.sign
    except Exception as error:  # noqa: BLE001  # code of the deployment, whose words may hold a secret
        _log(error)
        raise ConfigError(
            f"The key that {named} gives cannot be had: {type(error).__name__} at {place_of(error)}."
        ) from None
    signer = Service(public, sign)
    try:
        signature_of(signer, b"gatework/1/ready\n")
    except ConfigError as error:
        raise ConfigError(f"The key that {named} gives cannot be used: {error.message}") from None
    return signer


@dataclass(frozen=True)
class Service:
    """A key that is somewhere else."""

    public: PublicKey
    sign: Callable[[bytes], bytes]


def _log(error: BaseException) -> None:
    # Without its words, whatever else is logged: what reaches a key service may repeat what it was let in with.
    say_broke("signer.broke", error, {}, clean=lambda _: "(not told)")


# -- signing ---------------------------------------------------------------------------------------


class Attestor:
    """What signs for a worker: attempts, calls of tools, verdicts."""

    def __init__(self, signer: Signer) -> None:
        self.signer = signer
        self._threads = Threads(keep=4)
        self._hanging = 0

    async def result(self, event: Result, plan: Plan, *, run: str, answers: int) -> Result:
        """What came of an attempt that had so many answers before, signed; a `Failed` where that cannot be."""
        try:
            said = attest.of_result(event, plan, run=run, answers=answers)
            return replace(event, signed=await self._signed(said))
        except (ConfigError, ContractError) as error:
            reason = f"what {event.node} came to could not be signed: {error}"
        unsigned = Failed(
            plan=event.plan,
            node=event.node,
            attempt=event.attempt,
            inputs=event.inputs,
            failure="error",
            reason=short(reason),
            ended_ms=event.ended_ms,
        )
        return unsigned if isinstance(event, Stopped) else replace(unsigned, spent=event.spent)

    async def call(self, event: Acted, call: Call, *, effect: bool, run: str) -> Acted:
        """What became of a call, signed; where that cannot be, nobody knows what became of an effect.

        Not cut short by a cancellation: what has happened must be known, also of a run that ends now.
        """
        signing = asyncio.ensure_future(self._signed(attest.of_call(event, call, run=run)))
        while not signing.done():
            try:
                await asyncio.wait({signing})
            except asyncio.CancelledError:
                continue
        try:
            return replace(event, signed=signing.result())
        except (ConfigError, ContractError) as error:
            happened = effect and event.outcome in ("done", "found", "unknown")
            outcome: ActedOutcome = "unknown" if happened else "failed"
            reason = f"what became of {call.tool} could not be signed: {error}"
            return replace(event, outcome=outcome, result=None, reason=short(reason))

    async def verdict(self, given: Given, *, run: str, plan: str, node: str, attempt: int, inputs: str) -> Given:
        """A verdict, signed; a block where that cannot be."""
        said = attest.of_verdict(given, run=run, plan=plan, node=node, attempt=attempt, inputs=inputs)
        try:
            return replace(given, signed=await self._signed(said))
        except (ConfigError, ContractError) as error:
            reason = f"the verdict of {given.guard} could not be signed: {error}"
            return replace(given, verdict="block", reason=short(reason))

    async def _signed(self, statement: Json) -> Signed:
        signature = await self._signature(dsse.encoded(statement))
        return Signed(key=self.signer.public.id, signature=base64.b64encode(signature).decode())

    async def _signature(self, message: bytes) -> bytes:
        sign = partial(signature_of, self.signer, message)
        if isinstance(self.signer, PrivateKey):
            return sign()
        why = ConfigError("The key service does not answer.")
        for number in range(TRIES):
            await asyncio.sleep(number / 4)
            if self._hanging >= MOST_HANGING:
                break
            self._hanging += 1
            future = self._threads.call(sign)
            future.add_done_callback(self._back)
            await asyncio.wait({future}, timeout=TRY_SECONDS)
            if not future.done():
                continue
            answer = future.exception() or future.result()
            if isinstance(answer, bytes):
                return answer
            assert isinstance(answer, ConfigError)
            _log(answer.__cause__ or answer)
            why = answer
        raise why

    def _back(self, future: asyncio.Future[object]) -> None:
        self._hanging -= 1
        if not future.cancelled():
            future.exception()  # or the event loop would complain of what nobody waits for any more
