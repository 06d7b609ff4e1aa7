"""A payment service on loopback, as bad as services are: what it does with a payment stands in the order's name.

`python payments.py DATABASE PORT` serves until it is killed. An order such as `A-1-lost` has its reply lost, once; then
the service behaves, so that whoever asks again finds out. Nothing but Python is needed.
"""

from __future__ import annotations

import http.server
import json
import os
import signal
import socket
import sqlite3
import sys
import time
from contextlib import closing
from typing import Any

TOKEN = "hush-4711"
LATE_SECONDS = 3.0

MOODS = (
    "unheard",  # the connection ends before anything is done
    "lost",  # it is done, and the connection ends without a word
    "late",  # it is done, and the reply comes when nobody waits any more
    "before",  # 500, and nothing was done
    "after",  # 500, and it was done
    "twice",  # whatever stands between delivers the request twice, and both replies come
    "garbage",  # it is done, and the reply is no JSON
    "other",  # it is done, and the reply is about another order
    "refused",  # 422, every time
    "dies-before",  # the service is killed before it does anything
    "dies-inside",  # in its transaction
    "dies-after",  # after it, without a reply
)


def create(path: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as bank:
        bank.execute("PRAGMA journal_mode = WAL")
        bank.execute("CREATE TABLE IF NOT EXISTS payments (key TEXT, number TEXT, cents INTEGER)")
        bank.execute("CREATE TABLE IF NOT EXISTS had (key TEXT PRIMARY KEY)")
        bank.execute("CREATE TABLE IF NOT EXISTS requests (method TEXT, key TEXT)")


class Service(http.server.BaseHTTPRequestHandler):
    """Honours keys, unless an order says `forgetful`: then every request pays."""

    path_of_bank = ""
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None: ...

    def do_GET(self) -> None:
        key = self.path.rpartition("/")[2]
        if not self._trusted("GET", key):
            return
        with closing(self._bank()) as bank:
            row = bank.execute("SELECT key, number, cents FROM payments WHERE key = ?", (key,)).fetchone()
        self._reply(200 if row else 404, _said(row) if row else {"error": "no such payment"})

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        key, number, cents = asked["key"], asked["order"], asked["cents"]
        if not self._trusted("POST", key):
            return
        mood = next((mood for mood in sorted(MOODS, key=len, reverse=True) if number.endswith(f"-{mood}")), "")
        if mood == "refused":
            self._reply(422, {"error": "closed account"})
            return
        with closing(self._bank()) as bank:
            # Written before anything else, so that a service that is started again has had its mood.
            if bank.execute("INSERT OR IGNORE INTO had VALUES (?)", (key,)).rowcount == 0:
                mood = ""
        if mood == "dies-before":
            os.kill(os.getpid(), signal.SIGKILL)
        if mood == "unheard":
            self._hang_up()
            return
        if mood == "before":
            self._reply(500, {"error": "try later"})
            return
        self._pay(key, number, cents, inside=mood == "dies-inside")
        if mood == "dies-after":
            os.kill(os.getpid(), signal.SIGKILL)
        if mood == "lost":
            self._hang_up()
            return
        if mood == "late":
            time.sleep(LATE_SECONDS)
        if mood == "after":
            self._reply(500, {"error": "try later"})
            return
        if mood == "garbage":
            self._raw(200, b"<html>OK</html>")
            return
        if mood == "twice":
            self._pay(key, number, cents, inside=False)
            self._reply(200, _said((key, number, cents)))
        self._reply(200, _said((key, "another" if mood == "other" else number, cents)))

    def _pay(self, key: str, number: str, cents: int, *, inside: bool) -> None:
        with closing(self._bank()) as bank:
            bank.execute("BEGIN IMMEDIATE")
            known = bank.execute("SELECT 1 FROM payments WHERE key = ?", (key,)).fetchone()
            if known is None or "forgetful" in number:
                bank.execute("INSERT INTO payments VALUES (?, ?, ?)", (key, number, cents))
            if inside:
                os.kill(os.getpid(), signal.SIGKILL)
            bank.execute("COMMIT")

    def _bank(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path_of_bank, isolation_level=None, timeout=10)

    def _trusted(self, method: str, key: str) -> bool:
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            self._reply(401, {"error": "who are you?"})
            return False
        with closing(self._bank()) as bank:
            bank.execute("INSERT INTO requests VALUES (?, ?)", (method, key))
        return True

    def _reply(self, status: int, document: dict[str, Any]) -> None:
        self._raw(status, json.dumps(document).encode())

    def _raw(self, status: int, body: bytes) -> None:
        try:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except OSError:  # nobody listens any more
            self.close_connection = True

    def _hang_up(self) -> None:
        self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True


def _said(row: tuple[str, str, int]) -> dict[str, Any]:
    key, number, cents = row
    return {"slip": key[:8], "order": number, "amount": f"{cents // 100}.{cents % 100:02}"}


def serve(path: str, port: int) -> None:
    create(path)
    Service.path_of_bank = path
    http.server.ThreadingHTTPServer.daemon_threads = True
    with http.server.ThreadingHTTPServer(("127.0.0.1", port), Service) as server:
        print("ready", server.server_address[1], flush=True)
        server.serve_forever()


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
