"""Other gateways and this one on the same small call, in the same rounds, on one core.

    python -m benchmarks.peers [--rounds 3] [--seconds 2] [--connections 1 64] [--only NAME ...] [--json]

Each peer has an environment of its own in .bench/peers, set up from lock files. One that cannot be set up
or does not serve is a row that says so. All take the small call in the stateless era unless they only speak
sessions. `mcp-proxy` of both kinds has its tool server over stdio; beside them stands a row of ours that has,
too. Slow peers get as many calls as fit. Results go to .bench/peers.json.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from benchmarks import results
from benchmarks.load import Failed
from benchmarks.meter import Row, Way, WayFailed, http, measure, on_one_core
from benchmarks.options import options
from benchmarks.peers import contextforge, envoy, fastmcp, mcp_proxy_npm, mcp_proxy_pypi
from benchmarks.peers.install import CannotInstall
from benchmarks.peers.peer import CannotStart, Peer, Serving
from benchmarks.scenarios import SMALL, Scenario, requests, table, ways
from benchmarks.stand import Stand

PEERS: Final = (
    envoy.PEER,
    mcp_proxy_npm.PEER,
    mcp_proxy_pypi.PEER,
    fastmcp.PEER,
    contextforge.PEER,
)
OURS: Final = ("direct", "floor", "gateway")


class Standing:
    """Peers that serve, and why the others do not."""

    def __init__(self, stack: ExitStack, fixture: int, root: Path) -> None:
        self._stack = stack
        self._fixture = fixture
        self._root = root
        self.serving: dict[str, Serving] = {}
        self.versions: dict[str, str] = {}
        self.failed: dict[str, str] = {}

    def start(self, peer: Peer) -> None:
        home = self._root / peer.name.replace(" ", "-")
        home.mkdir()
        print(f"{peer.name}: setting up", file=sys.stderr)
        try:
            self.versions[peer.name] = peer.version()
            serving = self._stack.enter_context(peer.serve(self._fixture, home))
            self.serving[peer.name] = serving
            self.way(peer.name, 1).round(0)
        except (CannotInstall, CannotStart, Failed, OSError) as reason:
            self.lost(peer.name, str(reason))

    def ways(self, connections: int) -> list[Way]:
        """The small call through each that lets so many in."""
        found = []
        for name in list(self.serving):
            try:
                found.append(self.way(name, connections))
            except OSError as reason:
                self.lost(name, f"{connections} connections: {reason}")
        return found

    def way(self, name: str, connections: int) -> Way:
        serving = self.serving[name]
        call = {**SMALL, "name": serving.tool}
        scenario = Scenario("small call", connections, (call,), era=serving.era)
        asked = http(serving.target.port, requests(serving.target, scenario))
        return Way(name, serving.process, asked, self._fixture if serving.over_http else None)

    def lost(self, name: str, reason: str) -> None:
        """It is no longer measured."""
        print(f"{name}: {reason}", file=sys.stderr)
        self.failed[name] = reason
        self.serving.pop(name, None)


def ours(stand: Stand, stack: ExitStack, connections: int) -> list[Way]:
    """The same calls directly, over the floor, over this gateway, and with a stdio server behind it."""
    plain = ways(stand, stack, Scenario("small call", connections, ways=OURS))
    piped = Scenario("small call", connections, server="pipe", ways=("gateway",))
    (pipe,) = ways(stand, stack, piped)
    return [*plain, Way("gateway, stdio server", pipe.process, pipe.round)]


def run(
    peers: Sequence[Peer], connections: Sequence[int], rounds: int, seconds: float
) -> tuple[list[Row], Standing]:
    """All that stand, in turns."""
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stand = Stand(stack, root)
        standing = Standing(stack, stand.fixture("http").port, root)
        for peer in peers:
            standing.start(peer)
        rows = list[Row]()
        for count in connections:
            print(f"{count} connections", file=sys.stderr)
            rows += lasting(standing, ours(stand, stack, count), count, rounds, seconds)
        return rows, standing


def lasting(
    standing: Standing, ours: Sequence[Way], connections: int, rounds: int, seconds: float
) -> list[Row]:
    """Rounds of all, begun again without a peer that does not last."""
    while True:
        found = [*ours, *standing.ways(connections)]
        try:
            return list(measure("small call", connections, found, rounds, seconds))
        except WayFailed as failed:
            name, reason = failed.args
            if name not in standing.serving:
                raise
            standing.lost(name, reason)


def told(rows: Sequence[Row], standing: Standing) -> Iterator[dict[str, Any]]:
    """Rows with versions, and one for each that does not stand."""
    for row in rows:
        yield {**asdict(row), "version": standing.versions.get(row.way, "")}
    for name, reason in standing.failed.items():
        yield {"way": name, "failed": reason.strip().splitlines()[-1] if reason.strip() else "?"}


def main() -> None:
    given = options(__doc__, rounds=3, seconds=2.0, connections=[1, 64], only=[], json=False)
    chosen = [peer for peer in PEERS if not given.only or peer.name.startswith(tuple(given.only))]
    on_one_core()
    rows, standing = run(chosen, given.connections, given.rounds, given.seconds)
    all_told = list(told(rows, standing))
    results.keep("peers", all_told)
    print(json.dumps(all_told) if given.json else table(rows))


if __name__ == "__main__":
    main()
