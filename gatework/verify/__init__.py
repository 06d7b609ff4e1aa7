"""Verifying a certificate offline, without the machine that made it: docs/spec/ledger.md says what must hold."""
