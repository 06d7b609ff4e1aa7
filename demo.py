"""Refund mails through a real model on a real Temporal server: `make demo`, or `.venv/bin/python demo.py --help`."""

import sys
import time

STARTED = time.monotonic()

if sys.version_info < (3, 11):  # noqa: UP036  # written so that an older Python can say it
    sys.exit("Gatework needs Python 3.11 or newer, and this is another: run `make demo`, which finds one.")

try:
    from gatework.temporal.transport.connection import leave
    from showcase.main import main
except ModuleNotFoundError as missing:
    sys.exit(f"The package {missing.name} is not installed for {sys.executable}: run `make demo`, which sets up .venv.")

if __name__ == "__main__":
    leave(main(sys.argv[1:], started=STARTED))
