"""How the gateway proves itself as a client: what it costs each time, and a key that is replaced meanwhile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from gateway.config.clients import ClientSettings, Secret
from gateway.credential_ports import NoCredential
from gateway.credentials import client as module
from gateway.credentials.client import Client


def new_key(file: Path) -> ec.EllipticCurvePrivateKey:
    key = ec.generate_private_key(ec.SECP256R1())
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return key


def test_a_key_is_loaded_once_and_anew_when_it_was_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever shows a strange token makes the gateway prove itself, and an RSA key takes long to load."""
    loads: list[bytes] = []

    def load(pem: bytes, password: None) -> Any:
        loads.append(pem)
        return load_pem_private_key(pem, password)

    monkeypatch.setattr(module, "load_pem_private_key", load)
    settings = ClientSettings(client_id="bulkhead", private_key=Secret(file="key"))
    client = Client(settings, tmp_path)
    for _ in range(2):
        key = new_key(tmp_path / "key")
        for _ in range(3):
            _, form = client.proof("https://as.example")
            said = jwt.decode(
                form["client_assertion"],
                key.public_key(),
                algorithms=["ES256"],
                audience="https://as.example",
            )
            assert said["sub"] == "bulkhead"
    assert len(loads) == 2
    (tmp_path / "key").write_text("no key any more")
    with pytest.raises(NoCredential, match="not a private key in PEM"):
        client.proof("https://as.example")
