"""What kinds of calls cost the gateway, each beside the same call made directly, in one run.

    python -m benchmarks.scenarios [--rounds 3] [--seconds 1] [--only NAME ...] [--json]

Direct and gateway take turns, round by round; medians over rounds. CPU is user and system time of the
process measured (for `direct` the tool server's own), by call. `MiB` is what the gateway's memory grew
by over all rounds. Read the ratios; the numbers are the machine's.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final
from urllib.request import Request, urlopen

import psutil
import uvloop
from pydantic_core import to_json

from benchmarks.fixture import SESSIONS
from benchmarks.load import Measured, Target, drive, stateless
from benchmarks.relay import serving, started
from gateway.core.model import Endpoint
from tests.system.home import Home, everybody, one_tier

JSON = dict[str, Any]
RULES: Final = 10_000
SMALL: Final[JSON] = {"name": "echo", "arguments": {"text": "x" * 200}}


@dataclass(frozen=True, slots=True)
class Scenario:
    """One kind of call, at so many connections."""

    name: str
    server: str
    connections: int
    params: JSON
    method: str = "tools/call"
    era: str = "stateless"
    home: str = "plain"


def _tool(name: str, **meta: Any) -> JSON:
    return {"name": name, "arguments": {}, **({"_meta": meta} if meta else {})}


SCENARIOS: Final = (
    Scenario("small call", "http", 16, SMALL),
    Scenario("small write", "http", 16, _tool("note")),
    Scenario("result of 100 KB", "http", 4, _tool("kb100")),
    Scenario("result of 10 MB", "http", 1, _tool("mb10")),
    Scenario("20 notifications", "http", 4, _tool("progress", progressToken=1)),
    Scenario("tools/list of 500", "many", 4, {}, "tools/list"),
    Scenario("small call, session", "http", 16, SMALL, era="sessions"),
    Scenario("small call, stdio server", "pipe", 16, SMALL),
    Scenario("small call, stdio server, one at a time", "pipe", 1, SMALL),
    Scenario(f"small call, {RULES} rules", "http", 16, SMALL, home="rules"),
)


@dataclass(frozen=True, slots=True)
class Row:
    """One way through one scenario."""

    scenario: str
    way: str
    connections: int
    cpu_us: float
    p50_us: int
    p99_us: int
    first_byte_us: int
    calls_per_second: int
    grown_mib: float


class Stand:
    """Fixtures and gateways, standing."""

    def __init__(self, stack: ExitStack, root: Path) -> None:
        self.fixtures: dict[str, tuple[int, psutil.Process]] = {
            name: stack.enter_context(started("benchmarks.fixture", "--tools", str(more)))
            for name, more in (("http", 0), ("many", 500))
        }
        self.homes = {
            "plain": self._home(root / "plain", self._policy()),
            "rules": self._home(root / "rules", self._policy() + _other_rules()),
        }
        self.gateways = {
            name: stack.enter_context(
                serving(home, "gateway", "serve", "--config", str(home.config))
            )
            for name, home in self.homes.items()
        }

    def _servers(self) -> JSON:
        urls = {
            name: {"url": f"http://127.0.0.1:{port}/mcp"}
            for name, (port, _) in self.fixtures.items()
        }
        words = ["-m", "benchmarks.fixture", "--stdio"]
        return {**urls, "pipe": {"command": [sys.executable, *words], "cwd": str(Path.cwd())}}

    def _policy(self) -> str:
        return everybody([("data", name) for name in ("http", "many", "pipe")])

    def _home(self, root: Path, policy: str) -> Home:
        servers = self._servers()
        tiers = "servers:\n" + "".join(one_tier(name).partition("\n")[2] for name in servers)
        written = (
            '      "note": {tier: data, effect: write}\n      "*": {tier: data, effect: read}\n'
        )
        tiers = tiers.replace(
            '    tools:\n      "*": {tier: data, effect: read}\n', "    tools:\n" + written
        )
        home = Home.make(root, servers, policy=policy, tiers=tiers)
        home.approve(*servers)
        return home


def _other_rules() -> str:
    """Rules about everybody else: what makes a policy large."""
    rules = "".join(
        f"p, P9{n:05}, data, http, tool_{n % 97}, role:r{n % 500}, local, general, *, -, allow\n"
        for n in range(RULES)
    )
    return rules + "".join(f"g, agent:a{n}, role:r{n}, local\n" for n in range(500))


def requests(stand: Stand, scenario: Scenario, way: str) -> tuple[int, list[bytes], psutil.Process]:
    """Port, one request for each connection, and the process to measure."""
    if way == "direct":
        port, process = stand.fixtures["many" if scenario.server == "many" else "http"]
        target = Target(port, "/mcp")
    else:
        home, endpoint = stand.homes[scenario.home], Endpoint("server", server=scenario.server)
        token = home.mint("tester", endpoint)
        target = Target(home.port, endpoint.path, (("authorization", f"Bearer {token}"),))
        process = stand.gateways[scenario.home]
    made = [_request(target, scenario, number) for number in range(scenario.connections)]
    return target.port, made, process


def _request(target: Target, scenario: Scenario, number: int) -> bytes:
    if scenario.era == "stateless":
        return stateless(target, scenario.method, scenario.params)
    session = _session(target)
    body = {"jsonrpc": "2.0", "id": number, "method": scenario.method, "params": scenario.params}
    return target.post(body, *session)


def _session(target: Target) -> Sequence[tuple[str, str]]:
    """Open one; the headers of what is said in it."""
    about = {
        "protocolVersion": SESSIONS,
        "capabilities": {},
        "clientInfo": {"name": "b", "version": "1"},
    }
    hello = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": about}
    headers = {**dict(target.headers), "content-type": "application/json"}
    headers["accept"] = "application/json, text/event-stream"
    asked = Request(f"http://127.0.0.1:{target.port}{target.path}", to_json(hello), headers)
    with urlopen(asked) as reply:
        id = reply.headers.get("mcp-session-id")
    version = ("mcp-protocol-version", SESSIONS)
    return (version, ("mcp-session-id", id)) if id else (version,)


def measure(stand: Stand, scenario: Scenario, rounds: int, seconds: float) -> Iterator[Row]:
    """Both ways through one scenario, taking turns."""
    ways = {way: requests(stand, scenario, way) for way in ("direct", "gateway")}
    seen: dict[str, list[tuple[float, Measured]]] = {way: [] for way in ways}
    grown = {}
    for number in range(rounds + 1):
        for way, (port, asked, process) in ways.items():
            before = process.cpu_times()
            took = uvloop.run(drive(port, asked, seconds))
            after = process.cpu_times()
            cpu = (after.user + after.system - before.user - before.system) / took.calls * 1e6
            if number:  # the first is to warm up
                seen[way].append((cpu, took))
            else:
                grown[way] = process.memory_info().rss
    for way, (_, _, process) in ways.items():
        measured = [took for _, took in seen[way]]
        yield Row(
            scenario.name,
            way,
            scenario.connections,
            round(statistics.median(cpu for cpu, _ in seen[way]), 1),
            round(statistics.median(one.p50 for one in measured)),
            round(statistics.median(one.p99 for one in measured)),
            round(statistics.median(one.first_byte for one in measured)),
            round(statistics.median(one.per_second for one in measured)),
            round((process.memory_info().rss - grown[way]) / 2**20, 1),
        )


@contextmanager
def standing() -> Iterator[Stand]:
    """Everything that is measured."""
    with ExitStack() as stack, tempfile.TemporaryDirectory() as root:
        yield Stand(stack, Path(root))


def run(rounds: int, seconds: float, only: Sequence[str] = ()) -> list[Row]:
    """All scenarios, or those whose name begins with one of `only`."""
    chosen = [one for one in SCENARIOS if not only or one.name.startswith(tuple(only))]
    with standing() as stand:
        return [row for one in chosen for row in measure(stand, one, rounds, seconds)]


def table(rows: Sequence[Row]) -> str:
    """Markdown."""
    heads = "scenario | way | connections | CPU us a call | p50 us | p99 us | first byte us | calls/s | MiB"
    lines = [f"| {heads} |", "|---|---|" + "---:|" * 7]
    lines += [
        "| " + " | ".join(str(value) for value in asdict(row).values()) + " |" for row in rows
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--only", nargs="+", default=[])
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    rows = run(given.rounds, given.seconds, given.only)
    print(json.dumps([asdict(row) for row in rows]) if given.json else table(rows))


if __name__ == "__main__":
    main()
