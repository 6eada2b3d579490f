"""How the gateway proves itself as a client of an authorization server.

RFC 6749 (2.3.1), RFC 7523 (`private_key_jwt`). It sends nothing itself.
"""

from __future__ import annotations

import time
import uuid
from base64 import b64encode
from pathlib import Path
from typing import Final
from urllib.parse import quote

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from gateway.config.clients import ClientSettings
from gateway.credential_ports import NoCredential
from gateway.credentials.references import Reference

ASSERTION: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
Fields = dict[str, str]


class Client:
    """The gateway at one authorization server."""

    def __init__(self, settings: ClientSettings, home: Path) -> None:
        """`home`: what files are relative to."""
        self._settings = settings
        proof = settings.client_secret or settings.private_key
        assert proof is not None
        self._proof = Reference(proof, home)
        self._proof.warn_if_open()
        self._loaded: tuple[str, PrivateKeyTypes] | None = None

    def proof(self, audience: str) -> tuple[dict[str, str], Fields]:
        """Headers and form fields that prove it. `audience`: whom an assertion is for. Raises `NoCredential`."""
        settings, proof = self._settings, self._proof.read()
        if settings.private_key is not None:
            return {}, {
                "client_id": settings.client_id,
                "client_assertion_type": ASSERTION,
                "client_assertion": self._assertion(proof, audience),
            }
        if settings.authenticate == "post":
            return {}, {"client_id": settings.client_id, "client_secret": proof}
        pair = f"{quote(settings.client_id, safe='')}:{quote(proof, safe='')}"
        return {"authorization": f"Basic {b64encode(pair.encode()).decode()}"}, {}

    def _assertion(self, pem: str, audience: str) -> str:
        now = int(time.time())
        claims = {
            "iss": self._settings.client_id,
            "sub": self._settings.client_id,
            "aud": audience,
            "jti": str(uuid.uuid4()),
            "iat": now,
            "exp": now + 60,
        }
        headers = {"kid": self._settings.key_id} if self._settings.key_id else None
        try:
            key = self._key(pem)
            return jwt.encode(claims, key, _algorithm(key), headers)  # type: ignore[arg-type]
        except (ValueError, TypeError, UnsupportedAlgorithm, jwt.PyJWTError):
            raise NoCredential(f"{self._proof}: not a private key in PEM", nothing=True) from None

    def _key(self, pem: str) -> PrivateKeyTypes:
        """Loaded once: that it is sound takes a tenth of a second to tell of RSA, a second where it is large, and all
        calls would wait for it. Raises as `load_pem_private_key`."""
        if self._loaded is None or self._loaded[0] != pem:
            self._loaded = pem, load_pem_private_key(pem.encode(), None)
        return self._loaded[1]


def _algorithm(key: object) -> str:
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "EdDSA"
    if isinstance(key, rsa.RSAPrivateKey):
        return "RS256"
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.key_size == 256:
        return "ES256"
    raise ValueError
