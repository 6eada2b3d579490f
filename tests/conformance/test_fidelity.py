"""Nobody can tell the transparent endpoint from the server behind it: every member of every answer, held side by side.

The server is raw (vendor.py), the agent is raw, the gateway is a real process; each era is compared
with itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from gateway.stories.stage import free_port
from tests.conformance import vendor
from tests.conformance.cell import SERVER, Cell, fronted, process
from tests.conformance.speaker import Speaker
from tests.system.home import one_tier

JSON = dict[str, Any]
ERAS = ("sessions", "stateless")
META = {"traceparent": vendor.TRACE, "vendor/m": {"a": [1, 1.0, None]}, "echo": True}
TEMPLATED = "Tmpl://%41/Data?q=%C3%A9"


def calls(*names: str) -> Iterator[tuple[str, JSON]]:
    for name in names:
        yield "tools/call", {"name": name, "arguments": {}}


REQUESTS: list[tuple[str, JSON]] = [
    *((method, {} if cursor is None else {"cursor": cursor}) for method, cursor in vendor.PAGES),
    *calls(*vendor.CALLS, *vendor.ERRORS),
    ("tools/call", {"name": "links", "arguments": {"n": 2**60}, "_meta": META, "x-vendor": [0]}),
    ("tools/call", {"name": "progress", "arguments": {}, "_meta": {"progressToken": 7}}),
    ("tools/call", {"name": "progress", "arguments": {}, "_meta": {"progressToken": "é"}}),
    ("tools/call", {"name": "numbers"}),
    *(("resources/read", {"uri": uri, "_meta": META}) for uri in (*vendor.ODD_URIS, TEMPLATED)),
    ("prompts/get", {"name": "ask", "arguments": {"who": "é"}, "x-vendor": None}),
    (
        "completion/complete",
        {
            "ref": {"type": "ref/prompt", "name": "ask", "x": 1},
            "argument": {"name": "who", "value": ""},
            "context": {"arguments": {"a": "b"}, "v": 1.0},
            "_meta": META,
        },
    ),
    (
        "completion/complete",
        {
            "ref": {"type": "ref/resource", "uri": "Tmpl://{id}/Data{?q}"},
            "argument": {"name": "id", "value": "é"},
        },
    ),
    ("vendor/echo", {"a": [1, 1.0, {"b": None}], "_meta": META}),
    ("vendor/echo", {}),
    ("vendor/refuse", {"why": "é"}),
]


# URIs that are not what they seem at first sight match by exact name only.
EXACTLY = "".join(
    f"      {json.dumps(uri)}: {{tier: data, effect: read}}\n"
    for uri in (*vendor.ODD_URIS, TEMPLATED)
)
TIERS = one_tier(SERVER).replace("    resources:\n", f"    resources:\n{EXACTLY}")


@pytest.fixture(scope="module", params=ERAS)
def there(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Cell]]:
    root, port, era = tmp_path_factory.mktemp("vendor"), free_port(), request.param
    words = ["tests.conformance.vendor", "--port", str(port), "--era", era]
    with (
        process(words, port, root / "vendor.log"),
        fronted(root / "home", f"http://127.0.0.1:{port}/mcp", TIERS) as cell,
    ):
        yield era, cell


def differences(one: Any, other: Any, at: str = "") -> Iterator[str]:
    """Where two JSON values differ, to the type of a number; members in any order."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in one.keys() | other.keys():
            if key not in one or key not in other:
                yield f"{at}/{key}: only {'relayed' if key in other else 'direct'}"
            else:
                yield from differences(one[key], other[key], f"{at}/{key}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for index, pair in enumerate(zip(one, other, strict=True)):
            yield from differences(*pair, f"{at}/{index}")
    elif type(one) is not type(other) or one != other or _form(one) != _form(other):
        yield f"{at}: {str(one)[:200]!r} is relayed as {str(other)[:200]!r}"


def _form(value: Any) -> Any:
    """1.0 and -0.0 as numbers of their own; how many digits a writer chose is its own affair."""
    return (value.is_signed(), float(value)) if isinstance(value, Decimal) else value


def test_every_answer_is_the_servers_own_to_the_last_member(there: tuple[str, Cell]) -> None:
    found: dict[str, list[str]] = {}
    era, cell = there
    with Speaker(cell.direct, era) as direct, Speaker(cell.through, era) as relayed:
        for number, (method, params) in enumerate(REQUESTS):
            unlike = list(differences(direct.say(method, params), relayed.say(method, params)))
            if unlike:
                found[f"{number} {method} {str(params)[:80]}"] = unlike
    assert len(REQUESTS) >= 30
    assert found == {}


def test_a_server_introduces_itself_in_its_own_words(there: tuple[str, Cell]) -> None:
    era, cell = there
    with Speaker(cell.direct, era) as direct, Speaker(cell.through, era) as relayed:
        assert list(differences(direct.hello, relayed.hello)) == []


def test_a_difference_would_be_seen() -> None:
    one = {"a": [1, {"b": Decimal("1.0")}], "c": None}
    assert list(differences(one, {"a": [1, {"b": 1}], "c": None}))
    assert list(differences(one, {"a": [1, {"b": Decimal("1.0")}]}))
    assert list(differences(one, {"a": [True, {"b": Decimal("1.0")}], "c": None}))
    assert not list(differences(one, dict(reversed(one.items()))))
