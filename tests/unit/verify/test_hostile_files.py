"""What a reader gives a verifier beside the certificate: policies and lock files, however they were mangled."""

from __future__ import annotations

import copy
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatework.errors import ConfigError
from gatework.releases import lock
from gatework.values import canonical
from gatework.verify.policy import Policy

ROOT = Path(__file__).parents[3]
LOCK = (ROOT / "workflows/refund.lock.json").read_bytes()
RELEASED = {one.digest for one in lock.parse(LOCK, "refund.lock.json").plans}
POLICY = (
    b'outcome = "completed"\napproved_by = ["finance"]\nsigned = ["decisions"]\nno_override = true\nno_edit = true\n'
)


def policy(data: bytes, folder: Path) -> Policy:
    path = folder / "policy.toml"
    path.write_bytes(data)
    return Policy.read(path)


def one_sentence(error: ConfigError) -> None:
    """Short, without a line of the file in it that somebody else wrote."""
    assert error.message.count("\n") == 0
    assert len(error.message) < 600


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("policies")


@given(data=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_a_policy_or_a_sentence(folder: Path, data: bytes) -> None:
    """Whatever stands in the file, it demands what it says or is refused."""
    try:
        found = policy(data, folder)
    except ConfigError as error:
        return one_sentence(error)
    assert found == Policy()  # of bytes by chance there is nothing but the empty policy that is one


@given(at=st.integers(0, len(POLICY) - 1), byte=st.integers(0, 255))
def test_a_policy_changed_in_one_byte_demands_no_less_by_mistake(folder: Path, at: int, byte: int) -> None:
    """A misspelt demand is refused and not left out: what is read has every demand that the file names."""
    changed = POLICY[:at] + bytes([byte]) + POLICY[at + 1 :]
    try:
        found = policy(changed, folder)
    except ConfigError as error:
        return one_sentence(error)
    lines = changed.decode().splitlines()
    named = {line.split("=")[0].strip() for line in lines if "=" in line and not line.lstrip().startswith("#")}
    assert {name for name in ("outcome", "approved_by", "signed") if getattr(found, name)} <= named
    assert all(getattr(found, name) for name in named - {"approved_by", "signed"})


def _paths(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for name, item in inner for found in _paths(item, (*path, name)))]


SAID: Any = canonical.loads(LOCK, max_bytes=lock.MAX_LOCK_BYTES)
PATHS = _paths(SAID)[1:]


@given(path=st.sampled_from(PATHS), other=st.sampled_from([None, True, 0, -1, 1e300, "", "x", [], {}, ["x"], {"x": 1}]))
def test_a_lock_file_changed_anywhere_releases_no_plan_that_was_not(path: tuple[str | int, ...], other: Any) -> None:
    """It is refused in one sentence, or what was changed is no plan."""
    said = copy.deepcopy(SAID)
    inner: Any = said
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = other
    with suppress(ConfigError):
        try:
            assert {one.digest for one in lock.parse(canonical.dumps(said), "refund.lock.json").plans} <= RELEASED
        except ConfigError as error:
            one_sentence(error)
            raise


@given(at=st.integers(0, len(LOCK) - 1), byte=st.integers(0, 255))
def test_a_lock_file_changed_in_one_byte_releases_no_plan_that_was_not(at: int, byte: int) -> None:
    """Whichever byte it is."""
    try:
        found = lock.parse(LOCK[:at] + bytes([byte]) + LOCK[at + 1 :], "refund.lock.json")
    except ConfigError as error:
        return one_sentence(error)
    assert {one.digest for one in found.plans} <= RELEASED
