"""SVIDs and keys by the real client of the SPIFFE Workload API, against one in this process."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import anyio
import pytest
import spiffe

from gateway.config.issuers import From, IssuerSettings, KeySettings
from gateway.core.model import Endpoint, Evidence, Tier, WorkloadIdentity
from gateway.errors import Misconfigured, Refused
from gateway.identity.jwt import JwtVerifier
from gateway.identity.keycache import GAP, KeyCache, Unfetched
from gateway.identity.kinds import profile
from gateway.identity.workloadapi import WorkloadApi
from gateway.reasons import Reason
from tests.identity.workload_api import TrustDomain, serving

ORIGIN = "https://gw.example.com"
DATA = Endpoint("tier", Tier.DATA)
URL = f"{ORIGIN}/data/mcp"


class Mesh:
    """A verifier that believes one trust domain, and the clock its keys are aged by."""

    def __init__(self, address: str, domain: str = "acme.example") -> None:
        self.now = 0.0
        settings = IssuerSettings(
            kind="spiffe",
            trust_domain=domain,
            keys=KeySettings(workload_api=address),
            agent=From(claim="sub", after="spiffe://acme.example/agent/"),
            tiers=("data",),
        )
        api = WorkloadApi(address, domain, None)
        self.keys = KeyCache("mesh", api.fetch, lambda: self.now)
        self.verifier = JwtVerifier([profile(settings, self.keys, "local")], ORIGIN)

    def verify(self, token: str) -> WorkloadIdentity:
        return self.verifier.verify(Evidence((f"Bearer {token}",), DATA), int(time.time()))


async def test_a_workloads_own_svid_is_believed(tmp_path: Path) -> None:
    domain = TrustDomain()
    with serving(domain, tmp_path) as address:
        mesh = Mesh(address)
        await mesh.keys.look()
        with spiffe.WorkloadApiClient(address) as client:
            svid = client.fetch_jwt_svid(audience={URL}, timeout=5)
    identity = mesh.verify(svid.token)
    assert (identity.agent, identity.task) == ("agent:triage-1", "standing")
    assert identity.issuer == "spiffe://acme.example"
    assert identity.token_id.startswith("sha256:")


async def test_keys_that_were_rotated_are_taken_up(tmp_path: Path) -> None:
    domain = TrustDomain()
    with serving(domain, tmp_path) as address:
        mesh = Mesh(address)
        await mesh.keys.look()
        old = domain.svid(URL)
        domain.rotate("s2")
        new = domain.svid(URL)
        with pytest.raises(Refused) as caught:
            mesh.verify(new)
        assert caught.value.reason is Reason.UNKNOWN_KEY
        mesh.now += GAP
        await mesh.keys.look()
    assert mesh.verify(new)
    with pytest.raises(Refused, match="no such key"):
        mesh.verify(old)


SVIDS: dict[str, dict[str, Any]] = {
    "of another trust domain": {"subject": "spiffe://evil.example/agent/triage-1"},
    "of one in capitals": {"subject": "spiffe://ACME.example/agent/triage-1"},
    "with a way back": {"subject": "spiffe://acme.example/agent/../db"},
    "deeper than a name": {"subject": "spiffe://acme.example/agent/triage-1/root"},
    "of another kind of workload": {"subject": "spiffe://acme.example/db/main"},
    "of nobody": {"subject": "triage-1"},
    "for another": {"audience": "https://other.example/data/mcp"},
    "for another tier": {"audience": f"{ORIGIN}/admin/mcp"},
    "without an end": {"exp": ...},
    "of ten years": {"exp": 2_500_000_000},
    "of ten years, saying not since when": {"exp": 2_500_000_000, "iat": ...},
    "saying it is of somebody": {"iss": "https://spire.acme.example"},
    "saying it is of the domain, but of another's workload": {
        "iss": "spiffe://acme.example",
        "subject": "spiffe://evil.example/agent/triage-1",
    },
}


@pytest.mark.parametrize("name", SVIDS)
async def test_a_bad_svid_is_refused(tmp_path: Path, name: str) -> None:
    domain = TrustDomain()
    with serving(domain, tmp_path) as address:
        mesh = Mesh(address)
        await mesh.keys.look()
    with pytest.raises(Refused):
        mesh.verify(domain.svid(**{"audience": URL, **SVIDS[name]}))


async def test_an_api_that_is_not_there_is_a_miss_and_takes_nothing_away(tmp_path: Path) -> None:
    domain = TrustDomain()
    with serving(domain, tmp_path) as address:
        mesh = Mesh(address)
        await mesh.keys.look()
    with anyio.fail_after(20):
        await mesh.keys.look()
    assert mesh.verify(domain.svid(URL))


async def test_the_keys_of_another_trust_domain_are_not_ours(tmp_path: Path) -> None:
    with serving(TrustDomain(), tmp_path) as address, pytest.raises(Unfetched, match="no keys"):
        await WorkloadApi(address, "other.example", None).fetch()


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spiffe", None)
    with pytest.raises(Misconfigured) as said:
        WorkloadApi("unix:///run/agent.sock", "acme.example", None)
    # By the very Python that runs this: what another pip finds under this name is somebody else's.
    assert said.value.hint == f"{sys.executable} -m pip install 'bulkhead[spiffe]'"
