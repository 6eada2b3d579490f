"""Who are you: challenges, and the documents that say where to look."""

from __future__ import annotations

import pytest

from tests.wire.agents.house import serving
from tests.wire.agents.raw import call, connection, post, stateless

METADATA = "http://127.0.0.1:0/.well-known/oauth-protected-resource"


async def test_no_token_is_told_where_to_get_one_and_of_no_error() -> None:
    async with serving() as place:
        reply = await call(place, authorization=None)
    assert reply.status == 401
    assert reply.headers["www-authenticate"] == (
        f'Bearer resource_metadata="{METADATA}/mcp", scope="mcp:data mcp:tool"'
    )


@pytest.mark.parametrize("token", ["Bearer wrong", "Basic alice-token", "bearer"])
async def test_every_token_that_is_not_good_gets_the_same_answer(token: str) -> None:
    async with serving() as place:
        reply = await call(place, authorization=token)
    assert (reply.status, reply.body.count(b"token")) == (401, 1)
    assert 'error="invalid_token"' in reply.headers["www-authenticate"]


async def test_a_token_of_too_small_a_scope_is_told_the_scope() -> None:
    given, body = stateless(authorization="Bearer narrow-token")
    async with serving() as place:
        reply = await post(place, body, given, path="/admin/mcp")
    assert reply.status == 403
    assert reply.headers["www-authenticate"] == (
        f'Bearer error="insufficient_scope", resource_metadata="{METADATA}/admin/mcp", '
        'scope="mcp:admin"'
    )


async def test_nobody_unidentified_gets_a_byte_of_body_read() -> None:
    given, _ = stateless(authorization=None, content_length="1000000")
    async with serving() as place, connection(place) as line:
        await line.send(headers=given)
        reply = await line.reply()
    assert reply.status == 401


@pytest.mark.parametrize(
    ("endpoint", "scopes"),
    [
        ("/mcp", ["mcp:data", "mcp:tool"]),
        ("/data/mcp", ["mcp:data"]),
        ("/admin/mcp", ["mcp:admin"]),
        ("/servers/one/mcp", ["mcp:data", "mcp:tool"]),
        ("/servers/no-such-server/mcp", ["mcp:data", "mcp:tool"]),
    ],
)
async def test_each_endpoint_is_a_resource_with_a_document(
    endpoint: str, scopes: list[str]
) -> None:
    async with serving(public_url="https://gw.example.com") as place, connection(place) as line:
        await line.send("GET", f"/.well-known/oauth-protected-resource{endpoint}")
        reply = await line.reply()
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    assert reply.json == {
        "resource": f"https://gw.example.com{endpoint}",
        "bearer_methods_supported": ["header"],
        "scopes_supported": scopes,
    }


async def test_health_and_readiness_need_no_token() -> None:
    async with serving() as place, connection(place) as line:
        await line.send("GET", "/healthz")
        alive = await line.reply()
        await line.send("GET", "/readyz")
        ready = await line.reply()
        await line.send("POST", "/readyz")
        posted = await line.reply()
    assert (alive.status, alive.json) == (200, {"status": "alive"})
    assert (ready.status, ready.json) == (200, {"ready": True, "servers": {"one": "up"}})
    assert posted.status == 405
    assert "server" not in alive.headers


@pytest.mark.parametrize("host", [b"Host: 10.1.2.3:8811\r\n", b""])
async def test_a_probe_by_the_bare_address_hears_the_status_alone(host: bytes) -> None:
    """Kubelets and balancers do not know our name, and the oldest of them (HTTP/1.0) send none."""
    said = []
    async with serving() as place:
        for path, more in (
            ("/healthz", b""),
            ("/readyz", b""),
            ("/readyz", b"Origin: http://10.1.2.3\r\n"),
        ):
            async with connection(place) as line:
                line.writer.write(b"GET %b HTTP/1.0\r\n%b%b\r\n" % (path.encode(), host, more))
                reply = await line.reply()
            said.append((reply.status, reply.json))
        async with connection(place) as line:
            line.writer.write(b"GET /mcp HTTP/1.0\r\n%b\r\n" % host)
            elsewhere = await line.reply()
    assert said[:2] == [(200, {"status": "alive"}), (200, {"ready": True})]
    assert said[2][0] in (400, 421, 403)
    assert elsewhere.status in (400, 421)
