"""Keys of machines: where they are had from, and that nothing is done unsigned where one is configured."""

from __future__ import annotations

import asyncio
import sys
import threading
import types
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gatework import role
from gatework.errors import ConfigError, PlanError
from gatework.run.budget import Spent
from gatework.run.events import Given, Signed
from gatework.signing import signer
from gatework.signing.keys import PrivateKey
from gatework.signing.roster import People
from gatework.signing.signer import MOST_HANGING, TRIES, Attestor, of_environment
from gatework.testing import Driver
from gatework.testing.factories import acted, call, failed, finished, stopped
from tests import attested
from tests.unit.signing.test_attest import ENDED_MS, PLAN, RUN, begun, looked

KEY = PrivateKey.made()


@pytest.fixture
def variable(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets GATEWORK_WORKER_KEY."""
    monkeypatch.delenv("GATEWORK_KEY_PASSPHRASE", raising=False)
    return lambda text: monkeypatch.setenv("GATEWORK_WORKER_KEY", text)


def pem(folder: Path, passphrase: str = "") -> Path:
    file = folder / f"key-{len(list(folder.iterdir()))}.pem"
    KEY.write(file, passphrase)
    return file


# -- where a key is had from -----------------------------------------------------------------------


def test_worker_without_a_setting_has_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing is said, nothing is signed."""
    monkeypatch.delenv("GATEWORK_WORKER_KEY", raising=False)
    assert of_environment() is None


def test_key_comes_from_a_file_a_variable_or_a_service(
    tmp_path: Path, variable: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three ways to one key; in a variable it may stand on one line."""
    text = pem(tmp_path).read_text()
    module = types.ModuleType("key_service")
    module.made = lambda: types.SimpleNamespace(public=str(KEY.public), sign=KEY.sign)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "key_service", module)
    monkeypatch.setenv("THE_KEY", text)
    monkeypatch.setenv("ONE_LINE", text.replace("\n", "\\n"))
    sealed = pem(tmp_path, "correct horse")
    for source in (f"file:{pem(tmp_path)}", "env:THE_KEY", "env:ONE_LINE", "call:key_service:made", f"file:{sealed}"):
        monkeypatch.setenv("GATEWORK_KEY_PASSPHRASE", "correct horse")
        variable(source)
        found = of_environment()
        assert found is not None
        assert found.public == KEY.public
        assert KEY.public.verifies(found.sign(b"x"), b"x")


SECRET = f"hunter{1 + 1}"
"""As no line of this file has it: a stack shows lines."""


def _raising() -> None:
    raise RuntimeError(f"token {SECRET} is wrong")


SERVICES: dict[str, Any] = {
    "raises": _raising,
    "nothing": lambda: None,
    "no_key": lambda: types.SimpleNamespace(public="ed25519:x", sign=KEY.sign),
    "another_key": lambda: types.SimpleNamespace(public=str(PrivateKey.made().public), sign=KEY.sign),
    "broken": lambda: types.SimpleNamespace(public=str(KEY.public), sign=lambda _: _raising()),
}


@pytest.mark.parametrize("name", SERVICES)
def test_service_that_cannot_sign_is_no_key(
    name: str, variable: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A worker learns at its start that its key service does not do; nothing that it said is repeated."""
    module = types.ModuleType("key_service")
    setattr(module, name, SERVICES[name])
    monkeypatch.setitem(sys.modules, "key_service", module)
    monkeypatch.setenv("GATEWORK_LOG_VALUES", "1")
    variable(f"call:key_service:{name}")
    with pytest.raises(ConfigError, match=f"key_service:{name}") as error:
        of_environment()
    assert SECRET not in str(error.value) + caplog.text
    assert str(error.value).count("\n") == 0


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("", "does not say where"),
        ("file:", "does not say where"),
        ("{pem}", "does not say where"),
        ("awskms:arn", "does not say where"),
        ("file:/nowhere/at/all", "cannot be read"),
        ("env:NOT_THERE", "NOT_THERE, which is not set"),
        ("env:{pem}", "no variable"),
        ("env:PATH", "is none"),
        ("call:os", "no function"),
        ("call:os:not there", "no function"),
        ("call:no_such_module_at_all:f", "ModuleNotFoundError"),
        ("call:os:getcwd", "AttributeError"),
    ],
)
def test_setting_that_gives_no_key_is_refused_and_not_repeated(
    source: str, says: str, tmp_path: Path, variable: Any
) -> None:
    """One sentence, which says nothing of what may be the key itself."""
    text = pem(tmp_path).read_text()
    variable(source.replace("{pem}", text))
    with pytest.raises(ConfigError, match=says) as error:
        of_environment()
    assert text.splitlines()[1] not in str(error.value)
    assert str(error.value).count("\n") == 0


def test_key_with_a_passphrase_that_nobody_gives_is_refused(tmp_path: Path, variable: Any) -> None:
    """A worker asks nobody: the passphrase is in its environment, or it does not start."""
    variable(f"file:{pem(tmp_path, 'correct horse')}")
    with pytest.raises(ConfigError, match="GATEWORK_KEY_PASSPHRASE"):
        of_environment()


# -- signing ---------------------------------------------------------------------------------------


class _Service:
    """A key service of which a test says how it answers."""

    def __init__(self, *answers: Any) -> None:
        self.public = KEY.public
        self.answers = list(answers)
        self.asked = 0

    def sign(self, message: bytes) -> bytes:
        self.asked += 1
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, Exception):
            raise answer
        return bytes(answer(message)) if answer else KEY.sign(message)


BROKEN = [ConnectionError(SECRET)] * TRIES


async def signed(service: Any) -> Any:
    """An output, once it went through what signs."""
    event = replace(finished(PLAN, begun().run, spent=Spent(tokens=7)), ended_ms=ENDED_MS)
    return await Attestor(service).result(event, PLAN, run=RUN, answers=0)


async def test_service_that_breaks_is_asked_again() -> None:
    """What fails once may do the next time."""
    service = _Service(ConnectionError("x"), lambda _: b"")
    event = await signed(service)
    assert event.signed.key == attested.keyid(str(KEY.public))
    assert service.asked == 3


async def test_output_that_cannot_be_signed_is_a_failure_that_says_so() -> None:
    """An attempt whose worker cannot sign gave nothing; what it spent counts."""
    event = await signed(_Service(*BROKEN))
    assert (event.kind, event.failure, event.signed, event.spent.tokens) == ("failed", "error", None, 7)
    assert event.reason == "what look came to could not be signed: What signs broke with ConnectionError."
    begun().take(replace(event, plan=PLAN.digest))


async def test_every_result_that_cannot_be_signed_is_a_failure() -> None:
    """Nor does anything else go on without a signature, a guard's no to inputs or a failure included."""
    for event in (stopped(PLAN, begun().run, "block"), failed(begun().run, "timeout")):
        told = await Attestor(_Service(*BROKEN)).result(replace(event, ended_ms=ENDED_MS), PLAN, run=RUN, answers=0)
        assert (told.kind, told.signed) == ("failed", None)
        begun().take(told)


@pytest.mark.parametrize(
    ("outcome", "effect", "becomes"),
    [
        ("done", True, "unknown"),
        ("found", True, "unknown"),
        ("unknown", True, "unknown"),
        ("failed", True, "failed"),
        ("refused", True, "failed"),
        ("done", False, "failed"),
    ],
)
async def test_call_that_cannot_be_signed_is_in_doubt_where_it_may_have_happened(
    outcome: Any, effect: bool, becomes: str
) -> None:
    """Nobody answers for what an effect gave, and it may have happened: it is never taken for one that did not."""
    driver = at_call()
    event = replace(acted(driver.act, outcome), ended_ms=ENDED_MS)
    told = await Attestor(_Service(*BROKEN)).call(event, driver.act.call, effect=effect, run=RUN)
    assert (told.outcome, told.result, told.signed) == (becomes, None, None)
    assert SECRET not in told.reason


def at_call() -> Driver:
    driver = begun()
    driver.take(looked(driver))
    return driver.suspend(call("work"))


async def test_effect_is_signed_although_the_run_is_cancelled() -> None:
    """What has happened is known and signed, also of a run that ends in that moment."""
    driver, go = at_call(), threading.Event()

    def waits(message: bytes) -> bytes:
        go.wait(2)
        return KEY.sign(message)

    event = replace(acted(driver.act), ended_ms=ENDED_MS)
    task = asyncio.ensure_future(Attestor(_Service(waits)).call(event, driver.act.call, effect=True, run=RUN))
    await asyncio.sleep(0.01)
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0)
    go.set()
    told = await task
    assert (told.outcome, told.signed is not None) == ("done", True)


async def test_service_that_hangs_holds_up_nothing_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each try has its time, the worker goes on meanwhile, and what never answers is not asked without end."""
    monkeypatch.setattr(signer, "TRY_SECONDS", 0.01)
    go = threading.Event()

    def hangs(message: bytes) -> bytes:
        go.wait(20)
        return KEY.sign(message)

    service = _Service(*[hangs] * 100)
    attestor = Attestor(service)
    event = replace(finished(PLAN, begun().run), ended_ms=ENDED_MS)
    try:
        told = await asyncio.gather(*(attestor.result(event, PLAN, run=RUN, answers=0) for _ in range(8)))
        assert [one.kind for one in told] == ["failed"] * 8
        assert service.asked == MOST_HANGING
        assert "does not answer" in str(told[0])
    finally:
        go.set()
    service.answers = []
    while (event_ := await attestor.result(event, PLAN, run=RUN, answers=0)).signed is None:
        await asyncio.sleep(0.01)
    assert event_.kind == "finished"


async def test_verdict_that_cannot_be_signed_is_a_block() -> None:
    """A guard whose worker cannot sign has not passed anything."""
    given = Given(guard="far", on="a" * 64, verdict="pass")
    about = {"run": RUN, "plan": PLAN.digest, "node": "look", "attempt": 1, "inputs": "b" * 64}
    told = await Attestor(_Service(*BROKEN)).verdict(given, **about)  # type: ignore[arg-type]
    assert (told.verdict, told.signed) == ("block", None)
    well = await Attestor(KEY).verdict(given, **about)  # type: ignore[arg-type]
    assert (well.verdict, isinstance(well.signed, Signed)) == ("pass", True)


# -- roles of machines -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["worker", "guard", "exporter"])
def test_plan_asks_no_machine(name: str) -> None:
    """Roles of machines are none in which a person is asked."""
    with pytest.raises(PlanError, match="role of machines"):
        role(name)


def test_machine_is_no_person() -> None:
    """The list keeps machines that act by themselves apart from people; a person may export."""
    listed = People.of(b'[w]\nroles = ["worker", "guard"]\n[ana]\nroles = ["finance", "exporter"]\n', "people.toml")
    assert listed.member("w", "worker")
    assert listed.member("ana", "exporter")
    for mixed in ('["worker", "finance"]', '["finance", "guard"]'):
        with pytest.raises(ConfigError, match="it is a machine"):
            People.of(f"[w]\nroles = {mixed}\n".encode(), "people.toml")


def test_owner_of_a_key_is_found_with_its_time() -> None:
    """A key on the list is one machine's or one person's."""
    text = f'[w]\nroles = ["worker"]\n[[w.keys]]\nkey = "{KEY.public}"\nuntil = 2020-01-01\n'
    found = People.of(text.encode(), "people.toml").owner(KEY.public.id)
    assert found is not None
    name, person, key = found
    assert (name, sorted(person.roles), key.until is not None) == ("w", ["worker"], True)
    assert People.of(text.encode(), "people.toml").owner("0" * 16) is None
