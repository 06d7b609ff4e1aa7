"""The command line: `gatework`, for operators and for those who write plans."""
