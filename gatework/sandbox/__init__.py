"""Programs that nobody vouches for, run by bubblewrap: no network, one folder, limits. See docs/containment.md."""

from __future__ import annotations

from gatework.sandbox.box import Ran, Sandbox
from gatework.sandbox.folder import FolderError, new_folder
from gatework.sandbox.supervise import SandboxError

__all__ = ["FolderError", "Ran", "Sandbox", "SandboxError", "new_folder"]
