"""TLS on the real listener: whose certificate a request comes with, and what changes while it serves."""

from __future__ import annotations

import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import anyio
import httpx
import pytest
from anyio.streams.tls import TLSAttribute
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
)

from gateway.config.issuers import From, IssuerSettings, KeySettings
from gateway.errors import Misconfigured
from gateway.files import following
from gateway.settings import TlsSettings
from gateway.wire.agents.tls import Files, Tls
from tests.identity.authority import ID, Authority, address, client
from tests.wire.agents.house import ALICE, Place, serving
from tests.wire.agents.raw import stateless

MTLS = IssuerSettings(
    kind="mtls",
    trust_domain="acme.example",
    keys=KeySettings(file="bundle.pem"),
    agent=From(claim="sub"),
    tiers=("data",),
)


@dataclass
class Ground:
    """A directory with the listener's files, and the authorities behind them."""

    path: Path
    web: Authority
    mesh: Authority

    @classmethod
    def make(cls, path: Path) -> Ground:
        ground = cls(path, Authority("web"), Authority("mesh"))
        ground.web.leaf(address()).write(path, "gateway")
        (path / "web.pem").write_bytes(ground.web.pem())
        ground.replace("bundle.pem", ground.mesh.pem())
        return ground

    def replace(self, name: str, content: bytes) -> None:
        draft = self.path / f"{name}.draft"
        draft.write_bytes(content)
        os.replace(draft, self.path / name)

    def workload(self, authority: Authority | None = None, id: str = ID) -> ssl.SSLContext:
        name = id.rpartition("/")[2]
        leaf = (authority or self.mesh).svid(id).write(self.path, name)
        return client(self.path / "web.pem", leaf)

    @property
    def stranger(self) -> ssl.SSLContext:
        return client(self.path / "web.pem")

    @property
    def files(self) -> Files:
        return Files(self.path / "gateway.pem", self.path / "gateway.key", self.path / "bundle.pem")

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Place]:
        tls = TlsSettings(certificate="gateway.pem", key="gateway.key")
        issuers = {"mesh": MTLS}
        with anyio.fail_after(30):
            async with serving(tls=tls, issuers=issuers, home=str(self.path)) as place:
                yield place


async def call(place: Place, context: ssl.SSLContext, times: int = 1) -> int:
    """So many calls on one connection; the last one's status."""
    given, body = stateless()
    async with httpx.AsyncClient(verify=context, trust_env=False) as http:
        url = f"https://{place.host}:{place.port}/mcp"
        for _ in range(times):
            reply = await http.post(url, content=body, headers={**dict(given), **ALICE})
    return reply.status_code


async def test_a_request_comes_with_its_connections_certificate(tmp_path: Path) -> None:
    ground = Ground.make(tmp_path)
    mesh = ground.workload()
    der = ssl.PEM_cert_to_DER_cert((tmp_path / "triage-1.pem").read_text())
    async with ground.serving() as place:
        assert await call(place, mesh, times=2) == 200
        assert await call(place, ground.stranger) == 200
    assert [each.certificate for each in place.gate.evidence] == [der, der, b""]


async def test_the_same_head_on_two_connections_is_two_callers(tmp_path: Path) -> None:
    """A head that was read before is remembered; who sent it is not."""
    ground = Ground.make(tmp_path)
    one, other = ground.workload(), ground.workload(id="spiffe://acme.example/agent/triage-2")
    async with ground.serving() as place:
        for context in (one, other, ground.stranger, one, other, ground.stranger):
            assert await call(place, context, times=2) == 200
    seen = [each.certificate for each in place.gate.evidence]
    assert seen[:6] == seen[6:]
    assert seen[0] == seen[1] and seen[2] == seen[3] and seen[4] == seen[5] == b""
    assert len(set(seen)) == 3


async def test_a_certificate_of_another_authority_gets_no_connection(tmp_path: Path) -> None:
    ground = Ground.make(tmp_path)
    liar = ground.workload(Authority("mesh"))  # the same name, another key
    async with ground.serving() as place:
        with pytest.raises(httpx.TransportError):
            await call(place, liar)
    assert place.gate.evidence == []


@pytest.fixture
def looking_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that changed are seen within hundredths of a second."""
    monkeypatch.setattr(following, "follow", partial(following.follow, every=0.01))


@pytest.mark.usefixtures("looking_often")
async def test_authorities_that_change_hold_for_the_next_connection(tmp_path: Path) -> None:
    ground, newer = Ground.make(tmp_path), Authority("newer")
    old = ground.workload()
    new = ground.workload(newer, id="spiffe://acme.example/agent/triage-2")
    async with ground.serving() as place:
        assert await call(place, old) == 200
        ground.replace("bundle.pem", newer.pem())
        while not await knows(place, new):
            await anyio.sleep(0.01)
        assert not await knows(place, old)
        assert await call(place, ground.stranger) == 200


async def knows(place: Place, context: ssl.SSLContext) -> bool:
    try:
        return await call(place, context) == 200
    except httpx.TransportError:
        return False


@pytest.mark.usefixtures("looking_often")
async def test_the_gateways_own_certificate_can_be_renewed_and_not_be_broken(
    tmp_path: Path,
) -> None:
    ground = Ground.make(tmp_path)
    later = Authority("later")
    (tmp_path / "later.pem").write_bytes(later.pem())
    async with ground.serving() as place:
        ground.replace("bundle.pem", b"broken")
        leaf = later.leaf(address()).write(tmp_path, "next")
        ground.replace("gateway.key", leaf[1].read_bytes())
        ground.replace("gateway.pem", leaf[0].read_bytes())
        assert await call(place, ground.workload()) == 200  # all three as they were
        ground.replace("bundle.pem", ground.mesh.pem())
        while not await knows(place, client(tmp_path / "later.pem")):
            await anyio.sleep(0.01)
        assert not await knows(place, ground.stranger)


async def test_nothing_older_than_tls_1_3_and_no_session_twice(tmp_path: Path) -> None:
    ground = Ground.make(tmp_path)
    old = ground.stranger
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    async with ground.serving() as place:
        with pytest.raises(httpx.TransportError):
            await call(place, old)
        stream = await anyio.connect_tcp(
            place.host, place.port, ssl_context=ground.workload(), tls_standard_compatible=False
        )
        async with stream:
            await stream.send(b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
            assert b"200" in await stream.receive()
            session = stream.extra(TLSAttribute.ssl_object).session
    assert session is not None and not session.has_ticket


BROKEN: dict[str, tuple[str, bytes, str]] = {
    "no certificate": ("gateway.pem", b"", "cannot be used"),
    "another's key": ("gateway.key", b"\0", "cannot be used"),
    "no authorities": ("bundle.pem", b"", "no authorities"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_files_that_cannot_be_used_are_told_before_anything_starts(
    tmp_path: Path, name: str
) -> None:
    ground, (file, content, why) = Ground.make(tmp_path), BROKEN[name]
    (tmp_path / file).write_bytes(content)
    with pytest.raises(Misconfigured, match=why):
        Tls(ground.files)


@pytest.mark.parametrize("name", ["gateway.pem", "gateway.key", "bundle.pem"])
def test_which_file_is_not_there_is_told(tmp_path: Path, name: str) -> None:
    ground = Ground.make(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(Misconfigured, match=rf"{name}: cannot read: No such file"):
        Tls(ground.files)


@pytest.mark.parametrize("name", ["gateway.pem", "gateway.key", "bundle.pem"])
def test_files_anybody_could_write_are_nobodys(tmp_path: Path, name: str) -> None:
    ground = Ground.make(tmp_path)
    (tmp_path / name).chmod(0o666)
    with pytest.raises(Misconfigured, match=rf"{name}: mode is 0666"):
        Tls(ground.files)


def test_a_key_with_a_password_is_no_question_on_the_terminal(tmp_path: Path) -> None:
    ground = Ground.make(tmp_path)
    leaf = ground.web.leaf(address())
    leaf.write(tmp_path, "gateway")
    pem = leaf.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))
    (tmp_path / "gateway.key").write_bytes(pem)
    with pytest.raises(Misconfigured, match="password"):
        Tls(ground.files)
