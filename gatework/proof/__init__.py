"""The proof of a run: its ledger, and the certificate that carries it elsewhere."""
