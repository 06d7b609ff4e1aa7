"""Lock files: the plans of a workflow in the order of their release, and nothing that was changed by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gatework import Endorsed, stage, workflow
from gatework.define.workflow import Workflow
from gatework.errors import ConfigError, PlanError
from gatework.releases import lock


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
        lock.write(released, path, weaken=True)
    assert _digests(path) == [one.plan.digest, two.plan.digest]
    lock.write(one, path, weaken=True)
    assert _digests(path) == [two.plan.digest, one.plan.digest]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda data: data["plans"][0]["plan"].update(name="other"), "has been changed"),
        (lambda data: data["plans"][0].update(digest="0" * 64), "has been changed"),
        (lambda data: data["plans"][0]["plan"]["nodes"][0].update(attempts=99), "has been changed"),
        (lambda data: data["plans"][0]["code"].update({"stage:first": "elsewhere:second"}), "stands for other code"),
        (lambda data: data["plans"][0]["code"].update({"stage:first": ".relative:first"}), "stands for other code"),
        (lambda data: data["plans"][0]["code"].update({"stage:first": "a/b\x1b:first"}), "stands for other code"),
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


# -- weakening -------------------------------------------------------------------------------------


@stage(attempts=3)
async def thrice(text: Endorsed[str]) -> Endorsed[str]:
    return text


def _tries(attempts: int) -> Workflow[str, str]:
    """The same plan with a stage that may be tried so often."""
    first_ = type(thrice)(thrice.function, attempts=attempts)

    @workflow
    def letter(text: Endorsed[str]) -> Endorsed[str]:
        return first_(text)

    return letter


def test_lock_is_not_written_where_the_plan_gets_weaker_unless_that_is_meant(tmp_path: Path) -> None:
    """The refusal says what weakens it and how it is released all the same, and leaves the file as it was."""
    path = tmp_path / "letter.lock.json"
    lock.write(_tries(3), path)
    before = path.read_bytes()
    with pytest.raises(
        PlanError, match=r"weakens its plan: thrice gets 4 attempts, it had 3\. Release it with .*--weaken"
    ):
        lock.write(_tries(4), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
    assert lock.write(_tries(4), path, weaken=True)
    assert lock.write(_tries(2), path)


def test_lock_of_a_plan_that_got_weaker_says_so(tmp_path: Path) -> None:
    """The mark names the plan that was weakened; a plan that is not weaker bears none, whatever was allowed."""
    path = tmp_path / "letter.lock.json"
    for attempts in (3, 4, 2):
        lock.write(_tries(attempts), path, weaken=True)
    found = lock.read(path)
    assert found is not None
    assert [locked.weakens for locked in found.plans] == ["", _tries(3).plan.digest, ""]


def test_lock_whose_mark_was_taken_out_is_not_released(tmp_path: Path) -> None:
    """A weaker plan that came into the file by another way than --weaken is found, and can be marked."""
    path = tmp_path / "letter.lock.json"
    for attempts in (3, 4):
        lock.write(_tries(attempts), path, weaken=True)
    marked = path.read_bytes()
    path.write_bytes(marked.replace(f'"weakens": "{_tries(3).plan.digest}"'.encode(), b'"weakens": ""'))
    standing = lock.standing(_tries(4), path)
    assert (standing.released, standing.unmarked, standing.weakens) == (False, True, True)
    with pytest.raises(PlanError, match="a released plan weakens the one before"):
        lock.write(_tries(4), path)
    lock.write(_tries(4), path, weaken=True)
    assert path.read_bytes() == marked


def test_lock_that_hides_a_weaker_plan_behind_the_newest_is_not_released(tmp_path: Path) -> None:
    """A plan that weakens nothing, put behind one that does, does not make that one pass; nor does a new release."""
    path = tmp_path / "letter.lock.json"
    for attempts in (3, 5, 4):
        lock.write(_tries(attempts), path, weaken=True)
    marked = path.read_bytes()
    path.write_bytes(marked.replace(f'"weakens": "{_tries(3).plan.digest}"'.encode(), b'"weakens": ""'))
    standing = lock.standing(_tries(4), path)
    assert (standing.released, standing.unmarked, standing.weakens) == (False, True, True)
    assert lock.standing(_tries(2), path).weakens
    with pytest.raises(PlanError, match="a released plan weakens the one before"):
        lock.write(_tries(2), path)
    lock.write(_tries(4), path, weaken=True)
    assert path.read_bytes() == marked


def test_release_of_an_earlier_plan_leaves_every_weaker_one_marked(tmp_path: Path) -> None:
    """The plan that comes to stand before a weaker one, since another has moved to the end, is the one it names."""
    path = tmp_path / "letter.lock.json"
    for attempts in (3, 5, 4):
        lock.write(_tries(attempts), path, weaken=True)
    lock.write(_tries(5), path, weaken=True)
    found = lock.read(path)
    assert found is not None
    three, four = _tries(3).plan.digest, _tries(4).plan.digest
    assert [locked.weakens for locked in found.plans] == ["", three, four]
    assert lock.standing(_tries(5), path).released


def test_lock_without_marks_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    """Files that were written before there were marks are good."""
    path = tmp_path / "letter.lock.json"
    lock.write(_one(), path)
    data = json.loads(path.read_text())
    del data["plans"][0]["weakens"]
    path.write_text(json.dumps(data))
    assert lock.standing(_one(), path).released


def test_lock_says_which_code_was_released(tmp_path: Path) -> None:
    """A digest for each function; where it is another, or was never recorded, releasing the plan again records it."""
    path = tmp_path / "letter.lock.json"
    lock.write(_one(), path)
    standing = lock.standing(_one(), path)
    assert (standing.recorded, standing.recoded) == (True, {})
    now = standing.coded["stage:first"].digest
    data = json.loads(path.read_text())
    assert data["plans"][0]["digests"] == {"stage:first": now}
    for then, recoded in (({"stage:first": "0" * 64}, {"stage:first": ("0" * 64, now)}), ({}, {}), (None, {})):
        if then is None:
            del data["plans"][0]["digests"]  # as it was before there were any
        else:
            data["plans"][0]["digests"] = then
        path.write_text(json.dumps(data))
        standing = lock.standing(_one(), path)
        assert (standing.released, standing.recorded, standing.recoded) == (True, False, recoded)
        assert lock.write(_one(), path)
        assert not lock.write(_one(), path)
        data = json.loads(path.read_text())


@pytest.mark.parametrize("digests", [{"stage:first": "0" * 63}, {"stage:first": "x" * 64}, {"stage:other": "0" * 64}])
def test_lock_with_a_digest_of_code_that_can_be_none_is_refused(tmp_path: Path, digests: Any) -> None:
    """Nothing but digests, and of functions of the plan alone, goes on to logs and terminals."""
    path = tmp_path / "letter.lock.json"
    lock.write(_one(), path)
    data = json.loads(path.read_text())
    data["plans"][0]["digests"] = digests
    path.write_text(json.dumps(data))
    with pytest.raises(ConfigError, match="has a digest of code that can be none"):
        lock.standing(_one(), path)


def test_standing_says_what_changed_and_what_moved(tmp_path: Path) -> None:
    """Nothing released, the same, another plan, the same plan with functions elsewhere."""
    path = tmp_path / "letter.lock.json"
    assert lock.standing(_one(), path).newest is None
    assert not lock.standing(_one(), path).released
    lock.write(_one(), path)
    assert lock.standing(_one(), path).released
    said = [change.what for change in lock.standing(_two(), path).changes]
    assert said == ["a run gives second instead of draft", "first is now named draft", "stage second added"]
    data = json.loads(path.read_text())
    data["plans"][0]["code"] = {"stage:first": "elsewhere:first"}
    path.write_text(json.dumps(data))
    moved = lock.standing(_one(), path)
    assert moved.moved == {"stage:first": ("elsewhere:first", f"{__name__}:first")}
    assert (moved.released, moved.weakens) == (False, False)
    assert lock.write(_one(), path)
    assert lock.standing(_one(), path).released
