"""What an agent may not know of sounds the same and takes the same time: unknown, hidden, denied, quarantined."""

from __future__ import annotations

import itertools
import json
import math
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from gateway.core.model import Endpoint
from tests.system import starter
from tests.system.home import Home
from tests.system.raw import stateless

SERVER: Final = Path(__file__).parents[1] / "servers" / "ticking.py"
SAMPLES: Final = int(os.environ.get("BULKHEAD_TEST_TIMING", "150"))
"""Of each kind. `BULKHEAD_TEST_TIMING=2000` for the long look."""
CHANCE: Final = 1e-5
"""How often two samples of one kind may look as different as this."""
# All names are of one length: what an agent sends takes its own time.
KINDS: Final = {
    "unknown": "tick__lost",
    "no server": "tock__look",
    "no rule": "tick__look",
    "denied": "tick__work",
    "quarantined": "team__work",
}
POLICY: Final = """
p, P010, data, tick, look, role:reader, local, other, local, -, allow
p, P020, data, tick, work, role:reader, local, general, local, -, allow
p, P030, data, team, work|look, role:reader, local, general, local, -, allow
p, D020, data, tick, work, *, *, *, *, -, deny
g, agent:ann, role:reader, local
"""
TIERS: Final = """
servers:
  tick: {tools: {"*": {tier: data, effect: read}}}
  team: {tools: {"*": {tier: data, effect: read}}}
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    root = tmp_path_factory.mktemp("alike")
    (root / "place").mkdir()
    command = [starter.python(), str(SERVER), str(root / "place")]
    servers = {name: {"command": command} for name in ("tick", "team")}
    made = Home.make(root / "home", servers, policy=POLICY, tiers=TIERS)
    made.approve("tick")
    made.must("servers", "approve", "team", "--only", "look", "--yes")
    with made.serving():
        yield made


class Asking:
    """One agent on one connection."""

    def __init__(self, home: Home, client: httpx.Client) -> None:
        self.home = home
        self.token = home.mint("ann", Endpoint("all"))
        self.client = client

    def ask(self, name: str) -> tuple[float, int, dict[str, Any]]:
        """Seconds, the status, the body."""
        said = stateless(self.token, "tools/call", {"name": name, "arguments": {"n": 1}})
        url = f"{self.home.origin}/mcp"
        began = time.perf_counter()
        answer = self.client.post(url, **said)
        return time.perf_counter() - began, answer.status_code, answer.json()


def test_all_of_them_sound_the_same(home: Home) -> None:
    with httpx.Client(timeout=30) as client:
        asking = Asking(home, client)
        heard = {kind: asking.ask(name) for kind, name in KINDS.items()}
    said = set()
    for kind, (_, status, body) in heard.items():
        call = body["error"]["data"].pop("call")
        text = json.dumps(body).replace(KINDS[kind], "NAME")
        said.add((status, len(call), text))
    reasons = {call["outcome"]["reason"] for call in home.calls("--agent", "ann")}
    assert len(said) == 1
    assert reasons == {"unknown_target", "no_rule", "denied_by_rule", "quarantined"}


def test_all_of_them_take_the_same_time(home: Home) -> None:
    """Two-sample Kolmogorov-Smirnov, each kind against each, asked in an order nobody chose."""
    order = [*KINDS] * SAMPLES
    random.Random(7).shuffle(order)
    took: dict[str, list[float]] = {kind: [] for kind in KINDS}
    with httpx.Client(timeout=30) as client:
        asking = Asking(home, client)
        for kind in KINDS:
            asking.ask(KINDS[kind])  # warms up
        for kind in order:
            took[kind].append(asking.ask(KINDS[kind])[0])
    most = tolerated(SAMPLES)
    apart = {
        f"{one} and {other}": round(distance(took[one], took[other]), 3)
        for one, other in itertools.combinations(KINDS, 2)
    }
    assert {pair: far for pair, far in apart.items() if far > most} == {}


def tolerated(samples: int) -> float:
    """How far apart two samples of one kind may be, at this `CHANCE`."""
    return math.sqrt(-math.log(CHANCE / 2) / samples)


def distance(one: list[float], other: list[float]) -> float:
    """The largest gap between the two distribution functions."""
    a, b, i, j, most = sorted(one), sorted(other), 0, 0, 0.0
    while i < len(a) and j < len(b):
        if a[i] <= b[j]:
            i += 1
        else:
            j += 1
        most = max(most, abs(i / len(a) - j / len(b)))
    return most


def test_the_measure_tells_different_times_apart() -> None:
    """It can fail: a tenth of a millisecond beside one of noise is seen in 2,000 samples."""
    chance = random.Random(3)
    same = [[chance.gauss(3, 0.3) for _ in range(2_000)] for _ in range(2)]
    later = [each + 0.1 for each in same[1]]
    assert distance(same[0], same[1]) < tolerated(2_000) < distance(same[0], later)
