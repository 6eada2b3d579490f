"""A line's bytes are made once and say everything; rows are read back from any version of them."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core import apart
from gateway.core.describe import whole
from gateway.core.model import JsonObject, Own
from gateway.core.record import Line, State, intent_like
from gateway.errors import JournalError
from gateway.journals import form
from gateway.journals.salts import SALT_BYTES
from gateway.values import as_plain
from tests.journals.calls import NOON, call_record, intent, outcome


def test_a_line_says_everything_in_these_very_bytes() -> None:
    """Leaves of a log will be hashed over them: they may change only with the version."""
    assert form.encode(outcome("call-1"), "run-1") == (
        b'{"v":2,"call":"call-1","kind":"applied","at":1795000000001000,"run":"run-1",'
        b'"body":{"outcome":"ok","digest":"sha256:dd"}}'
    )


def test_a_first_line_holds_the_whole_record() -> None:
    line = json.loads(form.encode(intent("call-1"), "run-1"))
    assert line["record"] == as_plain(call_record("call-1"))


@pytest.mark.parametrize("depth", [10, 250, 600])
def test_deep_arguments_are_written(depth: int) -> None:
    arguments: dict[str, object] = {}
    for _ in range(depth):
        arguments = {"a": arguments}
    raw = form.encode(intent("call-1", arguments=arguments), "run-1")
    assert raw.count(b'{"a":') == depth


def test_arguments_too_deep_to_write_are_refused() -> None:
    arguments: dict[str, object] = {}
    for _ in range(100_000):
        arguments = {"a": arguments}
    with pytest.raises(JournalError, match="call-1"):
        form.encode(intent("call-1", arguments=arguments), "run-1")


def test_what_is_no_number_in_json_is_written_as_its_name() -> None:
    raw = form.encode(intent("call-1", arguments={"a": float("nan"), "b": float("-inf")}), "run-1")
    assert json.loads(raw)["record"]["arguments"] == {"a": "NaN", "b": "-Infinity"}


@pytest.mark.parametrize("beside", ["\ud800", "Infinity", "é"])
def test_so_it_is_beside_a_text_that_is_written_the_slow_way(beside: str) -> None:
    """A tool server may answer with both."""
    arguments = {"a": [float("inf"), float("nan"), -0.0, 10**30], beside: beside}
    raw = form.encode(intent("call-1", arguments=arguments), "run-1")
    kept = json.loads(raw)["record"]["arguments"]
    assert kept == {"a": ["Infinity", "NaN", -0.0, 10**30], beside: beside}


def test_a_record_of_another_version_is_read_as_far_as_it_goes() -> None:
    members = form.record_members(call_record("call-1"))
    del members["descriptor"]
    first = {"record": {**members, "novelty": 1}}
    row = form.row("intent", NOON, None, first, first)
    assert row.record == call_record("call-1", descriptor="")


def test_every_character_a_terminal_could_act_on_is_escaped() -> None:
    everything = "".join(map(chr, [*range(0x20), *range(0x7E, 0xA0), 0x202E, 0x2028]))
    raw = form.encode(intent("call-1", arguments={everything: everything}), "run-1")
    assert all(0x20 <= byte < 0x7F for byte in raw)
    assert json.loads(raw)["record"]["arguments"] == {everything: everything}


SURROGATE = re.compile("[\ud800-\udfff]")
NOTHING = Own({}, "", {}, "", "")
LIKE = {
    task: whole("", call_record("", task=task), NOTHING) for task in ("task-1", "task-2", "\u2028")
}
TEXTS = st.text() | st.sampled_from(["", "call-1", "abc234", "\x7f", "\u2028", '"', "\ud800"])
SEARCHED = TEXTS.filter(lambda text: "\0" not in text and not SURROGATE.search(text))
VALUES = st.dictionaries(TEXTS, TEXTS | st.integers() | st.none(), max_size=3)
BODIES = st.dictionaries(
    st.sampled_from(["digest", "detail", "kept", "result", "why"]), VALUES
) | st.sampled_from([{"outcome": "ok"}, {"outcome": "tool_error"}, {"outcome": "ok", "task": "t"}])


@pytest.mark.parametrize("name", sorted(form.SEARCHED))
@pytest.mark.parametrize("what", ["\ud800", "a\0b"])
def test_what_calls_are_looked_for_by_must_fit_a_column(name: str, what: str) -> None:
    line = Line("call-1", State.INTENT, NOON, {}, call_record("call-1", **{name: what}))
    with pytest.raises(JournalError, match=f"the {name} of a call cannot be looked for"):
        form.write(line, "run-1")


@given(
    body=BODIES,
    arguments=VALUES,
    beside=VALUES,
    said=st.fixed_dictionaries(
        dict.fromkeys(("trace", "target"), TEXTS) | dict.fromkeys(("task", "grant"), SEARCHED)
    ),
    kind=st.sampled_from([State.INTENT, State.NOTED, State.REFUSED]),
)
def test_a_line_written_in_pieces_is_the_whole_line_split(
    body: dict[str, object],
    arguments: dict[str, object],
    beside: dict[str, object],
    said: dict[str, str],
    kind: State,
) -> None:
    record = call_record("call-1", arguments=arguments, beside=beside, **said)
    line = Line("call-1", kind, NOON, body, record)
    written, payloads = form.write(line, "run-1")
    stays, parts = _split(json.loads(form.encode(line, "run-1")))
    if payloads:
        stays[apart.MEMBER] = {
            apart.CLASSES[payload.kind]: payload.commitment for payload in payloads
        }
    assert written.encode() == _dumped(stays)
    kept = {apart.CLASSES[payload.kind]: payload.plain[SALT_BYTES:] for payload in payloads}
    assert kept == {name: _dumped(part) for name, part in parts.items()}


@given(
    arguments=VALUES,
    beside=VALUES,
    said=st.fixed_dictionaries(dict.fromkeys(("trace", "session", "arguments_digest"), TEXTS)),
    task=st.sampled_from(["task-1", "task-2", "\u2028"]),
)
def test_a_call_among_others_like_it_is_written_as_one_by_itself(
    arguments: dict[str, Any], beside: dict[str, Any], said: dict[str, str], task: str
) -> None:
    record = call_record("call-1", task=task, arguments=arguments, beside=beside, **said)
    alone = Line("call-1", State.INTENT, NOON, {}, record)
    own = Own(arguments=arguments, beside=beside, **said)
    among = intent_like("call-1", NOON, {}, LIKE[task], (), own)
    assert form.encode(among, "run-1") == form.encode(alone, "run-1")
    written, payloads = form.write(among, "run-1")
    by_itself, its = form.write(alone, "run-1")
    for payload, other in zip(payloads, its, strict=True):
        by_itself = by_itself.replace(other.commitment, payload.commitment)
        assert payload.plain[SALT_BYTES:] == other.plain[SALT_BYTES:]
    assert written == by_itself


def _split(document: JsonObject) -> tuple[JsonObject, dict[apart.Class, JsonObject]]:
    """A whole line as it stays, and its payloads by class: none where there is nothing to keep apart."""
    stays, parts = dict(document), dict[apart.Class, JsonObject]()
    if document["record"]["arguments"] or document["record"]["beside"]:
        stays["record"] = record = dict(document["record"])
        quoting = ("arguments", "arguments_digest", "beside")
        parts["arguments"] = {"record": {name: record.pop(name) for name in quoting}}
    stays["body"] = apart.split_body(document["kind"], document["body"], parts)
    return stays, parts


def _dumped(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).replace("\x7f", "\\u007f").encode()
