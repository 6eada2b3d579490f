"""ContextForge: one gateway registered, one virtual server with its `echo`, over its own HTTP API.

As light as its settings make it: no user interface, no tokens, no rate limits, memory for a cache.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from benchmarks.load import Target
from benchmarks.peers import install
from benchmarks.peers.peer import JSON, CannotStart, Peer, Serving, running, until_answering
from gateway.stories.stage import free_port


def settings(home: Path) -> dict[str, str]:
    """Its environment."""
    return {
        "DATABASE_URL": f"sqlite:///{home / 'forge.db'}",
        "ENVIRONMENT": "development",
        "JWT_SECRET_KEY": secrets.token_hex(32),
        "AUTH_ENCRYPTION_SECRET": secrets.token_hex(32),
        "AUTH_REQUIRED": "false",
        "ALLOW_UNAUTHENTICATED_ADMIN": "true",
        "REQUIRE_USER_IN_DB": "false",
        "SSRF_ALLOW_LOCALHOST": "true",
        "MCPGATEWAY_UI_ENABLED": "false",
        "MCPGATEWAY_ADMIN_API_ENABLED": "false",
        "CACHE_TYPE": "memory",
        "RATE_LIMITING_ENABLED": "false",
        "TOOL_RATE_LIMIT": "10000000",
        "LOG_LEVEL": "ERROR",
    }


def post(url: str, body: JSON) -> Any:
    """Its answer. Raises `CannotStart` with what it says against it."""
    request = Request(url, json.dumps(body).encode(), {"content-type": "application/json"})
    try:
        with urlopen(request, timeout=60) as reply:
            return json.load(reply)
    except HTTPError as refused:
        raise CannotStart(refused.read().decode(errors="replace")[:600]) from refused


def register(origin: str, fixture: int) -> str:
    """The id of a virtual server that has the fixture's `echo`."""
    where = {"url": f"http://127.0.0.1:{fixture}/mcp", "transport": "STREAMABLEHTTP"}
    post(f"{origin}/gateways", {"name": "fixture", **where})
    with urlopen(f"{origin}/tools", timeout=60) as reply:
        tools = [tool["id"] for tool in json.load(reply) if tool["name"] == "fixture-echo"]
    asked = {"name": "bench", "associated_tools": tools}
    return str(post(f"{origin}/servers", {"server": asked})["id"])


@contextmanager
def serve(fixture: int, home: Path) -> Iterator[Serving]:
    port = free_port()
    origin = f"http://127.0.0.1:{port}"
    program = str(install.python("contextforge") / "mcpgateway")
    command = [program, "mcpgateway.main:app", "--host", "127.0.0.1", "--port", str(port)]
    with running(command, home, settings(home)) as process:
        until_answering(process, f"{origin}/health", home)
        path = f"/servers/{register(origin, fixture)}/mcp"
        yield Serving(Target(port, path), process, era="sessions", tool="fixture-echo")


def version() -> str:
    install.python("contextforge")
    return install.version("contextforge", "mcp-contextforge-gateway")


PEER: Final = Peer("ContextForge", version, serve)
