"""gateway.wire.servers.http_pool: who is believed over TLS, that nothing is said before, and what cancelling leaves."""

from __future__ import annotations

import asyncio
import datetime
import gc
import ipaddress
import ssl
import weakref
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.wire.servers.http_broken import NotSent
from gateway.wire.servers.http_connection import Connection
from gateway.wire.servers.http_pool import Pool, address, tls_context
from gateway.wire.servers.http_request import Requests
from gateway.wire.servers.patience import Patience

NOW = datetime.datetime.now(datetime.UTC)


def certificate(path: Path, ip: str) -> None:
    """A certificate for one address that vouches for itself, and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "fixture")])
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(ip))])
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - datetime.timedelta(days=1))
        .not_valid_after(NOW + datetime.timedelta(days=1))
        .add_extension(names, critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.write_bytes(secret + built.public_bytes(serialization.Encoding.PEM))


@asynccontextmanager
async def tls_server(pem: Path) -> AsyncIterator[tuple[str, list[bytes]]]:
    """An HTTPS server with this certificate, and what it was sent."""
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                heard.append(head)
                await reader.readexactly(2)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/mcp", heard


async def ask(pool: Pool, url: str) -> bytes:
    deadline = asyncio.get_running_loop().time() + 5
    request = Requests(address(url), ()).post(b"", b"{}")
    reply = await pool.send(request, Patience(5, 5, deadline))
    return await reply.body(100)


@pytest.fixture(autouse=True)
def _fresh_trust() -> Iterator[None]:
    tls_context.cache_clear()
    yield
    tls_context.cache_clear()


async def test_a_server_the_system_trusts_is_spoken_to_over_one_kept_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate(tmp_path / "pem", "127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "pem"))
    async with asyncio.timeout(20), tls_server(tmp_path / "pem") as (url, heard):
        pool = Pool(address(url), 5)
        answers = [await ask(pool, url) for _ in range(3)]
        await pool.aclose()
    assert answers == [b"hi"] * 3
    assert len(heard) == 3
    assert tls_context() is tls_context()


@pytest.mark.parametrize(("ip", "trusted"), [("127.0.0.1", False), ("127.0.0.2", True)])
async def test_a_server_that_is_not_who_it_should_be_hears_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ip: str, trusted: bool
) -> None:
    certificate(tmp_path / "pem", ip)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "pem"))
    async with asyncio.timeout(20), tls_server(tmp_path / "pem") as (url, heard):
        pool = Pool(address(url), 5)
        with pytest.raises(NotSent, match="certificate"):
            await ask(pool, url)
        await pool.aclose()
    assert heard == []


class Watched(Pool):
    """A pool that remembers its connections, and keeps none of them alive."""

    def __init__(self, url: str) -> None:
        super().__init__(address(url), 5)
        self.made: list[weakref.ref[Connection]] = []

    def _connection(self) -> Connection:
        made = super()._connection()
        self.made.append(weakref.ref(made))
        return made


async def cancelled_at_every_turn() -> Watched:
    """A pool whose requests were all cancelled, each a turn of the loop later than the one before."""
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/mcp"
    async with asyncio.timeout(20), server:
        pool = Watched(url)
        for turns in range(12):
            asking = asyncio.ensure_future(ask(pool, url))
            for _ in range(turns):
                await asyncio.sleep(0)
            asking.cancel()
            await asyncio.wait([asking])
    return pool


def test_nothing_is_left_of_connections_whose_opening_was_cancelled() -> None:
    pool = uvloop.run(cancelled_at_every_turn())
    gc.collect()
    assert len(pool.made) > 2
    assert [one() for one in pool.made if one() is not None] == []
