"""`gatework keys`: makes a key that only its owner can read, and the entry that the list of people takes."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from gatework.signing.keys import PrivateKey
from gatework.signing.roster import People
from tests.workflow.terminal import Terminal

GATEWORK = str(Path(sys.executable).with_name("gatework"))
WORD = "correct horse battery"


def typed(home: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """A command without a terminal."""
    return subprocess.run(
        [GATEWORK, "keys", *arguments],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        cwd=home,
        env={"HOME": str(home), "PATH": os.environ["PATH"], "PYTHONUTF8": "1", **env},
    )


@pytest.mark.parametrize("name", ["ana", "Ana Pérez", 'Ana "the" \\ Great', "Ана", "-", "../../ana"])
def test_new_key_prints_the_entry_that_the_list_takes(tmp_path: Path, name: str) -> None:
    """Standard output is the entry and nothing else; the private key lies in a file of its owner's alone."""
    done = typed(tmp_path, "new", "--role", "finance", "--role", "ops", "--", name)
    assert done.returncode == 0, done.stderr
    ((listed, person),) = People.of(done.stdout.encode(), "people.toml").persons.items()
    assert (listed, sorted(person.roles)) == (name, ["finance", "ops"])
    folder = tmp_path / ".config" / "gatework"
    (file,) = folder.iterdir()
    assert (stat.S_IMODE(file.stat().st_mode), stat.S_IMODE(folder.stat().st_mode)) == (0o600, 0o700)
    ((id, key),) = person.keys.items()
    assert key.public == PrivateKey.read(file, lambda: "").public
    assert id == key.public.id
    assert str(file) in done.stderr
    assert "PRIVATE" not in done.stdout + done.stderr


def test_keys_are_shown_without_their_private_half(tmp_path: Path) -> None:
    """`show` says what the list needs; `--json` of both says the same."""
    file = tmp_path / "ana.pem"
    made = json.loads(typed(tmp_path, "new", "ana", "--out", str(file), "--json").stdout)
    shown = json.loads(typed(tmp_path, "show", str(file), "--json").stdout)
    assert shown == {"key": made["key"], "id": made["id"]}
    assert typed(tmp_path, "show", str(file)).stdout == f"{made['key']}\nid {made['id']}\n"


def test_check_signs_as_a_worker_would_and_says_whose_key_it_is(tmp_path: Path) -> None:
    """`check` says what the list of people has of the worker's key, and fails where signatures would show nothing."""
    file, people = tmp_path / "w.pem", tmp_path / "people.toml"
    made = typed(tmp_path, "new", "worker-1", "--role", "worker", "--out", str(file))
    settings = {"GATEWORK_WORKER_KEY": f"file:{file}", "GATEWORK_PEOPLE": str(people)}
    for listed, code, says in (
        (made.stdout, 0, "has it as worker-1: worker."),
        (made.stdout.replace('"worker"', '"finance"'), 1, "neither in the role worker nor in guard"),
        (made.stdout.replace("from = ", "from = 2000-01-01\nuntil = "), 1, "it does not hold now"),
        ('[ana]\nroles = ["finance"]\n', 1, "does not have it"),
    ):
        people.write_text(listed)
        os.utime(people, (1_000_000_000, 1_000_000_000))
        done = typed(tmp_path, "check", **settings)
        assert (done.returncode, says in done.stdout) == (code, True), done
    assert "PRIVATE" not in done.stdout + done.stderr


def test_check_finds_the_function_of_the_project_as_the_worker_does(tmp_path: Path) -> None:
    """Also from a folder below: the root is where `workflows` is."""
    typed(tmp_path, "new", "worker-1", "--out", str(tmp_path / "w.pem"))
    (tmp_path / "workflows").mkdir()
    (tmp_path / "key_service.py").write_text(
        "from pathlib import Path\nfrom gatework.signing.keys import PrivateKey\n"
        "def made(): return PrivateKey.read(Path(__file__).parent / 'w.pem', lambda: '')\n"
    )
    id = json.loads(typed(tmp_path, "show", str(tmp_path / "w.pem"), "--json").stdout)["id"]
    below = tmp_path / "workflows"
    done = typed(below, "check", "--json", GATEWORK_WORKER_KEY="call:key_service:made")
    assert (done.returncode, json.loads(done.stdout or "{}").get("id")) == (0, id), done.stderr


def test_passphrase_comes_from_the_environment(tmp_path: Path) -> None:
    """With GATEWORK_KEY_PASSPHRASE the file is sealed, and opened, without anybody being asked."""
    file = tmp_path / "ana.pem"
    typed(tmp_path, "new", "ana", "--out", str(file), GATEWORK_KEY_PASSPHRASE=WORD)
    assert b"ENCRYPTED" in file.read_bytes()
    assert typed(tmp_path, "show", str(file), GATEWORK_KEY_PASSPHRASE=WORD).returncode == 0
    wrong = typed(tmp_path, "show", str(file), GATEWORK_KEY_PASSPHRASE="wrong")
    assert (wrong.returncode, wrong.stdout) == (3, "")
    assert "or its passphrase is another" in wrong.stderr
    nobody = typed(tmp_path, "show", str(file))
    assert (nobody.returncode, nobody.stdout) == (2, "")
    assert "set GATEWORK_KEY_PASSPHRASE" in nobody.stderr


def test_passphrase_is_typed_unseen(tmp_path: Path) -> None:
    """At a terminal it is asked for, twice for a new key, and shown nowhere."""
    file = tmp_path / "ana.pem"
    env = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    with Terminal(GATEWORK, "keys", "new", "ana", "--out", str(file), "--passphrase", folder=tmp_path, env=env) as new:
        new.shows("Passphrase: ")
        new.types(f"{WORD}\n")
        new.shows("The same again: ")
        new.types(f"{WORD}\n")
        new.shows("with a passphrase")
        assert new.ends() == 0
        assert WORD.encode() not in new.raw
    with Terminal(GATEWORK, "keys", "show", str(file), folder=tmp_path, env=env) as show:
        show.shows("Passphrase of the key: ")
        show.types(f"{WORD}\n")
        show.shows("ed25519:")
        assert show.ends() == 0
        assert WORD.encode() not in show.raw


def test_passphrases_that_differ_make_nothing(tmp_path: Path) -> None:
    """A passphrase that was mistyped would lock the key away."""
    file = tmp_path / "ana.pem"
    env = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    with Terminal(GATEWORK, "keys", "new", "ana", "--out", str(file), "--passphrase", folder=tmp_path, env=env) as new:
        new.shows("Passphrase: ")
        new.types("one\n")
        new.shows("The same again: ")
        new.types("other\n")
        new.shows("nothing was made")
        assert new.ends() == 2
    assert not file.exists()


def test_passphrase_is_no_option(tmp_path: Path) -> None:
    """A word on the command line could be read by every user of the machine, so none is taken there."""
    done = typed(tmp_path, "new", "ana", "--out", str(tmp_path / "a.pem"), f"--passphrase={WORD}")
    assert done.returncode == 2
    assert WORD not in done.stdout + done.stderr
    assert not (tmp_path / "a.pem").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("new", "ana: yes"), 2, "NAME has a colon"),
        (("new", "ana\u202e"), 2, "NAME is not printable"),
        (("new", "ana", "--role", "a b"), 2, "is no name of a role"),
        (("new", "ana", "--out", "/no/such/place/ana.pem"), 3, "cannot be written"),
        (("show", "/no/such/place/ana.pem"), 3, "cannot be read"),
        (("show", "."), 3, "is no file"),
    ],
)
def test_what_cannot_be_is_one_sentence(tmp_path: Path, arguments: tuple[str, ...], code: int, says: str) -> None:
    """Every refusal is one sentence, and makes nothing."""
    done = typed(tmp_path, *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())
