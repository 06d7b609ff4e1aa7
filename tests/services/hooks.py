"""The receiver of webhooks as the tests have it, what it got, and its certificate."""

from __future__ import annotations

import base64
import ipaddress
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from standardwebhooks import Webhook

from tests.services import pager
from tests.services.kept import Kept

KEY = bytes(range(32))
SECRET = f"whsec_{base64.b64encode(KEY).decode()}"


class Pager(Kept):
    """The receiver, up again soon whenever it has died."""

    def __init__(self, folder: Path, certificate: Path | None = None) -> None:
        self.path = folder / "pager.jsonl"
        self.tls = certificate is not None
        super().__init__(str(pager.__file__), str(self.path), *([str(certificate)] if certificate else []))

    def at(self, mood: str, host: str = "127.0.0.1") -> str:
        """The address at which it is of a mood."""
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}/{mood}"

    def got(self, mood: str = "") -> list[dict[str, Any]]:
        """The requests that it has read, in order."""
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        return [line for line in map(json.loads, lines) if not mood or line["path"] == f"/{mood}"]

    def messages(self, mood: str = "") -> list[dict[str, Any]]:
        """The messages, each verified as the reference does."""
        return [verified(line) for line in self.got(mood)]


def verified(line: Mapping[str, Any], secret: str = SECRET) -> dict[str, Any]:
    """A message, once the reference implementation of Standard Webhooks has verified it."""
    headers = {name.lower(): value for name, value in line["headers"].items()}
    Webhook(secret).verify(line["body"].encode(), headers)
    message: dict[str, Any] = json.loads(line["body"])
    assert message["id"] == headers["webhook-id"]
    return message


def certificate(folder: Path, *, host: str = "", days: int = 1) -> Path:
    """A certificate that signs itself, with its key: for 127.0.0.1, or for a host."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hooks")])
    of = x509.DNSName(host) if host else x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=10))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([of]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / f"certificate{host}{days}.pem"
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(pem + made.public_bytes(serialization.Encoding.PEM))
    return file
