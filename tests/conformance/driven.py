"""The client leg: the suite starts a tool server, and this drives the SDK's client against it.

`python -m tests.conformance.driven direct|through ERA URL`, started by the suite itself. `through`
puts a real gateway between; whatever the suite's server then sees is the gateway's doing.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, Literal, cast

from mcp import Client
from mcp.client.context import ClientRequestContext
from mcp.types import ElicitRequestFormParams, ElicitRequestParams, ElicitResult

from gateway.core.model import Endpoint
from tests.conformance import suite
from tests.conformance.suite import Result
from tests.system.client import Era, agent
from tests.system.home import Home, everybody, one_tier

Way = Literal["direct", "through"]
WAYS: Final[tuple[Way, Way]] = ("direct", "through")
SCENARIOS: Final[dict[str, tuple[str, ...]]] = {
    "2026-07-28": (
        "tools_call",
        "request-metadata",
        "sep-2322-client-request-state",
        "http-standard-headers",
        "http-custom-headers",
        "http-invalid-tool-headers",
        "json-schema-ref-no-deref",
        "json-schema-2020-12-preservation",
    ),
    "2025-11-25": (
        "initialize",
        "tools_call",
        "elicitation-sep1034-client-defaults",
        "sse-retry",
    ),
}
"""The client scenarios that are not about OAuth."""
_ERA: Final[dict[str, Era]] = {"2026-07-28": "2026-07-28", "2025-11-25": "legacy"}


def run(revision: str, names: Sequence[str], out: Path, way: Way) -> dict[str, Result]:
    """Each of these scenarios, two at a time."""

    def one(name: str) -> dict[str, Result]:
        command = f"{sys.executable} -m tests.conformance.driven {way} {_ERA[revision]}"
        words = ["--command", command, "--scenario", name, "--spec-version", revision]
        return suite.run("client", words, out / revision / name)

    with ThreadPoolExecutor(2) as threads:
        return {name: got for found in threads.map(one, names) for name, got in found.items()}


async def _accept(_: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
    """Accepts with the defaults the question itself names."""
    schema = params.requested_schema if isinstance(params, ElicitRequestFormParams) else {}
    properties: dict[str, Any] = schema.get("properties", {})
    content = {name: one["default"] for name, one in properties.items() if "default" in one}
    return ElicitResult(action="accept", content=content)


async def _drive(client: Client, scenario: str, context: dict[str, Any]) -> None:
    """List what there is, and use each of it once."""
    tools = (await client.list_tools()).tools
    if scenario == "json-schema-2020-12-preservation":
        rich = next(tool for tool in tools if "$defs" in tool.input_schema)
        echo = next(tool for tool in tools if "schema" in tool.input_schema.get("properties", {}))
        await client.call_tool(echo.name, {"schema": rich.input_schema})
        return
    for call in context.get("toolCalls") or [_call(tool.name, tool.input_schema) for tool in tools]:
        await _try(client.call_tool(call["name"], call["arguments"]))
    if scenario == "http-standard-headers":
        for resource in (await client.list_resources()).resources:
            await _try(client.read_resource(resource.uri))
        for prompt in (await client.list_prompts()).prompts:
            await _try(client.get_prompt(prompt.name, {}))


async def _try(asked: Any) -> None:
    """The suite's servers answer some calls in ways the SDK's types turn away: it still saw them."""
    try:
        await asked
    except Exception as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")


def _call(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    samples: dict[Any, Any] = {
        "integer": 5,
        "number": 5,
        "boolean": True,
        "object": {},
        "array": [],
    }
    properties = schema.get("properties", {})
    arguments = {
        key: samples.get(one.get("type"), "x") if isinstance(one, dict) else "x"
        for key, one in properties.items()
        if "$ref" not in one
    }
    return {"name": name, "arguments": arguments}


async def _act(url: str, token: str | None, era: Era) -> None:
    scenario = os.environ.get("MCP_CONFORMANCE_SCENARIO", "")
    context = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT") or "{}")
    # Only `auto` asks `server/discover` first, and so meets a server that turns the first version away.
    mode = cast(Era, "auto") if scenario == "request-metadata" else era
    async with agent(url, token, mode, elicitation_callback=_accept) as client:
        await _drive(client, scenario, context)


def _through(url: str, era: Era) -> None:
    with tempfile.TemporaryDirectory() as made:
        home = Home.make(
            Path(made),
            {"suite": {"url": url}},
            policy=everybody([("data", "suite")]),
            tiers=one_tier("suite"),
        )
        home.approve("suite")
        endpoint = Endpoint("server", server="suite")
        with home.serving() as serving:
            token = home.mint("tester", endpoint)
            asyncio.run(_act(f"{serving.origin}{endpoint.path}", token, era))


def main() -> None:
    """Exit status 0 unless it could not be driven at all."""
    way, era, url = sys.argv[1], cast(Era, sys.argv[2]), sys.argv[3]
    if way == "direct":
        asyncio.run(_act(url, None, era))
    else:
        _through(url, era)


if __name__ == "__main__":
    main()
