"""What an agent hears of a call that is held, in whatever shape its tool has promised."""

from __future__ import annotations

import json

import pytest

from gateway.core.model import Entry, JsonObject, Target
from gateway.line.holding import answer

SAID = {"status": "held", "call_id": "c1", "release_at": "1970-01-01T00:01:00+00:00"}
TEXT = json.dumps(SAID)
STRING: JsonObject = {"type": "string"}


def heard(*schema: JsonObject) -> JsonObject:
    descriptor: JsonObject = {"name": "put", **({"outputSchema": schema[0]} if schema else {})}
    entry = Entry(Target("store", "tool", "put"), "store__put", descriptor, "sha256:0")
    result = answer("c1", 60_000_000, entry).result or {}
    assert result["content"] == [{"type": "text", "text": TEXT}]
    return result


def test_a_tool_that_promised_nothing_gives_it_as_data() -> None:
    result = heard()
    assert (result["isError"], result["structuredContent"]) == (False, SAID)


def test_a_tool_that_gives_one_text_gives_it_there() -> None:
    one = {"type": "object", "properties": {"result": STRING}, "required": ["result"]}
    result = heard(one)
    assert (result["isError"], result["structuredContent"]) == (False, {"result": TEXT})


@pytest.mark.parametrize("kind", ["number", "array"])
def test_where_no_shape_fits_it_is_an_error_in_words_alone(kind: str) -> None:
    """Clients check the structured content of an error, too, and throw away what is not as promised."""
    odd = {"type": "object", "properties": {"result": {"type": kind}}, "required": ["result"]}
    result = heard(odd)
    assert (result["isError"], "structuredContent" in result) == (True, False)
