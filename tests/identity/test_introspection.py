"""An introspection endpoint over real sockets: how it is asked, and everything it may answer that is not believed."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import anyio
import pytest

from gateway.credential_ports import NoCredential
from gateway.identity import introspection
from gateway.identity.introspection import MAX_BYTES, Introspection
from gateway.identity.keycache import Unfetched

TOKEN, SECRET = "an/opaque+token==", "the-gateways-own"
GOOD = {"active": True, "sub": "triage-1"}
Asked = list[tuple[dict[str, str], dict[str, list[str]]]]


@contextmanager
def serving(status: int, headers: dict[str, str], body: bytes) -> Iterator[tuple[str, Asked]]:
    """An endpoint that always says this; and what it was asked."""
    heard: Asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            form = self.rfile.read(int(self.headers["content-length"])).decode()
            said = {name.lower(): value for name, value in self.headers.items()}
            heard.append((said, parse_qs(form, keep_blank_values=True)))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/introspect", heard
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def proof() -> tuple[dict[str, str], dict[str, str]]:
    return {"authorization": f"Basic {SECRET}"}, {"client_id": "bulkhead"}


async def ask(url: str) -> Any:
    endpoint = Introspection(url, ssl.create_default_context(), proof)
    try:
        with anyio.fail_after(20):
            return await endpoint.ask(TOKEN)
    finally:
        await endpoint.aclose()


async def test_the_token_is_in_the_body_and_the_gateway_says_who_asks() -> None:
    with serving(200, {}, json.dumps(GOOD).encode()) as (url, heard):
        assert await ask(url) == GOOD
    ((headers, form),) = heard
    assert form == {
        "token": [TOKEN],
        "token_type_hint": ["access_token"],
        "client_id": ["bulkhead"],
    }
    assert headers["authorization"] == f"Basic {SECRET}"
    assert headers["accept-encoding"] == "identity" and "cookie" not in headers


async def test_a_token_that_is_not_active_has_no_claims() -> None:
    with serving(200, {}, json.dumps({**GOOD, "active": False}).encode()) as (url, _):
        assert await ask(url) is None


NOT_BELIEVED: dict[str, tuple[int, dict[str, str], bytes]] = {
    "true in quotes": (200, {}, b'{"active": "true", "sub": "triage-1"}'),
    "one": (200, {}, b'{"active": 1}'),
    "nothing of it": (200, {}, b'{"sub": "triage-1"}'),
    "null": (200, {}, b'{"active": null}'),
    "both": (200, {}, b'{"active": false, "active": true}'),
    "another case": (200, {}, b'{"Active": true}'),
    "no object": (200, {}, b"true"),
    "no JSON": (200, {}, b"<html>"),
    "not UTF-8": (200, {}, b'{"active": true, "sub": "\xff"}'),
    "too deep": (200, {}, b'{"active": true, "sub": ' + b"[" * 8_000 + b"]" * 8_000 + b"}"),
    "deeper than any Python agrees on": (
        200,
        {},
        b'{"active": true, "sub": ' + b"[" * 300 + b"]" * 300 + b"}",
    ),
    "too large": (200, {}, b'{"active": true}' + b" " * MAX_BYTES),
    "compressed": (200, {"content-encoding": "gzip"}, b"\x1f\x8b"),
    "not authorized": (401, {}, b'{"active": true}'),
    "created": (201, {}, b'{"active": true}'),
    "broken": (500, {}, json.dumps(GOOD).encode()),
    "a redirect": (307, {"location": "http://127.0.0.1:1/"}, b'{"active": true}'),
}


@pytest.mark.parametrize("name", NOT_BELIEVED)
async def test_an_answer_that_does_not_say_it_plainly_is_none(name: str) -> None:
    with serving(*NOT_BELIEVED[name]) as (url, heard), pytest.raises(Unfetched) as caught:
        await ask(url)
    assert len(heard) == 1
    assert not any(word in str(caught.value) for word in (TOKEN, SECRET, "triage-1"))


async def test_an_endpoint_that_is_not_there_is_no_answer() -> None:
    with pytest.raises(Unfetched, match="no connection"):
        await ask("http://127.0.0.1:1/introspect")


async def test_an_endpoint_that_dawdles_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """One byte after the other keeps every time-out of a socket quiet."""
    monkeypatch.setattr(introspection, "SECONDS", 0.3)

    async def dawdle(stream: Any) -> None:
        async with stream:
            await stream.receive()
            await stream.send(b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n")
            while True:
                await stream.send(b" ")
                await anyio.sleep(0.02)

    async def tolerant(stream: Any) -> None:
        try:
            await dawdle(stream)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            return

    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(listener.serve, tolerant)
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        with pytest.raises(Unfetched, match="no answer in"):
            await ask(f"http://127.0.0.1:{port}/")
        tasks.cancel_scope.cancel()


async def test_a_connection_that_was_closed_meanwhile_is_no_answer_and_another_is_tried_once() -> (
    None
):
    body = json.dumps(GOOD).encode()
    for closed, good in ((1, True), (2, False)):
        async with dropping(closed, body) as url:
            if good:
                assert await ask(url) == GOOD
            else:
                with pytest.raises(Unfetched, match="RemoteProtocolError"):
                    await ask(url)


@asynccontextmanager
async def dropping(connections: int, body: bytes) -> AsyncIterator[str]:
    """An endpoint that hangs up on so many questions, and answers the next."""
    seen = 0

    async def serve(stream: anyio.abc.ByteStream) -> None:
        nonlocal seen
        async with stream:
            await stream.receive()
            seen += 1
            if seen > connections:
                head = f"HTTP/1.1 200 OK\r\ncontent-length: {len(body)}\r\n\r\n"
                await stream.send(head.encode() + body)

    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(listener.serve, serve)
        yield f"http://127.0.0.1:{listener.extra(anyio.abc.SocketAttribute.local_port)}/"
        tasks.cancel_scope.cancel()


async def test_a_secret_that_is_gone_is_no_answer_and_nothing_is_sent() -> None:
    def gone() -> tuple[dict[str, str], dict[str, str]]:
        raise NoCredential("file own: No such file or directory", nothing=True)

    with serving(200, {}, json.dumps(GOOD).encode()) as (url, heard):
        endpoint = Introspection(url, ssl.create_default_context(), gone)
        with pytest.raises(Unfetched, match="No such file"):
            await endpoint.ask(TOKEN)
        await endpoint.aclose()
    assert heard == []


async def test_a_cookie_is_not_kept() -> None:
    said = (200, {"set-cookie": "a=b"}, json.dumps(GOOD).encode())
    with serving(*said) as (url, heard):
        endpoint = Introspection(url, ssl.create_default_context(), proof)
        for _ in range(2):
            await endpoint.ask(TOKEN)
        await endpoint.aclose()
    assert "cookie" not in heard[1][0]
