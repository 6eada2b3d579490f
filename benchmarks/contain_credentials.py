"""From the fence to the end of what was lent: 32 agents with a database role each, stopped one by one and all at once.

    python -m benchmarks.contain_credentials [--agents 32] [--rounds 3] [--json]

The other half of benchmarks/contain.py: a real gateway, a real PostgreSQL, a login role for each agent
(`postgres_role`), and a session of each role that is in the middle of a query. `session` is from the start
of the fence to the end of that query by an error; `role` to when the role is gone, looked at every 5 ms;
`all` is one fence on everything. Between two rounds every agent gets a new role: `issue` is the first call
of each, with its role made on the way, all of them at once.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg

from benchmarks.contain import INTENTS, TIERS, Cost, call, cost, report, tool_server
from benchmarks.options import options
from gateway.core.fence import Fence
from gateway.core.model import Endpoint
from gateway.fences.log import FenceLog
from gateway.journals.credentials import read
from tests.credentials.places import database
from tests.system.home import Home

TARGET_MS: Final = 2_000.0
SESSION: Final = "SELECT pg_sleep(600)"
Ended = dict[str, float]
"""By role, when."""


@dataclass(frozen=True)
class Stand:
    """Agents with a role each behind a gateway that serves."""

    home: Home
    uri: str
    names: Sequence[str]

    async def begin(self) -> tuple[dict[str, str], list[float]]:
        """The role of each agent, and the seconds each first call took."""

        async def first(name: str) -> float:
            token = self.home.mint(name, Endpoint("all"), task=name)
            began = time.perf_counter()
            answer = await call(self.home, token, "look", name)
            assert "result" in answer, answer
            return time.perf_counter() - began

        took = await asyncio.gather(*map(first, self.names))
        leases = read(self.home.root / ".bulkhead" / "journal.db", live=True)
        roles = {lease.task: lease.ref for lease in leases if not lease.is_ours}
        assert len(roles) == len(self.names), roles
        return roles, list(took)

    async def stopped(self, fences: Sequence[Fence], roles: dict[str, str]) -> tuple[Ended, Ended]:
        """Seconds from each agent's fence to the end of its session, and of its role."""
        log, at = FenceLog(self.home.root / ".bulkhead"), dict[str, float]()
        sessions = {role: await self._session(role) for role in roles.values()}
        watching = asyncio.ensure_future(self._gone(set(roles.values())))
        for fence in fences:
            whose = [roles[fence.value.removeprefix("agent:")]] if fence.value else [*sessions]
            at |= dict.fromkeys(whose, time.perf_counter())
            await asyncio.to_thread(log.fence, fence)
            await asyncio.sleep(0.05)
        async with asyncio.timeout(60):
            ended = {role: await task for role, task in sessions.items()}
            gone = await watching
        log.lift(log.read(), "operator:bench", "", 0)
        log.close()
        return (
            {role: ended[role] - at[role] for role in at},
            {role: gone[role] - at[role] for role in at},
        )

    async def _session(self, role: str) -> asyncio.Task[float]:
        """In the middle of a query; when that ended by an error."""
        connection = await psycopg.AsyncConnection.connect(self.uri, user=role)

        async def query() -> float:
            try:
                await connection.execute(SESSION)
                raise AssertionError("its query came to its end")
            except psycopg.OperationalError:
                return time.perf_counter()
            finally:
                await connection.close()

        task = asyncio.ensure_future(query())
        await asyncio.sleep(0)
        return task

    async def _gone(self, roles: set[str]) -> Ended:
        gone: Ended = {}
        async with await psycopg.AsyncConnection.connect(self.uri, autocommit=True) as database:
            while roles - gone.keys():
                found = await database.execute("SELECT rolname FROM pg_roles")
                there = {str(row[0]) for row in await found.fetchall()}
                now = time.perf_counter()
                gone |= {role: now for role in roles - gone.keys() if role not in there}
                await asyncio.sleep(0.005)
        return gone


async def measure(stand: Stand, rounds: int) -> list[Cost]:
    """One by one and all at once, a new role for each agent every time."""
    issue: list[float] = []
    single: list[tuple[Ended, Ended]] = []
    whole: list[tuple[Ended, Ended]] = []
    each = [Fence("agent", f"agent:{name}", "operator:bench", "", 0) for name in stand.names]
    for _ in range(rounds):
        for fences, kept in ((each, single), ([Fence("all", "", "operator:bench", "", 0)], whole)):
            roles, took = await stand.begin()
            issue += took
            kept.append(await stand.stopped(fences, roles))
    return [
        cost("issue", issue),
        cost("one: session", [one for session, _ in single for one in session.values()]),
        cost("one: role", [one for _, role in single for one in role.values()]),
        cost("all: session", [one for session, _ in whole for one in session.values()]),
        cost("all: role", [one for _, role in whole for one in role.values()]),
    ]


def run(agents: int, rounds: int) -> list[Cost]:
    """In directories that are gone afterwards."""
    names = [f"a{number}" for number in range(agents)]
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        uri = stack.enter_context(database())
        url = stack.enter_context(tool_server(root / "effects"))
        dsn = root / "dsn"
        dsn.touch(0o600)
        dsn.write_text(uri)
        lent: dict[str, Any] = {
            "provider": "postgres_role",
            "dsn": {"file": str(dsn)},
            "role": "reporting",
            "headers": {"X-User": "{username}", "X-Password": "{password}"},
        }
        rules = "p, P1, data, tick, look|work, role:worker, local, general, *, -, allow\n"
        rules += "".join(f"g, agent:{name}, role:worker, local\n" for name in names)
        servers = {"tick": {"url": url, "credentials": [lent]}}
        home = Home.make(root / "home", servers, policy=rules, tiers=TIERS, intents=INTENTS)
        home.approve("tick")
        stack.enter_context(home.serving())
        return asyncio.run(measure(Stand(home, uri, names), rounds))


def main() -> None:
    """Prints a table, or JSON. Exit status 1 when a p95 misses its target."""
    given = options(__doc__, agents=32, rounds=3, json=False)
    costs = run(given.agents, given.rounds)
    head = f"{given.agents} agents with a role each; target p95 {TARGET_MS:.0f} ms"
    report(head, costs, given.json)
    missed = [one.what for one in costs if one.what != "issue" and one.p95_ms > TARGET_MS]
    sys.exit(f"missed: {', '.join(missed)}" if missed else 0)


if __name__ == "__main__":
    main()
