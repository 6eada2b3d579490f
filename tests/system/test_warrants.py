"""Warrants of a gateway that serves: asked for by a host with its call, and checked by the verifier alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from gateway.core.model import Endpoint
from gateway.gate.receipts import CALL, WARRANT
from tests.evidence.alone import verified
from tests.system.home import Home
from tests.system.raw import JSON, over_http
from tests.system.test_bounds import INTENTS, POLICY, TIERS


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """One gateway for all: hosts may have warrants, checkpoints go to a directory."""
    root = tmp_path_factory.mktemp("warrants")
    made = Home.ticking(
        root,
        policy=POLICY + "g, agent:ann, role:worker, local\ng, agent:bob, role:worker, local\n",
        tiers=TIERS,
        intents=INTENTS,
        evidence={
            "warrants": "hosts",
            "anchors": [{"directory": "elsewhere"}],
            "anchor_seconds": 0.2,
        },
    )
    with made.serving():
        yield made


ASKING: JSON = {WARRANT: True}


async def called(home: Home, agent: str, meta: JSON | None = None, path: str = "/mcp") -> JSON:
    """The `_meta` of the result of one write."""
    server = path.startswith("/servers/")
    endpoint = Endpoint("server", server="tick") if server else Endpoint("all")
    params = {
        "name": "work" if server else "tick__work",
        "arguments": {"name": "a", "seconds": 0.01},
    }
    with anyio.fail_after(60):
        async with over_http(
            f"{home.origin}{path}", home.mint(agent, endpoint), "2026-07-28"
        ) as ask:
            answer = await ask("tools/call", {**params, "_meta": meta} if meta else params)
    assert not answer["result"].get("isError"), answer
    return dict(answer["result"].get("_meta", {}))


async def test_a_host_that_asks_gets_a_warrant_that_holds_alone(home: Home, tmp_path: Path) -> None:
    home.grant("ann", "--writes", "3", "--uses", "9")
    paper = (await called(home, "ann", ASKING))[WARRANT]
    policy, key = paper["warrant"]["policy_version"], home.must("evidence", "key")
    _, said = verified(paper, key, tmp_path / "sound", "--policy", policy)
    assert "authorised  yes  'rule P020 (" in said
    assert "bounded     yes" in said
    assert "uses': 8" in said and "writes': 2" in said
    assert "reversible  NO   'level unknown" in said, "its server has no undo pack"
    status, said = verified(paper, key, tmp_path / "policy", "--policy", "sha256:other")
    assert (status, "authorised  NO" in said) == (1, True)


async def test_what_is_altered_or_swapped_is_not_sound(home: Home, tmp_path: Path) -> None:
    home.grant("bob", "--writes", "5")
    one, other = [(await called(home, "bob", ASKING))[WARRANT] for _ in range(2)]
    key = home.must("evidence", "key")
    for name, forged in {
        "agent": {**one, "warrant": {**one["warrant"], "agent": "agent:eve"}},
        "budget": {**one, "warrant": {**one["warrant"], "budget": []}},
        "swapped": {**one, "call": other["call"]},
        "another's": {**one, "warrant": other["warrant"], "signature": other["signature"]},
    }.items():
        status, said = verified(forged, key, tmp_path / name)
        assert (status, "NOT SOUND" in said) == (2, True), name
    assert verified(one, key, tmp_path / "itself")[0] == 1, "no pack: it is not reversible"


async def test_unasked_a_result_names_its_call_and_a_transparent_one_nothing(home: Home) -> None:
    home.grant("ann")
    meta = await called(home, "ann")
    assert CALL in meta and WARRANT not in meta
    assert json.loads(home.must("journal", "show", meta[CALL], "--json"))["state"] == "applied"
    assert CALL not in await called(home, "ann", None, "/servers/tick/mcp")


async def test_the_newest_checkpoint_is_taken_outside(home: Home) -> None:
    home.grant("bob")
    await called(home, "bob", ASKING)
    place = home.root / "elsewhere"
    with anyio.fail_after(30):
        while not (notes := sorted(place.glob("checkpoint-*")) if place.exists() else []):
            await anyio.sleep(0.05)
    said = home.must("evidence", "check", *(w for n in notes for w in ("--checkpoint", str(n))))
    assert said.endswith(f"({len(notes)} from elsewhere): sound")
