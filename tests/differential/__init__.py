"""Differential tests: random plans with random outcomes, in memory and on a real Temporal server, to one ledger."""
