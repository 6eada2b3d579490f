"""What an odd server says is what an agent hears, in all four cells of agent era and server era.

The server (odd.py) is asked directly in its own era, and through the gateway in either.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.stories.stage import free_port
from tests.conformance import odd
from tests.conformance.cell import SERVER, Cell, fronted, process
from tests.conformance.speaker import JSON, Speaker
from tests.conformance.test_fidelity import differences
from tests.system.home import one_tier

VERSIONS = ("2024-11-05", "2026-07-28")
ERAS = ("sessions", "stateless")
OF_THE_ERA = {"resultType", "ttlMs", "cacheScope"}
META = {"progressToken": "tök", "x": [None, 1.0], "traceparent": "00-a-b-01"}

REQUESTS: list[tuple[str, JSON]] = [
    ("tools/list", {}),
    ("resources/list", {}),
    *(("resources/read", {"uri": uri}) for uri in odd.URIS),
    *(("tools/call", {"name": name, "arguments": {}}) for name in odd.NAMES),
    *(("tools/call", {"name": name, "arguments": {}, "_meta": META}) for name in odd.STREAMED),
    ("tools/call", {"name": "a/b", "arguments": {"": [], "é": {"n": 2**62, "f": 1.0}}, "x": None}),
    ("tools/call", {"name": "UPPER.lower-1_2"}),
]


@pytest.fixture(scope="module", params=VERSIONS)
def there(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Cell]]:
    root, port, version = tmp_path_factory.mktemp("odd"), free_port(), request.param
    words = ["tests.conformance.odd", "--port", str(port), "--version", version]
    # URIs that are not what they seem at first sight match by exact name only.
    exactly = "".join(
        f"      {json.dumps(uri)}: {{tier: data, effect: read}}\n" for uri in odd.URIS
    )
    tiers = one_tier(SERVER).replace("    resources:\n", f"    resources:\n{exactly}")
    with (
        process(words, port, root / "odd.log"),
        fronted(root / "home", f"http://127.0.0.1:{port}/mcp", tiers) as cell,
    ):
        yield ("stateless" if version == odd.STATELESS else "sessions"), cell


def bare(said: JSON) -> Any:
    """The messages without their envelopes and without what only one era has."""
    return [_bare(one) for one in said["messages"]]


def _bare(message: JSON) -> JSON:
    rest = {key: value for key, value in message.items() if key in ("method", "params", "error")}
    if isinstance(result := message.get("result"), dict):
        rest["result"] = {k: value for k, value in result.items() if k not in OF_THE_ERA}
    return rest


@pytest.mark.parametrize("era", ERAS)
def test_what_an_odd_server_says_is_what_is_heard(there: tuple[str, Cell], era: str) -> None:
    spoken, cell = there
    found: dict[str, list[str]] = {}
    with Speaker(cell.direct, spoken) as direct, Speaker(cell.through, era) as relayed:
        for method, params in REQUESTS:
            one, other = direct.say(method, params), relayed.say(method, params)
            unlike = list(differences(bare(one), bare(other)))
            if unlike:
                found[f"{method} {str(params)[:60]}"] = unlike
    assert len(REQUESTS) >= 30
    assert found == {}
