"""The embedded issuer: what it mints, what it will not mint, and where it will not work."""

from __future__ import annotations

import resource
import shutil
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.core.model import Endpoint, Evidence, Tier
from gateway.errors import Misconfigured, Refused
from gateway.identity.claims import LEEWAY
from gateway.identity.jwt import JwtVerifier
from gateway.identity.keys import ROTATE_AFTER, SETTLE
from gateway.identity.local import LocalIssuer, refuse_beyond_loopback

NOW = 1_800_000_000
ORIGIN = "http://127.0.0.1:8811"
DATA = Endpoint("tier", Tier.DATA)
ADMIN = Endpoint("tier", Tier.ADMIN)


def mint(issuer: LocalIssuer, **changes: Any) -> str:
    asked: dict[str, Any] = {
        "agent": "demo",
        "endpoint": DATA,
        "tiers": {Tier.DATA},
        "tenant": "local",
        "task": "T-42",
        "intent": "general",
        "now": NOW,
    }
    return issuer.mint(**(asked | changes))


def verifier(issuer: LocalIssuer) -> JwtVerifier:
    return JwtVerifier([issuer.profile], ORIGIN)


def evidence(token: str, endpoint: Endpoint = DATA) -> Evidence:
    return Evidence((f"Bearer {token}",), endpoint)


def test_what_it_mints_is_verified_as_what_was_asked(tmp_path: Path) -> None:
    issuer = LocalIssuer.open(tmp_path, ORIGIN, NOW)
    endpoint = Endpoint("all")
    token = mint(issuer, endpoint=endpoint, tiers={Tier.TOOL, Tier.DATA}, ttl=60)
    identity = verifier(issuer).verify(evidence(token, endpoint), NOW)
    assert (identity.agent, identity.tenant, identity.task, identity.intent) == (
        "agent:demo",
        "local",
        "T-42",
        "general",
    )
    assert identity.tiers == {Tier.DATA, Tier.TOOL}
    assert identity.expires_at == NOW + 60 + LEEWAY
    assert identity.issuer == issuer.issuer


def test_a_token_names_one_audience_and_its_type(tmp_path: Path) -> None:
    token = mint(LocalIssuer.open(tmp_path, ORIGIN + "/", NOW))
    said = jwt.decode_complete(token, options={"verify_signature": False})
    assert said["header"]["typ"] == "at+jwt"
    assert said["header"]["alg"] == "EdDSA"
    assert said["payload"]["aud"] == f"{ORIGIN}/data/mcp"
    assert said["payload"]["scope"] == "mcp:data"
    assert said["payload"]["exp"] - said["payload"]["iat"] == 900


def test_no_two_tokens_share_an_id(tmp_path: Path) -> None:
    issuer = LocalIssuer.open(tmp_path, ORIGIN, NOW)
    ids = {verifier(issuer).verify(evidence(mint(issuer)), NOW).token_id for _ in range(20)}
    assert len(ids) == 20


def test_two_installations_do_not_believe_each_other(tmp_path: Path) -> None:
    here = LocalIssuer.open(tmp_path / "here", ORIGIN, NOW)
    there = LocalIssuer.open(tmp_path / "there", ORIGIN, NOW)
    assert here.issuer != there.issuer
    with pytest.raises(Refused, match="unknown issuer"):
        verifier(here).verify(evidence(mint(there)), NOW)


def test_a_token_command_beside_a_running_gateway_signs_with_a_key_the_gateway_has(
    tmp_path: Path,
) -> None:
    running = verifier(LocalIssuer.open(tmp_path, ORIGIN, NOW))
    beside = LocalIssuer.open(tmp_path, ORIGIN, NOW + 5)
    assert running.verify(evidence(mint(beside, now=NOW + 5)), NOW + 5)


def test_rotation_never_shows_a_running_gateway_a_key_it_could_not_have_read(
    tmp_path: Path,
) -> None:
    serving = LocalIssuer.open(tmp_path, ORIGIN, NOW)
    running, later = verifier(serving), NOW + ROTATE_AFTER
    beside = LocalIssuer.open(tmp_path, ORIGIN, later)
    assert running.verify(evidence(mint(beside, now=later)), later)
    serving.refresh()
    settled = later + SETTLE
    beside = LocalIssuer.open(tmp_path, ORIGIN, settled)
    assert running.verify(evidence(mint(beside, now=settled)), settled)


def test_a_refresh_keeps_what_the_verifier_remembers(tmp_path: Path) -> None:
    issuer = LocalIssuer.open(tmp_path, ORIGIN, NOW)
    kid = jwt.get_unverified_header(mint(issuer))["kid"]
    held = issuer.profile.key(kid)
    issuer.refresh()
    assert held is not None
    assert issuer.profile.key(kid) is held


def test_deleting_the_directory_revokes_every_token(tmp_path: Path) -> None:
    issuer = LocalIssuer.open(tmp_path, ORIGIN, NOW)
    running, token = verifier(issuer), mint(issuer)
    assert running.verify(evidence(token), NOW)
    shutil.rmtree(tmp_path / "issuer")
    issuer.refresh()
    with pytest.raises(Refused, match="no such key"):
        running.verify(evidence(token), NOW)
    with pytest.raises(Misconfigured, match="gone"):
        mint(issuer)


@pytest.mark.parametrize(
    ("endpoint", "tiers"),
    [
        (DATA, {Tier.TOOL}),
        (DATA, {Tier.DATA, Tier.TOOL}),
        (Endpoint("all"), {Tier.ADMIN}),
        (Endpoint("server", server="git"), {Tier.DATA, Tier.ADMIN}),
        (DATA, set()),
    ],
)
def test_no_token_carries_a_tier_its_endpoint_has_not(
    tmp_path: Path, endpoint: Endpoint, tiers: set[Tier]
) -> None:
    with pytest.raises(Misconfigured, match="carries one or more of"):
        mint(LocalIssuer.open(tmp_path, ORIGIN, NOW), endpoint=endpoint, tiers=tiers)


@pytest.mark.parametrize("ttl", [0, -1, 3601])
def test_no_token_lives_longer_than_an_hour(tmp_path: Path, ttl: int) -> None:
    with pytest.raises(Misconfigured, match="lives 1 to 3600"):
        mint(LocalIssuer.open(tmp_path, ORIGIN, NOW), ttl=ttl)


def test_no_admin_token_lives_longer_than_a_quarter_of_one(tmp_path: Path) -> None:
    issuer = LocalIssuer.open(tmp_path, ORIGIN, NOW)
    assert mint(issuer, endpoint=ADMIN, tiers={Tier.ADMIN}, ttl=900)
    with pytest.raises(Misconfigured, match="lives 1 to 900"):
        mint(issuer, endpoint=ADMIN, tiers={Tier.ADMIN}, ttl=901)


@pytest.mark.parametrize(
    "agent",
    [
        "",
        "Demo",
        "-demo",
        "demo-",
        "a b",
        "a,b",
        "agent:demo",
        "role:keeper",
        "a\n",
        "é",
        "a" * 65,
        "*",
    ],
)
def test_an_agents_name_is_plain(tmp_path: Path, agent: str) -> None:
    with pytest.raises(Misconfigured, match=r"^agent: "):
        mint(LocalIssuer.open(tmp_path, ORIGIN, NOW), agent=agent)


@pytest.mark.parametrize("member", ["tenant", "task", "intent"])
@pytest.mark.parametrize("value", ["", "*", "a b", "a,b", "a\x1b[31m", "a" * 129])
def test_tenant_task_and_intent_are_plain_words(tmp_path: Path, member: str, value: str) -> None:
    with pytest.raises(Misconfigured, match=member):
        mint(LocalIssuer.open(tmp_path, ORIGIN, NOW), **{member: value})


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_it_works_on_loopback(host: str) -> None:
    refuse_beyond_loopback(host)


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "10.0.0.1", "example.com", "localhost.evil.example", ""]
)
def test_it_refuses_to_work_beyond_loopback(tmp_path: Path, host: str) -> None:
    with pytest.raises(Misconfigured, match=r"loopback only.*issuers.*public_url"):
        refuse_beyond_loopback(host)
    with pytest.raises(Misconfigured, match="loopback only"):
        LocalIssuer.open(tmp_path, f"http://{f'[{host}]' if ':' in host else host}:8811", NOW)


def test_a_key_that_another_took_the_place_of_is_believed_no_more(tmp_path: Path) -> None:
    """Whoever finds that a key was read by others puts a new one in its file."""
    issuer = LocalIssuer.open(tmp_path, ORIGIN, NOW)
    verify, stolen = verifier(issuer), mint(issuer)
    verify.verify(evidence(stolen), NOW)
    [file] = (tmp_path / "issuer").glob("*.pem")
    fresh = Ed25519PrivateKey.generate()
    file.write_bytes(fresh.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    issuer.refresh()
    with pytest.raises(Refused):
        verify.verify(evidence(stolen), NOW)
    assert verify.verify(evidence(mint(issuer)), NOW).agent == "agent:demo"


def test_keys_that_cannot_be_looked_for_are_not_believed(tmp_path: Path) -> None:
    """Too many files are open: whether they are still there nobody can tell."""
    issuer = LocalIssuer.open(tmp_path, ORIGIN, NOW)
    verify, token = verifier(issuer), mint(issuer)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        with pytest.raises(Misconfigured, match="Too many open files"):
            issuer.refresh()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    with pytest.raises(Refused):
        verify.verify(evidence(token), NOW)
    issuer.refresh()
    assert verify.verify(evidence(token), NOW).agent == "agent:demo"
