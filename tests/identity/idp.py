"""A real identity provider (npm `oidc-provider`) as a process, and agents that get their tokens from it."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)

from tests import npm

SECRET = "a-secret-of-an-agent-0123456789"
OWN_SECRET = "the-gateways-own-secret-0123456789"


def new_key() -> EllipticCurvePrivateKey:
    return generate_private_key(SECP256R1())


def jwk(key: EllipticCurvePrivateKey, private: bool = False, **more: str) -> dict[str, Any]:
    """A key as a JWK."""
    said = jwt.algorithms.ECAlgorithm.to_jwk(key if private else key.public_key(), as_dict=True)
    return {**said, **more}


def digest(raw: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(raw).digest()).decode().rstrip("=")


def thumbprint(key: EllipticCurvePrivateKey) -> str:
    """RFC 7638, by hand."""
    members = {name: jwk(key)[name] for name in ("crv", "kty", "x", "y")}
    return digest(json.dumps(members, separators=(",", ":")).encode())


def proof(key: EllipticCurvePrivateKey, url: str, method: str = "POST", **claims: Any) -> str:
    """A DPoP proof (RFC 9449). A claim that is `...` is left out."""
    said = {"htm": method, "htu": url, "iat": int(time.time()), "jti": secrets.token_hex(8)}
    kept = {name: value for name, value in {**said, **claims}.items() if value is not ...}
    return jwt.encode(kept, key, algorithm="ES256", headers={"typ": "dpop+jwt", "jwk": jwk(key)})


@dataclass(frozen=True)
class Provider:
    """It answers. `triage-1` has a key, `triage-2` a secret."""

    issuer: str
    agent_key: EllipticCurvePrivateKey = field(default_factory=new_key)

    def token(
        self,
        resource: str,
        scope: str = "mcp:data",
        *,
        agent: str = "triage-1",
        bound_to: EllipticCurvePrivateKey | None = None,
    ) -> str:
        """An access token for one endpoint, by client credentials."""
        url = f"{self.issuer}/token"
        asked = {"grant_type": "client_credentials", "resource": resource, "scope": scope}
        headers = {"dpop": proof(bound_to, url)} if bound_to else {}
        if agent == "triage-1":
            asked |= {
                "client_id": agent,
                "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                "client_assertion": self._assertion(agent),
            }
        basic = None if agent == "triage-1" else (agent, SECRET)
        reply = httpx.post(url, data=asked, headers=headers, auth=basic, timeout=20)
        assert reply.status_code == 200, reply.text
        return str(reply.json()["access_token"])

    def revoke(self, token: str) -> None:
        """A token of `triage-2`, from now on."""
        pair = ("triage-2", SECRET)
        reply = httpx.post(
            f"{self.issuer}/token/revocation", data={"token": token}, auth=pair, timeout=20
        )
        assert reply.status_code == 200, reply.text

    def _assertion(self, agent: str) -> str:
        now = int(time.time())
        said = {
            "iss": agent,
            "sub": agent,
            "aud": self.issuer,
            "iat": now,
            "exp": now + 60,
            "jti": secrets.token_hex(8),
        }
        return jwt.encode(said, self.agent_key, algorithm="ES256", headers={"kid": "agent"})


@contextmanager
def providing(tokens: str = "jwt") -> Iterator[Provider]:
    """The provider, until it is left. `tokens`: jwt, or opaque. The gateway is its client `bulkhead`."""
    agent_key = new_key()
    client = {
        "grant_types": ["client_credentials"],
        "redirect_uris": [],
        "response_types": [],
        "id_token_signed_response_alg": "ES256",
        "scope": "mcp:data mcp:tool mcp:admin",
    }
    clients = [
        {
            **client,
            "client_id": "triage-1",
            "token_endpoint_auth_method": "private_key_jwt",
            "token_endpoint_auth_signing_alg": "ES256",
            "jwks": {"keys": [jwk(agent_key, kid="agent", use="sig", alg="ES256")]},
        },
        {**client, "client_id": "triage-2", "client_secret": SECRET},
        {**client, "client_id": "bulkhead", "client_secret": OWN_SECRET},
    ]
    key = jwk(new_key(), private=True, kid="idp", use="sig", alg="ES256")
    with npm.serving("idp.mjs", IDP_CLIENTS=clients, IDP_KEY=key, IDP_FORMAT=tokens) as issuer:
        yield Provider(issuer, agent_key)
