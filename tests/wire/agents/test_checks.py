"""Heads no well-behaved client sends, refused by name before anything is believed."""

from __future__ import annotations

import pytest

from gateway.wire.agents.checks import Callers
from gateway.wire.agents.exchange import Head, Rejected
from tests.wire.agents.house import serving, settings
from tests.wire.agents.raw import call, connection, post, stateless


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([("host", "evil.example.com")], 421),
        ([("host", "127.0.0.1.evil.example.com")], 421),
        ([("host", "localhost:9")], 200),
        ([("host", "[::1]:9")], 200),
        ([("host", "localhost"), ("host", "localhost")], 400),
        ([("host", "localhost:1"), ("origin", "http://localhost:1")], 200),
        ([("host", "localhost:1"), ("origin", "http://localhost:2")], 403),
        ([("origin", "http://evil.example.com")], 403),
        ([("origin", "null")], 403),
        ([("origin", "https://app.example.com")], 200),
    ],
)
async def test_only_our_hosts_and_allowed_origins_come_in(
    headers: list[tuple[str, str]], status: int
) -> None:
    async with serving(allowed_origins=("https://app.example.com",)) as place:
        reply = await call(place, more=headers)
    assert reply.status == status
    assert len(place.gate.requests) == (1 if status == 200 else 0)


def test_off_loopback_only_named_hosts_are_ours() -> None:
    open_to_all = settings(
        listen="0.0.0.0:8811", public_url="https://gw.example.com", allowed_hosts=("alias:8811",)
    )
    callers = Callers.of(open_to_all)

    def admitted(host: str) -> bool:
        try:
            callers.check(Head("POST", "/mcp", (("host", host),)))
        except Rejected:
            return False
        return True

    assert [host for host in ("gw.example.com", "GW.example.com", "alias:8811") if admitted(host)]
    assert not [h for h in ("localhost:8811", "127.0.0.1:8811", "alias:1", "x") if admitted(h)]


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 200),
        ("application/json; charset=utf-8", 200),
        ('Application/JSON; charset="UTF-8"', 200),
        ("application/json; charset=utf-7", 415),
        ("application/json; charset=utf-16", 415),
        ("application/json; boundary=x", 415),
        ("application/jsonx", 415),
        ("text/json", 415),
        ("application/json, application/json", 415),
        (None, 415),
    ],
)
async def test_a_body_is_exactly_json_in_utf8(content_type: str | None, status: int) -> None:
    async with serving() as place:
        reply = await call(place, content_type=content_type)
    assert reply.status == status


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "gzip, identity"])
async def test_encoded_bodies_are_not_read(encoding: str) -> None:
    async with serving() as place:
        refused = await call(place, content_encoding=encoding)
        plain = await call(place, content_encoding="identity")
    assert (refused.status, plain.status) == (415, 200)


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("application/json, text/event-stream", 200),
        ("*/*", 200),
        ("application/*;q=0.5, text/*", 200),
        ("application/json", 406),
        ("text/event-stream", 406),
        ("text/html", 406),
        (None, 406),
    ],
)
async def test_an_agent_takes_json_and_event_streams(accept: str | None, status: int) -> None:
    async with serving() as place:
        reply = await call(place, accept=accept)
    assert reply.status == status


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("Authorization", -32600),
        ("Content-Type", -32600),
        ("Origin", -32600),
        ("Mcp-Session-Id", -32600),
        ("MCP-Protocol-Version", -32020),
        ("Mcp-Method", -32020),
        ("Mcp-Name", -32020),
    ],
)
async def test_a_header_two_readers_could_read_differently_is_refused(name: str, code: int) -> None:
    values = {"origin": "http://127.0.0.1:1", "content-type": "application/json"}
    given, body = stateless()
    sent = dict(given)
    value = sent.get(name.lower(), values.get(name.lower(), "x"))
    more = [(name, value)] if name.lower() in sent else [(name, value), (name, value)]
    if name == "Origin":
        more += [("host", "127.0.0.1:1")]
    async with serving() as place:
        reply = await post(place, body, given, more=more)
    assert (reply.status, reply.error["code"]) == (400, code)
    assert name.lower() in reply.error["message"]
    assert place.gate.requests == []


@pytest.mark.parametrize("method", ["PUT", "PATCH", "OPTIONS", "TRACE"])
async def test_other_methods_are_not_allowed(method: str) -> None:
    given, body = stateless()
    async with serving() as place, connection(place) as line:
        await line.send(method, "/mcp", given, body)
        reply = await line.reply()
    assert (reply.status, reply.headers["allow"]) == (405, "POST, GET, DELETE")


@pytest.mark.parametrize(
    "path",
    (
        "/ /mcp/ /MCP /%6dcp /x/mcp /servers/mcp /servers/A/mcp //mcp /servers/../mcp "
        "/servers/one%2f/mcp /servers/one/mcp/ /servers//mcp /data/mcp/x /Data/mcp"
    ).split(),
)
async def test_a_path_is_an_endpoint_or_it_is_nothing(path: str) -> None:
    given, body = stateless()
    async with serving() as place:
        reply = await post(place, body, given, path=path)
    assert reply.status == 404
    assert place.gate.evidence == []
