"""What a run knows, takes and leaves: its state, its events, its receipts."""
