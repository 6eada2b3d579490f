"""The kinds of calls that are measured, and the ways each can take.

    python -m benchmarks.scenarios [--rounds 3] [--seconds 1] [--only NAME ...] [--json]

Ways: `direct`, to the tool server (then the CPU is the tool server's own); `floor`, over the bare relay
(floor.py); the MCP SDK's own stdio client; and gateways, by the name of their home (homes.py). All are
pinned to one core with their load and take turns; medians over rounds. Read the ratios: the numbers are
the machine's.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from benchmarks.homes import GRANTS, RULES
from benchmarks.load import Target, stateless
from benchmarks.meter import Row, Way, http, measure, on_one_core
from benchmarks.opening import session
from benchmarks.options import options
from benchmarks.sdkclient import sdk_client
from benchmarks.stand import Stand, target
from gateway.core.model import Endpoint

JSON = dict[str, Any]
SMALL: Final[JSON] = {"name": "echo", "arguments": {"text": "x" * 200}}
RELAYS: Final = ("direct", "floor", "gateway")
STATELESS: Final = "gateway, stateless"
"""The gateway asked in the stateless era, whatever the scenario's."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One kind of call, at so many connections, in so many ways."""

    name: str
    connections: int
    calls: tuple[JSON, ...] = (SMALL,)
    """In turns, one to a connection."""
    server: str = "http"
    method: str = "tools/call"
    era: str = "stateless"
    ways: tuple[str, ...] = RELAYS


def _tool(name: str, arguments: JSON | None = None, **meta: Any) -> JSON:
    said: JSON = {"name": name, "arguments": arguments or {}}
    return {**said, **({"_meta": meta} if meta else {})}


def _notes(count: int) -> tuple[JSON, ...]:
    """Of each note in turn: written, read."""
    return tuple(
        call
        for number in range(count)
        for call in (
            _tool("put_note", {"id": f"n{number}", "body": "z" * 200}),
            _tool("get_note", {"id": f"n{number}"}),
        )
    )


SCENARIOS: Final = (
    *(
        Scenario("small call", count, ways=("direct", "floor", "no journal", "gateway"))
        for count in (1, 16, 64, 256)
    ),
    Scenario("small write", 1, (_tool("note"),)),
    Scenario("small write", 16, (_tool("note"),)),
    Scenario("small call, with a grant", 64, ways=("gateway", "with a grant")),
    Scenario(f"small call, a grant of {GRANTS}", 64, ways=("gateway", "grants")),
    Scenario(f"small call, {RULES} rules", 64, ways=("gateway", "rules")),
    Scenario("small call, session of the old era", 64, era="sessions", ways=(*RELAYS, STATELESS)),
    Scenario("notes read and written, with capture", 16, _notes(8), ways=("direct", "capture")),
    Scenario("result of 100 KB", 4, (_tool("kb100"),)),
    Scenario("result of 10 MB", 1, (_tool("mb10"),)),
    Scenario("20 notifications in a burst", 4, (_tool("progress", progressToken=1),)),
    Scenario("5 notifications, 10 ms apart", 4, (_tool("paced", progressToken=1),)),
    Scenario("tools/list of 500", 4, ({},), "many", "tools/list"),
    Scenario("stdio server, small call", 1, server="pipe", ways=("SDK client", "gateway")),
    Scenario("stdio server, small call", 16, server="pipe", ways=("gateway",)),
)


def ways(stand: Stand, stack: ExitStack, scenario: Scenario) -> list[Way]:
    """All of one scenario."""
    return [_way(stand, stack, scenario, name) for name in scenario.ways]


def _way(stand: Stand, stack: ExitStack, scenario: Scenario, name: str) -> Way:
    if name == "SDK client":
        client = stack.enter_context(sdk_client())
        return Way(name, client.process, client.round)
    if name == STATELESS:
        plain = _way(stand, stack, replace(scenario, era="stateless"), "gateway")
        return replace(plain, name=name)
    fixture = stand.fixture(scenario.server).port if scenario.server != "pipe" else None
    if name in ("direct", "floor"):
        one = stand.fixture(scenario.server) if name == "direct" else stand.floor(scenario.server)
        place, process = Target(one.port, "/mcp"), one.process
    else:
        gateway = stand.gateway("wide" if scenario.server != "http" else name)
        place = target(gateway.home, Endpoint("server", server=scenario.server))
        process = gateway.process
    return Way(name, process, http(place.port, requests(place, scenario)), fixture)


def requests(target: Target, scenario: Scenario) -> list[bytes]:
    """One for each connection."""
    kinds = len(scenario.calls)
    return [
        _request(target, scenario, scenario.calls[number % kinds], number)
        for number in range(scenario.connections)
    ]


def _request(target: Target, scenario: Scenario, params: JSON, number: int) -> bytes:
    if scenario.era == "stateless":
        return stateless(target, scenario.method, params)
    body = {"jsonrpc": "2.0", "id": number, "method": scenario.method, "params": params}
    return target.post(body, *session(target))


@contextmanager
def standing() -> Iterator[Stand]:
    """Everything that is measured, as it is asked for."""
    with ExitStack() as stack, tempfile.TemporaryDirectory() as root:
        yield Stand(stack, Path(root))


def run(rounds: int, seconds: float, only: Sequence[str] = ()) -> Iterator[Row]:
    """All scenarios, or those whose name begins with one of `only`."""
    with standing() as stand:
        for scenario in SCENARIOS:
            if not only or scenario.name.startswith(tuple(only)):
                with ExitStack() as stack:
                    found = ways(stand, stack, scenario)
                    print(f"{scenario.name}, {scenario.connections} connections", file=sys.stderr)
                    yield from measure(scenario.name, scenario.connections, found, rounds, seconds)


def table(rows: Sequence[Row]) -> str:
    """Markdown."""
    heads = list(asdict(rows[0]))
    lines = [f"| {' | '.join(heads)} |", "|---|---|" + "---:|" * (len(heads) - 2)]
    lines += ["| " + " | ".join(map(str, asdict(row).values())) + " |" for row in rows]
    return "\n".join(lines)


def main() -> None:
    given = options(__doc__, rounds=3, seconds=1.0, only=[], json=False)
    on_one_core()
    rows = list(run(given.rounds, given.seconds, given.only))
    print(json.dumps([asdict(row) for row in rows]) if given.json else table(rows))


if __name__ == "__main__":
    main()
