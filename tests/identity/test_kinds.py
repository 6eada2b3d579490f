"""Kinds of issuers, with tokens of the shape each really makes; and several at one gateway, not to be mixed up."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from gateway.config.issuers import From, IssuerSettings
from gateway.core.model import Endpoint, Evidence, Tier, WorkloadIdentity
from gateway.errors import Refused
from gateway.identity.jwt import JwtVerifier
from gateway.identity.keyfile import KeyFile
from gateway.identity.kinds import profile
from gateway.reasons import Reason

NOW = 1_800_000_000
ORIGIN = "https://gw.example.com"
URL = f"{ORIGIN}/data/mcp"
DATA, ADMIN = Endpoint("tier", Tier.DATA), Endpoint("tier", Tier.ADMIN)
TIMES = {"iat": NOW - 5, "nbf": NOW - 5, "exp": NOW + 595}
POD = {
    "namespace": "agents",
    "node": {"name": "n1", "uid": "u-n"},
    "pod": {"name": "triage-7", "uid": "5e3fd0c1-6f26-4e0d-b67b-0e3a33a3a4bb"},
    "serviceaccount": {"name": "triage", "uid": "u-s"},
}

KINDS: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, str], str]] = {
    # settings, claims, header, the task it works on
    "kubernetes": (
        {
            "issuer": "https://kubernetes.default.svc.cluster.local",
            "require": {"/kubernetes.io/namespace": "agents"},
            "agent": From(claim="sub", names={"system:serviceaccount:agents:triage": "triage-1"}),
        },
        {"sub": "system:serviceaccount:agents:triage", "aud": [URL], "kubernetes.io": POD},
        {},
        POD["pod"]["uid"],  # type: ignore[index]
    ),
    "github": (
        {"require": {"repository_id": "1234"}, "agent": From(value="triage-1")},
        {
            "iss": "https://token.actions.githubusercontent.com",
            "sub": "repo:acme/app:environment:production",
            "repository_id": "1234",
            "repository": "acme/app",
            "run_id": "987654",
            "job_workflow_ref": "acme/app/.github/workflows/deploy.yml@refs/heads/main",
        },
        {"typ": "JWT", "x5t": "eBZ_cn3sXYAd0ch4THBKHIgOwOE"},
        "987654",
    ),
    "aws": (
        {
            "issuer": "https://a1b2.tokens.sts.global.api.aws",
            "agent": From(claim="sub", names={"arn:aws:iam::123456789012:role/t": "triage-1"}),
        },
        {"sub": "arn:aws:iam::123456789012:role/t", "jti": "j"},
        {"typ": "JWT"},
        "standing",
    ),
    "gcp": (
        {"agent": From(claim="sub", names={"112233445566778899001": "triage-1"})},
        {
            "iss": "https://accounts.google.com",
            "sub": "112233445566778899001",
            "azp": "112233445566778899001",
            "email": "triage@acme.iam.gserviceaccount.com",
            "email_verified": True,
        },
        {"typ": "JWT"},
        "standing",
    ),
    "azure": (
        {
            "issuer": "https://sts.windows.net/t-1/",
            "agent": From(claim="oid", names={"o-1": "triage-1"}),
            "max_ttl": 86_700,
        },
        {
            "sub": "s-1",
            "oid": "o-1",
            "tid": "t-1",
            "ver": "1.0",
            "uti": "x",
            "iat": NOW - 300,
            "nbf": NOW - 300,
            "exp": NOW + 86_400,
        },
        {"typ": "JWT"},
        "standing",
    ),
}


class Signer:
    """One issuer: its settings, and tokens by its key."""

    def __init__(self, path: Path, kind: Any, **settings: Any) -> None:
        self.key = generate_private_key(65537, 2048)
        public = jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        public.pop("key_ops", None)
        file = path / f"{kind}.json"
        file.write_text(json.dumps({"keys": [{**public, "kid": "k1", "alg": "RS256"}]}))
        self.settings = IssuerSettings(kind=kind, **({"tiers": ("data",)} | settings))
        self.profile = profile(self.settings, KeyFile(file), "local")

    def token(self, claims: dict[str, Any], **header: Any) -> str:
        said = {"iss": self.settings.name, "aud": URL, **TIMES, **claims}
        kept = {name: value for name, value in said.items() if value is not ...}
        merged = {"kid": "k1", "typ": None, **header}
        raw = json.dumps(kept).encode()  # a JWT library would refuse what is to be refused here
        return jwt.api_jws.encode(raw, self.key, algorithm="RS256", headers=merged)


def verify(token: str, *signers: Signer, at: Endpoint = DATA) -> WorkloadIdentity:
    verifier = JwtVerifier([each.profile for each in signers], ORIGIN)
    return verifier.verify(Evidence((f"Bearer {token}",), at), NOW)


@pytest.mark.parametrize("kind", KINDS)
def test_a_platforms_token_is_believed_as_it_comes(tmp_path: Path, kind: str) -> None:
    settings, claims, header, task = KINDS[kind]
    signer = Signer(tmp_path, kind, **settings)
    identity = verify(signer.token(claims, **header), signer)
    assert (identity.agent, identity.tenant, identity.task) == ("agent:triage-1", "local", task)
    assert identity.tiers == {Tier.DATA}
    assert identity.token_id


AUTH0 = {
    "sub": "my_client_id@clients",
    "aud": [URL, "https://my-domain.auth0.com/userinfo"],
    "azp": "my_client_id",
    "exp": NOW + 86_395,
    "scope": "openid mcp:data",
    "gty": "client-credentials",
}
"""Its default profile: no `jti`, and good for a day."""


def test_a_providers_token_that_is_no_at_jwt_needs_no_number(tmp_path: Path) -> None:
    named = {"agent": From(claim="azp", names={"my_client_id": "triage-1"})}
    standing = {**named, "task": From(value="standing"), "max_ttl": 86_400, "tiers": None}
    settings = {"issuer": "https://my-domain.auth0.com/", **standing}
    signer = Signer(tmp_path, "oauth", **settings, types=("JWT",))
    identity = verify(signer.token(AUTH0, typ="JWT"), signer)
    assert identity.agent == "agent:triage-1" and identity.tiers == {Tier.DATA}
    strict = Signer(tmp_path, "oauth", **settings)
    with pytest.raises(Refused, match="jti"):
        verify(strict.token(AUTH0, typ="at+jwt"), strict)
    closed = Signer(tmp_path, "oauth", **settings, types=())
    with pytest.raises(Refused, match="type"):
        verify(closed.token(AUTH0, typ="at+jwt"), closed)


CHANGES: dict[str, tuple[str, dict[str, Any]]] = {
    "a pod of another namespace": (
        "kubernetes",
        {"kubernetes.io": {**POD, "namespace": "default"}},
    ),
    "another service account": ("kubernetes", {"sub": "system:serviceaccount:agents:db"}),
    "a legacy service account token": ("kubernetes", {"exp": ..., "iat": ..., "nbf": ...}),
    "a token for the API server too": ("kubernetes", {"aud": ["https://kubernetes"]}),
    "a repository of the same name": ("github", {"repository_id": "5678"}),
    "a repository number as a number": ("github", {"repository_id": 1234}),
    "a fork": ("github", {"repository_id": ...}),
    "another role": ("aws", {"sub": "arn:aws:iam::123456789012:role/t2"}),
    "another account": ("aws", {"sub": "arn:aws:iam::999999999999:role/t"}),
    "an email for a subject": ("gcp", {"sub": "triage@acme.iam.gserviceaccount.com"}),
    "another managed identity": ("azure", {"oid": "o-2"}),
    "another tenant's issuer": ("azure", {"iss": "https://sts.windows.net/t-2/"}),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_platforms_token_of_somebody_else_is_not(tmp_path: Path, name: str) -> None:
    kind, change = CHANGES[name]
    settings, claims, header, _ = KINDS[kind]
    signer = Signer(tmp_path, kind, **settings)
    with pytest.raises(Refused) as caught:
        verify(signer.token({**claims, **change}, **header), signer)
    assert caught.value.reason in (Reason.BAD_TOKEN, Reason.WRONG_AUDIENCE)


@pytest.mark.parametrize("kind", KINDS)
def test_what_cannot_be_bound_to_a_key_does_not_reach_the_admin_tier(
    tmp_path: Path, kind: str
) -> None:
    settings, claims, header, _ = KINDS[kind]
    signer = Signer(tmp_path, kind, **{**settings, "tiers": ("data", "admin")})
    admin = {**claims, "aud": f"{ORIGIN}/admin/mcp", "exp": NOW + 595}
    with pytest.raises(Refused) as caught:
        verify(signer.token(admin, **header), signer, at=ADMIN)
    assert caught.value.reason is Reason.BAD_PROOF


def two(path: Path) -> tuple[Signer, Signer]:
    """Two issuers that call their keys alike."""
    corp = Signer(path, "oauth", issuer="https://idp.example.com", tiers=None)
    ci = Signer(path, "github", require={"repository_id": "1234"}, agent=From(value="deployer"))
    return corp, ci


OAUTH = {"sub": "root-1", "scope": "mcp:data", "task": "T", "jti": "j"}
RUN = {"sub": "repo:x", "repository_id": "1234", "run_id": "1"}
MIXED: dict[str, Callable[[Signer, Signer], str]] = {
    "signed by one, saying it is of the other": lambda corp, ci: ci.token(
        {**OAUTH, "iss": corp.settings.name}, typ="at+jwt"
    ),
    "the other way round": lambda corp, ci: corp.token({**RUN, "iss": ci.settings.name}, typ="JWT"),
    "of one, in the other's shape": lambda corp, ci: corp.token(OAUTH, typ="JWT"),
    "of one, with the other's claims": lambda corp, ci: ci.token(
        {**RUN, "repository_id": ..., "scope": "mcp:data"}, typ="JWT"
    ),
    "an ID token of the provider": lambda corp, ci: corp.token(
        {**OAUTH, "nonce": "n", "aud": "client-1"}, typ="JWT"
    ),
    "of nobody": lambda corp, ci: corp.token({**OAUTH, "iss": ...}, typ="at+jwt"),
    "of nobody, with a workload's name": lambda corp, ci: corp.token(
        {**OAUTH, "iss": ..., "sub": "spiffe://acme.example/agent/a"}, typ="at+jwt"
    ),
    "of both": lambda corp, ci: corp.token(
        {**OAUTH, "iss": [corp.settings.name, ci.settings.name]}, typ="at+jwt"
    ),
    "of null": lambda corp, ci: corp.token({**OAUTH, "iss": None}, typ="at+jwt"),
}


@pytest.mark.parametrize("name", MIXED)
def test_issuers_are_not_mixed_up(tmp_path: Path, name: str) -> None:
    corp, ci = two(tmp_path)
    assert verify(corp.token(OAUTH, typ="at+jwt"), corp, ci).agent == "agent:root-1"
    assert verify(ci.token(RUN, typ="JWT"), corp, ci).agent == "agent:deployer"
    with pytest.raises(Refused):
        verify(MIXED[name](corp, ci), corp, ci)
