"""A workload with nothing but its certificate, at a whole gateway: TLS, identity, policy, a server, the journal."""

from __future__ import annotations

import ssl
from pathlib import Path

import anyio
import httpx

from gateway import settings as settings_file
from gateway.stories.stage import Stage
from tests.identity.authority import Authority, address, client
from tests.system import starter
from tests.system.home import Home
from tests.system.raw import stateless

POLICY = """\
p, P010, data, time, *, role:tester, local, general, *, -, allow
g, agent:triage-1, role:tester, local
"""
TIERS = 'servers:\n  time:\n    tools: {"*": {tier: data, effect: read}}\n'


async def _call(home: Home, context: ssl.SSLContext, tier: str) -> httpx.Response:
    params = {"name": "time__get_current_time", "arguments": {"timezone": "UTC"}}
    url = f"https://127.0.0.1:{home.port}/{tier}/mcp"
    async with httpx.AsyncClient(verify=context, trust_env=False, timeout=30) as web:
        return await web.post(url, **stateless(None, "tools/call", params))


async def test_a_workload_calls_by_its_certificate_and_is_on_record_by_its_name(
    tmp_path: Path,
) -> None:
    root, web, mesh = tmp_path / "home", Authority("web"), Authority("mesh")
    home = Home.make(
        root,
        {"time": {"command": [starter.program("mcp-server-time")]}},
        policy=POLICY,
        tiers=TIERS,
        tls={"certificate": "gateway.pem", "key": "gateway.key"},
        issuers={
            "mesh": {
                "kind": "mtls",
                "trust_domain": "acme.example",
                "keys": {"file": "bundle.pem"},
                "agent": {"claim": "sub", "after": "spiffe://acme.example/agent/"},
                "tiers": ["data"],
            }
        },
    )
    web.leaf(address()).write(root, "gateway")
    (root / "web.pem").write_bytes(web.pem())
    (root / "bundle.pem").write_bytes(mesh.pem())
    workload = client(root / "web.pem", mesh.svid().write(root, "triage"))
    stranger = client(root / "web.pem")
    home.approve("time")
    # In this process: `home.serving` waits for an answer over plain HTTP.
    stage = Stage(home.root, home.config, settings_file.load(home.config))
    with anyio.fail_after(60):
        async with stage.serving():
            called = await _call(home, workload, "data")
            out_of_reach = await _call(home, workload, "admin")
            nobody = await _call(home, stranger, "data")
    assert called.json()["result"]["isError"] is False
    assert (out_of_reach.status_code, nobody.status_code) == (403, 401)
    [call] = [each for each in home.calls() if each["state"] == "applied"]
    assert (call["agent"], call["task"]) == ("agent:triage-1", "standing")
