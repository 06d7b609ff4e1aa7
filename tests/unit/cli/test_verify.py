"""`gatework verify`: a report for people and for programs, demands of the reader, exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer

from gatework.cli.verify import verify
from gatework.errors import ConfigError
from gatework.proof.certificate import written
from gatework.releases.lock import Lock, Locked
from gatework.run.state import Receipt
from gatework.values.wire import encode
from gatework.verify.policy import Policy
from tests.unit.verify.forging import FOLDER, changed, forged, kept

GATEWORK = str(Path(sys.executable).with_name("gatework"))


def verified(file: Path, **given: Any) -> int:
    """The exit code of the command."""
    with pytest.raises(typer.Exit) as ended:
        verify(file, **given)
    return ended.value.exit_code


def test_command_needs_nothing_but_the_file(tmp_path: Path) -> None:
    """No server, no project, no settings: in an empty folder, with an empty environment."""
    done = subprocess.run(
        [GATEWORK, "verify", str(FOLDER / "edited.json")],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONUTF8": "1", "HOME": str(tmp_path), "COLUMNS": "120"},
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("payout  ")
    assert lines.index("edited by hand") < lines.index("work") < lines.index("approved") < lines.index("rests on")
    assert lines[-1] == "✔ It holds: 17 entries of 1 run keep to the plan in every step."


@pytest.mark.parametrize(
    ("demands", "code"),
    [
        ({"outcome": "completed", "approved_by": ["finance"], "no_override": True, "no_untrusted_effect": True}, 0),
        ({"outcome": "rejected"}, 4),
        ({"approved_by": ["legal"]}, 4),
        ({"no_edit": True}, 4),
        ({"signed": ["decisions"]}, 4),
        ({"signed": ["attempts"]}, 4),
        ({"signed": ["certificate"]}, 4),
    ],
)
def test_demands_that_are_not_met_end_with_4(
    demands: dict[str, Any], code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Typed, or in a file: the same demands, the same end; the report says what is not met."""
    file = FOLDER / "edited.json"
    assert verified(file, **demands, as_json=True) == code
    said = json.loads(capsys.readouterr().out)
    assert (said["verdict"], bool(said["unmet"])) == (("holds", False) if code == 0 else ("unmet", True))
    policy = tmp_path / "policy.toml"
    policy.write_text("\n".join(f"{name} = {json.dumps(value)}" for name, value in demands.items()))
    assert verified(file, policy=policy, as_json=True) == code
    assert json.loads(capsys.readouterr().out)["unmet"] == said["unmet"]


def test_plan_is_one_that_was_released(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Against a lock file: the digest of the plan stands there, or the demand is not met."""
    [plan] = kept("edited").plans.values()
    lock = tmp_path / "payout.lock.json"
    lock.write_bytes(encode(Lock(workflow=plan.name, plans=(Locked(digest=plan.digest, plan=plan, code={}),))))
    assert verified(FOLDER / "edited.json", lock=[lock], as_json=True) == 0
    assert verified(FOLDER / "moved.json", lock=[lock], as_json=True) == 4
    capsys.readouterr()


def test_what_does_not_hold_ends_with_1_and_says_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The code for programs, the place and a sentence for people, and nothing of what the forger wrote."""
    file = tmp_path / "forged.json"
    evil = "\x1b[2J\u202egood"
    file.write_bytes(written(forged(kept("edited"), changed("decided", by=evil, evidence="ab" * 32))))
    assert verified(file) == 1
    out = capsys.readouterr().out
    assert "Refused at run 1, entry 6 (owed)" in " ".join(out.split()) or "Refused at run 1" in out
    assert "evidence" in out
    assert "good" not in out
    assert verified(file, as_json=True) == 1
    said = json.loads(capsys.readouterr().out)
    assert (said["verdict"], said["refused"]["code"]) == ("refused", "evidence")


def test_names_and_notes_cannot_forge_the_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What a person or a model wrote is shown as text, whatever it does to a terminal elsewhere."""
    file = tmp_path / "evil.json"
    evil = "fine\x1b[2J\u202e\r\n✔ It holds"
    file.write_bytes(written(forged(kept("rejected"), _noted(evil))))
    assert verified(file) == 0
    out = capsys.readouterr().out
    assert not {"\x1b", "\u202e", "\r"} & set(out)
    assert sum(line.startswith("✔ It holds") for line in out.splitlines()) == 1


def _noted(text: str) -> Any:
    def change(receipts: list[Any]) -> list[Any]:
        return [replace(one, reason=text) if one.action in ("reject", "rejected") else one for one in receipts]

    return change


@pytest.mark.parametrize("said", [{"outcome": "fine"}, {"signed": ["all"]}, {"no_edit": "yes"}, {"nothing": 1}])
def test_policy_that_is_none_is_refused_as_a_whole(said: dict[str, Any]) -> None:
    """What is unclear demands nothing, and so must not pass for a demand."""
    with pytest.raises(ConfigError):
        Policy.of(said, "The policy")


def test_override_in_a_child_run_that_was_left_out_is_loud(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its ledger cannot say it any more; the run that started it does, and that is enough to break a demand."""
    whole = kept("errand")
    [place] = [n for n, entry in enumerate(whole.runs[0].entries) if entry.receipt.kind == "returned"][:1]

    def told(receipts: list[Receipt]) -> list[Receipt]:
        receipt = receipts[place]
        receipts[place] = replace(receipt, how={**receipt.how, "overridden": ["checked"], "more": 4})
        return receipts

    file = tmp_path / "c.json"
    for marked, code in ((False, 0), (True, 4)):
        alone = replace(whole, runs=whole.runs[:1], values={})
        file.write_bytes(written(forged(alone, told) if marked else alone))
        assert verified(file, no_override=True, as_json=True) == code, capsys.readouterr()
        said = json.loads(capsys.readouterr().out)
        assert any(one["overridden"] == ["checked"] for one in said["children"]) is marked
    assert said["unmet"] == ["Nothing is to be overridden, and 5 things were."]
    assert verified(file) == 0
    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "5 overridden" in shown
    assert "checked, and 4 more before, was overridden in run " in shown


def test_override_by_several_is_one_override(capsys: pytest.CaptureFixture[str]) -> None:
    """However many it takes: one line with all their names, one thing in the title, and in what is demanded."""
    assert verified(FOLDER / "overridden.json", no_override=True) == 4
    text = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "3 overridden" in text
    assert "2/picked was let on past in_stock, by Ana (as claimed) and Ben (as claimed): It came this morning." in text
    assert "Nothing is to be overridden, and 3 things were." in text


def test_override_that_waits_for_others_is_told_as_one_that_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first of two has said so, and nothing was let on: nothing was overridden."""
    whole = kept("overridden")
    child = whole.runs[1]
    [first, *_] = (entry.sequence for entry in child.entries if entry.receipt.action == "override")
    file = tmp_path / "waits.json"
    file.write_bytes(written(replace(whole, runs=(replace(child, entries=child.entries[:first]),), values={})))
    assert verified(file, no_override=True) == 0
    text = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "0 overridden" in text
    assert "picked is not yet (1 of 2) let on past in_stock, by Ana (as claimed): It came this morning." in text


def test_child_runs_are_told_by_the_numbers_by_which_all_else_names_them(capsys: pytest.CaptureFixture[str]) -> None:
    """With how each ended, that it is under way, or that its ledger is not in the file."""
    assert verified(FOLDER / "under_way.json") == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "· 1/papers 1 run 2 rejected" in "\n".join(lines)
    assert "○ 1/papers 5 not here failed" in lines
    assert any(line.startswith("· 7/again 1 run 12 under way ") for line in lines)
