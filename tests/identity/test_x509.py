"""X.509-SVIDs: what a certificate must be beyond its chain, one case each."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.x509 import UnrecognizedExtension
from cryptography.x509.oid import ExtensionOID

from gateway.config.issuers import From, IssuerSettings, KeySettings
from gateway.core.model import Endpoint, Evidence, Tier
from gateway.errors import Refused
from gateway.identity.claims import LEEWAY
from gateway.identity.front import AnyProof
from gateway.identity.jwt import JwtVerifier
from gateway.identity.x509 import CertificateVerifier
from gateway.reasons import Reason
from tests.identity.authority import ID, Authority, Leaf, address, uri, use
from tests.identity.test_jwt import ORIGIN, profile, token

NOW = 1_800_000_000
CA = Authority(now=datetime.fromtimestamp(NOW, UTC))
DATA = Endpoint("tier", Tier.DATA)
X400 = UnrecognizedExtension(ExtensionOID.SUBJECT_ALTERNATIVE_NAME, bytes.fromhex("3004a3020500"))


def verifier(**changes: Any) -> CertificateVerifier:
    said: dict[str, Any] = {
        "kind": "mtls",
        "trust_domain": "acme.example",
        "keys": KeySettings(file="bundle.pem"),
        "agent": From(claim="sub", after="spiffe://acme.example/agent/"),
        "tiers": ("data",),
    }
    return CertificateVerifier(IssuerSettings(**(said | changes)), "local")


def evidence(leaf: Leaf, at: Endpoint = DATA, authorization: tuple[str, ...] = ()) -> Evidence:
    return Evidence(authorization, at, certificate=leaf.der)


def test_a_workloads_certificate_is_its_identity() -> None:
    identity = verifier().verify(evidence(CA.svid()), NOW)
    assert (identity.agent, identity.tenant, identity.task) == (
        "agent:triage-1",
        "local",
        "standing",
    )
    assert identity.issuer == "spiffe://acme.example"
    assert identity.tiers == {Tier.DATA}
    assert identity.expires_at == NOW + 3590 + LEEWAY


def test_whom_the_settings_say_it_acts_for_it_acts_for() -> None:
    identity = verifier(principal=From(value="ada@acme.example")).verify(evidence(CA.svid()), NOW)
    assert identity.on_behalf_of == "ada@acme.example"


BAD: dict[str, tuple[Callable[[], Leaf], str]] = {
    "of another trust domain": (
        lambda: CA.svid("spiffe://evil.example/agent/triage-1"),
        "trust domain",
    ),
    "of one that looks like ours": (
        lambda: CA.svid("spiffe://acme.example.evil/agent/a"),
        "trust domain",
    ),
    "of the trust domain itself": (lambda: CA.svid("spiffe://acme.example"), "one workload"),
    "in capitals": (lambda: CA.svid("spiffe://ACME.example/agent/triage-1"), "trust domain"),
    "with a way back": (lambda: CA.svid("spiffe://acme.example/agent/../triage-1"), "trust domain"),
    "percent-encoded": (lambda: CA.svid("spiffe://acme.example/agent/%74riage-1"), "trust domain"),
    "with a query": (lambda: CA.svid("spiffe://acme.example/agent/a?x"), "trust domain"),
    "with a port": (lambda: CA.svid("spiffe://acme.example:1/agent/a"), "trust domain"),
    "of another kind of workload": (lambda: CA.svid("spiffe://acme.example/db/main"), "not listed"),
    "of two workloads": (lambda: CA.leaf(uri(ID, "spiffe://acme.example/agent/b")), "one workload"),
    "of a web page": (lambda: CA.leaf(uri("https://acme.example/agent/a")), "one workload"),
    "of a host": (lambda: CA.leaf(address()), "one workload"),
    "of nothing": (lambda: CA.leaf(), "subjectAltName"),
    "of a kind of name nobody uses": (lambda: CA.leaf(X400), "cannot be read"),
    "of an authority": (lambda: CA.svid(authority=True), "authority's"),
    "that may sign others": (
        lambda: CA.svid(usage=use("digital_signature", "key_cert_sign")),
        "signatures",
    ),
    "that may not sign": (lambda: CA.svid(usage=use("key_agreement")), "signatures"),
    "that says not what for": (lambda: CA.svid(usage=None), "keyUsage"),
    "of a year": (lambda: CA.svid(hours=24 * 365), "lives longer"),
    "of tomorrow": (lambda: CA.svid(since=timedelta(days=1)), "future"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_certificate_is_refused_for_its_own_fault(name: str) -> None:
    make, why = BAD[name]
    with pytest.raises(Refused) as caught:
        verifier().verify(evidence(make()), NOW)
    assert caught.value.reason is Reason.BAD_TOKEN
    assert why in caught.value.detail


def test_what_is_no_certificate_is_refused() -> None:
    with pytest.raises(Refused, match="cannot be read"):
        verifier().verify(Evidence((), DATA, certificate=b"\x30\x03\x02\x01\x01"), NOW)


def test_a_certificate_expires_on_an_open_connection_too() -> None:
    shown = evidence(CA.svid())
    verifier().verify(shown, NOW)
    with pytest.raises(Refused) as caught:
        verifier().verify(shown, NOW + 3620)
    assert caught.value.reason is Reason.EXPIRED_TOKEN


@pytest.mark.parametrize("at", [Endpoint("tier", Tier.TOOL), Endpoint("tier", Tier.ADMIN)])
def test_a_certificate_reaches_the_tiers_the_settings_name(at: Endpoint) -> None:
    with pytest.raises(Refused) as caught:
        verifier().verify(evidence(CA.svid(), at), NOW)
    assert caught.value.reason is Reason.INSUFFICIENT_SCOPE
    assert verifier(tiers=("data", "tool", "admin")).verify(evidence(CA.svid(), at), NOW).tiers


def test_a_token_is_what_counts_where_one_is_shown() -> None:
    both = AnyProof(JwtVerifier([profile()], ORIGIN), verifier())
    good, bad = (f"Bearer {token()}",), ("Bearer x.y.z",)
    assert both.verify(evidence(CA.svid()), NOW).agent == "agent:triage-1"
    assert both.verify(evidence(CA.svid(), authorization=good), NOW).agent == "agent:demo"
    with pytest.raises(Refused):
        both.verify(evidence(CA.svid(), authorization=bad), NOW)
    with pytest.raises(Refused) as caught:
        both.verify(Evidence((), DATA), NOW)
    assert caught.value.reason is Reason.NO_TOKEN
