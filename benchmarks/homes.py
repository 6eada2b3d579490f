"""The gateways that are measured: each a directory with settings, a policy, approvals, and what it has to bear.

`make` writes one; `Stand` (stand.py) starts it. The agent is `tester`, its task `test`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any, Final

from benchmarks import fixture
from benchmarks.grants import DEPTH, give
from gateway import settings as settings_file
from gateway.catalogue.canonical import digest
from gateway.journals.sqlite import SqliteJournal
from tests.system.home import Home, everybody, intents

JSON = dict[str, Any]
RULES: Final = 10_000
GRANTS: Final = 10_000
COPIED: Final = 10
"""Servers."""
READS: Final = "{tier: data, effect: read}"
WRITES: Final = "{tier: data, effect: write}"
TOOLS: Final = f'note: {WRITES}, put_note: {WRITES}, "*": {READS}'
TIERS: Final = f'{{tools: {{{TOOLS}}}, methods: {{"*": {READS}}}}}'

PACK: Final = f"""\
undo_pack: 1
server:
  name: fixture
  versions: ">=1"
  tools:
    get_note: {digest(fixture.tool("get_note"))}
    put_note: {digest(fixture.tool("put_note"))}
reads:
  note:
    tool: get_note
    absent_when: read.is_error && matches(read.text, 'not found')
    take: {{body: "${{read.structured.body}}"}}
    schema: {{type: object, required: [body], properties: {{body: {{type: string}}}}}}
tools:
  put_note:
    keys: ["note:/${{segment(args.id)}}"]
    capture: {{note: {{use: note, arguments: {{id: "${{args.id}}"}}}}}}
    cases:
      - when: present(pre.note)
        level: exact
        strategy: restore
        fidelity: body
        inverse: [{{tool: put_note, arguments: {{id: "${{args.id}}", body: "${{pre.note.body}}"}}, idempotent: true}}]
    guard: {{compare: post, strength: check-then-act}}
    predict_post: {{note: {{body: "${{args.body}}"}}}}
"""


def make(root: Path, name: str, servers: Mapping[str, JSON]) -> Home:
    """The home of this name."""
    policy = everybody([("data", server) for server in servers])
    if name == "rules":
        policy += other_rules(RULES)
    tiers = "servers:\n" + "".join(f"  {server}: {TIERS}\n" for server in servers)
    given = intents(servers, ["data"], 86_400) if "grant" in name else ""
    home = Home.make(root, servers, policy=policy, tiers=tiers, intents=given)
    if name == "capture":
        (home.root / "policies" / "undo").mkdir()
        (home.root / "policies" / "undo" / "http.yaml").write_text(PACK)
    approve(home, list(servers))
    if name == "grants":
        asyncio.run(fill_with_grants(home, GRANTS))
    return home


def approve(home: Home, servers: Sequence[str]) -> None:
    """All they offer. Where there are many they are all alike: one is approved, and copied."""
    if len(servers) < COPIED:
        home.approve(*servers)
        return
    first, *others = servers
    home.approve(first)
    pins = home.root / "policies" / "pins"
    told = json.loads((pins / f"{first}.json").read_text())
    for server in others:
        (pins / f"{server}.json").write_text(json.dumps({**told, "server": server}, indent=2))


def other_rules(count: int) -> str:
    """Rules about everybody else: what makes a policy large."""
    rules = "".join(
        f"p, P9{n:05}, data, http, tool_{n % 97}, role:r{n % 500}, local, general, *, -, allow\n"
        for n in range(count)
    )
    return rules + "".join(f"g, agent:a{n}, role:r{n}, local\n" for n in range(500))


async def fill_with_grants(home: Home, count: int) -> None:
    """So many grants of other agents, in chains."""
    async with aclosing(await SqliteJournal.open(state_dir(home) / "journal.db")) as journal:
        await give(journal, count // DEPTH)


def state_dir(home: Home) -> Path:
    """Where it keeps its journal."""
    return settings_file.load(home.config).state_dir
