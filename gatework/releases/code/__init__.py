"""Which code a function runs: one digest of it and of all that it names in its own project."""

from gatework.releases.code.digests import Coded, Codes

__all__ = ["Coded", "Codes"]
