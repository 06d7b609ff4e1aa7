"""Lock files: the plans of a workflow in the order of their release, and nothing that was changed by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gatework import Endorsed, lock, stage, workflow
from gatework.errors import ConfigError
from gatework.workflow import Workflow


@stage()
async def first(text: Endorsed[str]) -> Endorsed[str]:
    return text


@stage()
async def second(text: Endorsed[str]) -> Endorsed[str]:
    return text


def _one() -> Workflow[str, str]:
    @workflow
    def letter(text: Endorsed[str]) -> Endorsed[str]:
        return first(text)

    return letter


def _two() -> Workflow[str, str]:
    @workflow
    def letter(text: Endorsed[str]) -> Endorsed[str]:
        draft = first(text)
        return second(draft)

    return letter


def _digests(path: Path) -> list[str]:
    found = lock.read(path)
    assert found is not None
    return [locked.digest for locked in found.plans]


def test_lock_of_a_workflow_without_a_file_is_none(tmp_path: Path) -> None:
    """No lock file is no error: nothing has been released."""
    assert lock.read(tmp_path / "letter.lock.json") is None


def test_lock_written_twice_says_so_and_changes_nothing(tmp_path: Path) -> None:
    """Releasing the newest plan again leaves the file as it is, byte for byte."""
    path = tmp_path / "letter.lock.json"
    assert lock.write(_one(), path)
    before = path.read_bytes()
    assert not lock.write(_one(), path)
    assert path.read_bytes() == before
    assert before.endswith(b"}\n")


def test_lock_keeps_earlier_plans_and_puts_the_released_one_last(tmp_path: Path) -> None:
    """Plans stand in the order of their release; a plan that comes back is the newest again."""
    path = tmp_path / "letter.lock.json"
    one, two = _one(), _two()
    for released in (one, two):
        lock.write(released, path)
    assert _digests(path) == [one.plan.digest, two.plan.digest]
    lock.write(one, path)
    assert _digests(path) == [two.plan.digest, one.plan.digest]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda data: data["plans"][0]["plan"].update(name="other"), "has been changed"),
        (lambda data: data["plans"][0].update(digest="0" * 64), "has been changed"),
        (lambda data: data["plans"][0]["plan"]["nodes"][0].update(attempts=99), "has been changed"),
        (lambda data: data["plans"][0]["code"].update({"stage:first": "elsewhere:second"}), "stands for other code"),
        (lambda data: data["plans"][0].update(trusted=True), "unexpected keyword"),
        (lambda data: data.update(format=2), "input should be 1"),
        (lambda data: data.update(plans={}), "valid array"),
    ],
)
def test_lock_changed_by_hand_is_refused(tmp_path: Path, change: Any, said: str) -> None:
    """Whatever was changed, the file is refused by its name, with what is wrong."""
    path = tmp_path / "letter.lock.json"
    lock.write(_one(), path)
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))
    with pytest.raises(ConfigError, match=rf"letter\.lock\.json: .*{said}"):
        lock.read(path)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"workflow": "letter", "workflow": "letter"}', "\ud800"])
def test_lock_that_is_no_lock_is_refused(tmp_path: Path, text: str) -> None:
    """Rubbish, a merge conflict, a key twice: refused in one sentence."""
    path = tmp_path / "letter.lock.json"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(ConfigError, match=r"letter\.lock\.json"):
        lock.read(path)


def test_lock_of_another_workflow_is_refused(tmp_path: Path) -> None:
    """A file that was copied from another workflow is not taken for this one's."""

    @workflow
    def other(text: Endorsed[str]) -> Endorsed[str]:
        return first(text)

    path = tmp_path / "letter.lock.json"
    lock.write(other, path)
    for attempt in (lock.released, lock.write):
        with pytest.raises(ConfigError, match="another workflow, other"):
            attempt(_one(), path)
