"""What is fetched from an issuer, over real sockets, and everything it may answer that is not taken."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import anyio
import pytest
from cryptography import x509

from gateway.config.addresses import safe_url
from gateway.identity import fetching
from gateway.identity.fetching import Source
from gateway.identity.keycache import Unfetched
from gateway.values import replace
from tests.identity.authority import Authority
from tests.identity.idp import jwk, new_key

KEYS = {"keys": [jwk(new_key(), kid="k1", alg="ES256", use="sig")]}
Page = tuple[int, dict[str, str], bytes]


@contextmanager
def serving(pages: dict[str, Any]) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """An issuer's web server; `{origin}` in a page becomes its own address. And the headers it got."""
    heard: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append({name.lower(): value for name, value in self.headers.items()})
            page = pages.get(self.path, (404, {}, b""))
            status, headers, body = page if isinstance(page, tuple) else (200, {}, page)
            raw = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(raw.replace(b"{origin}", origin.encode()))

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    origin = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield origin, heard
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def source(origin: str, url: str | None = "/jwks", **more: Any) -> Source:
    return Source(
        issuer=more.pop("issuer", origin),
        url=None if url is None else origin + url,
        metadata=f"{origin}/.well-known/openid-configuration",
        tls=ssl.create_default_context(),
        **more,
    )


async def test_a_jwk_set_is_taken_with_the_time_it_is_good_for() -> None:
    with serving({"/jwks": (200, {"cache-control": "public, max-age=90"}, KEYS)}) as (origin, _):
        fetched = await source(origin).fetch()
    assert list(fetched.keys) == ["k1"]
    assert fetched.max_age == 90


async def test_metadata_says_where_the_keys_are() -> None:
    pages = {
        "/.well-known/openid-configuration": {"issuer": "{origin}", "jwks_uri": "{origin}/jwks"},
        "/jwks": KEYS,
    }
    with serving(pages) as (origin, _):
        fetched = await source(origin, None).fetch()
    assert list(fetched.keys) == ["k1"]


NOT_TAKEN: dict[str, tuple[Any, str]] = {
    "not there": ((404, {}, b""), "status 404"),
    "a redirect": ((302, {"location": "https://evil.example/jwks"}, b""), "status 302"),
    "compressed": ((200, {"content-encoding": "gzip"}, b"\x1f\x8b"), "encoded"),
    "too large": (b" " * (fetching.MAX_BYTES + 1), "more than"),
    "not JSON": (b"<html>", "strict JSON"),
    "a member twice": (b'{"keys": [], "keys": []}', "duplicate"),
    "no set": ({"kid": "k1"}, "no JWK Set"),
    "an empty set": ({"keys": []}, "no key"),
    "65 keys": ({"keys": KEYS["keys"] * 65}, "more than 64"),
    "two of one name": ({"keys": [*KEYS["keys"], jwk(new_key(), kid="k1")]}, "two keys"),
    "a secret": ({"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "k1"}]}, "no key"),
}


@pytest.mark.parametrize("name", NOT_TAKEN)
async def test_an_answer_that_is_no_jwk_set_is_not_taken(name: str) -> None:
    page, why = NOT_TAKEN[name]
    with serving({"/jwks": page}) as (origin, _), pytest.raises(Unfetched, match=why):
        await source(origin).fetch()


METADATA: dict[str, tuple[dict[str, Any], str]] = {
    "of another issuer": (
        {"issuer": "https://other.example", "jwks_uri": "{origin}/jwks"},
        "another",
    ),
    "nearly ours": ({"issuer": "{origin}/", "jwks_uri": "{origin}/jwks"}, "another issuer"),
    "of nobody": ({"jwks_uri": "{origin}/jwks"}, "another issuer"),
    "without keys": ({"issuer": "{origin}"}, "https"),
    "keys in clear": ({"issuer": "{origin}", "jwks_uri": "http://keys.example/jwks"}, "https"),
    "keys in a file": ({"issuer": "{origin}", "jwks_uri": "file:///etc/passwd"}, "https"),
    "keys at an odd host": ({"issuer": "{origin}", "jwks_uri": "https:///jwks"}, "https"),
}


@pytest.mark.parametrize("name", METADATA)
async def test_metadata_of_another_or_to_an_unsafe_place_is_not_taken(name: str) -> None:
    page, why = METADATA[name]
    pages = {"/.well-known/openid-configuration": page, "/jwks": KEYS}
    with serving(pages) as (origin, _), pytest.raises(Unfetched, match=why):
        await source(origin, None).fetch()


async def test_a_server_that_is_not_there_is_a_miss() -> None:
    with serving({}) as (origin, _):
        gone = origin
    with pytest.raises(Unfetched, match="ConnectError"):
        await source(gone).fetch()


@asynccontextmanager
async def elsewhere(directory: Path, asked: list[str]) -> AsyncIterator[tuple[str, Path]]:
    """An issuer's web server that only a proxy reaches: the proxy, and who signed for `idp.example`."""
    authority = Authority()
    chain, key = authority.leaf(x509.SubjectAlternativeName([x509.DNSName("idp.example")])).write(
        directory, "idp"
    )
    own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own.load_cert_chain(chain, key)
    (directory / "ca.pem").write_bytes(authority.pem())

    opened: list[asyncio.StreamWriter] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened.append(writer)
        await reader.readuntil(b"\r\n\r\n")
        body = json.dumps(KEYS).encode()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))
        await writer.drain()

    async def join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(65_536):
            writer.write(piece)
        writer.close()

    async def tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened.append(writer)
        asked.append((await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[0])
        there, to = await asyncio.open_connection(*web.sockets[0].getsockname()[:2])
        opened.append(to)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await asyncio.gather(join(reader, to), join(there, writer))

    web = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=own)
    proxy = await asyncio.start_server(tunnel, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}", directory / "ca.pem"
    finally:
        for server in (proxy, web):
            server.close()
        for writer in opened:
            writer.close()
        await asyncio.gather(*(each.wait_closed() for each in opened), return_exceptions=True)


async def test_an_issuer_elsewhere_is_asked_through_the_environments_proxy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    with anyio.fail_after(20):
        async with elsewhere(tmp_path, asked) as (proxy, ca):
            monkeypatch.setenv("HTTPS_PROXY", proxy)
            trusted = ssl.create_default_context(cafile=ca)
            fetched = await replace(source("https://idp.example"), tls=trusted).fetch()
    assert (list(fetched.keys), asked) == (["k1"], ["CONNECT idp.example:443 HTTP/1.1"])


async def test_one_on_this_machine_is_asked_through_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with serving({"/jwks": KEYS}) as (origin, _):
        assert list((await source(origin).fetch()).keys) == ["k1"]


async def test_a_server_that_never_ends_is_a_miss(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "SECONDS", 0.3)
    promised = (200, {"content-length": "100"}, b"{")
    with serving({"/jwks": promised}) as (origin, _), pytest.raises(Unfetched):
        await source(origin).fetch()


async def test_the_token_for_the_keys_goes_to_the_configured_place_alone(tmp_path: Path) -> None:
    token_file = tmp_path / "token"
    token_file.write_text("a-service-account-token\n")
    with serving({"/jwks": KEYS}) as (elsewhere, heard_elsewhere):
        pages = {
            "/.well-known/openid-configuration": {
                "issuer": "{origin}",
                "jwks_uri": f"{elsewhere}/jwks",
            }
        }
        with serving(pages) as (origin, heard):
            await source(origin, None, token_file=token_file).fetch()
    assert [each.get("authorization") for each in heard] == ["Bearer a-service-account-token"]
    assert [each.get("authorization") for each in heard_elsewhere] == [None]


@pytest.mark.parametrize(
    "url",
    [
        "http://keys.example/jwks",
        "http://localhost.evil.example/jwks",
        "http://127.0.0.1.evil.example/jwks",
        "http://127.0.0.1@evil.example/jwks",
        "https://user:secret@keys.example/jwks",
        "https://keys.example/jwks#part",
        "file:///etc/passwd",
        "ftp://keys.example/jwks",
        "//keys.example/jwks",
        "",
    ],
)
def test_an_address_that_is_not_safe_is_refused(url: str) -> None:
    with pytest.raises(ValueError):
        safe_url(url)
