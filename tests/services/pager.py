"""A receiver of webhooks on loopback, as bad as receivers are: what it does with a message stands in the path.

`python pager.py FILE PORT [CERTIFICATE]` serves until it is killed, and writes each request that it has read to FILE, a
line of JSON each, before it does anything else. Nothing but Python is needed.
"""

from __future__ import annotations

import http.server
import json
import os
import signal
import socket
import ssl
import sys
import time
from pathlib import Path
from typing import Any


class Service(http.server.BaseHTTPRequestHandler):
    """Every path but these answers with the number in it, and 204 without one."""

    file = Path()
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None: ...

    def do_GET(self) -> None:
        self._record("GET", b"")
        self._answer(200)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        before = self._record("POST", body)
        mood, _, number = self.path.strip("/").partition("-")
        match mood:
            case "flaky" if before < int(number):
                self._answer(503)
            case "dies" if before < int(number):
                os.kill(os.getpid(), signal.SIGKILL)
            case "hangs" if not number or before < int(number):
                time.sleep(600)
            case "leaves":
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True
            case "garbage":
                self.wfile.write(b"<html>OK</html>\r\n\r\n")
            case "drips":  # a byte now and then, without end
                self._write(b"HTTP/1.1 200 OK" + b"x" * 100, pause=0.5)
            case "long":  # a line without end
                self._write(b"HTTP/1.1 200 " + b"x" * 50_000_000)
            case "endless":  # the answer counts, and what follows has no end
                self._write(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 50_000_000)
            case "lingers":  # the answer counts, and what follows comes a byte now and then, without end
                self.wfile.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
                self._write(b"x" * 1_000, pause=0.3)
            case "early":  # it will answer, which is no answer
                self.wfile.write(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
                self._answer(204)
            case "again":  # it will answer, for ever
                self._write(b"HTTP/1.1 100 Continue\r\n\r\n" * 1_000_000)
            case "redirect":
                self._answer(308, Location="/204")
            case _:
                self._answer(int(mood) if mood.isdecimal() else 204)

    def _record(self, method: str, body: bytes) -> int:
        """How many there were before of the same id and path."""
        id = self.headers["webhook-id"]
        lines = self.file.read_text().splitlines() if self.file.exists() else []
        said = {"method": method, "path": self.path, "headers": dict(self.headers.items()), "body": body.decode()}
        with self.file.open("a") as file:
            file.write(json.dumps(said) + "\n")
        return sum(
            (line["headers"].get("webhook-id"), line["path"]) == (id, self.path) for line in map(json.loads, lines)
        )

    def _answer(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _write(self, data: bytes, *, pause: float = 0) -> None:
        try:
            for start in range(0, len(data), size := 1 if pause else len(data)):
                self.connection.sendall(data[start : start + size])
                time.sleep(pause)
        except OSError:  # nobody listens any more
            pass
        self.close_connection = True


class Quiet(http.server.ThreadingHTTPServer):
    """Says nothing of connections that were cut."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None: ...


def serve(path: str, port: int, certificate: str = "") -> None:
    Service.file = Path(path)
    with Quiet(("127.0.0.1", port), Service) as server:
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        print("ready", server.server_address[1], flush=True)
        server.serve_forever()


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]), *sys.argv[3:])
