from __future__ import annotations

from collections.abc import Iterator

from gateway.core import record
from gateway.core.record import Line, State
from gateway.journals import form
from gateway.journals.memory import Memory, MemoryJournal
from gateway.line import holding
from gateway.ports import EventRow
from gateway.telemetry import facts
from gateway.telemetry.facts import Fact, Folder
from tests.journals.calls import NOON, call_record, intent, outcome, refusal

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def stored(*lines: Line, run: str = "mine") -> Iterator[EventRow]:
    for number, line in enumerate(lines, 1):
        yield EventRow(number, line.call_id, line.kind, line.at, form.encode(line, run))


def folded(*lines: Line) -> list[Fact]:
    return list(Folder("mine", unknown).fold(stored(*lines)))


def unknown(call_id: str) -> None:
    """No call was held."""


def test_a_call_is_told_when_it_ends_with_all_three_layers() -> None:
    [fact] = folded(intent("a", trace=TRACE), outcome("a"))
    assert (fact.gateway, fact.protocol, fact.tool, fact.state) == (
        "allowed",
        "ok",
        "ok",
        "applied",
    )
    assert (fact.server, fact.target, fact.tier, fact.trace) == ("git", "git_log", "data", TRACE)
    assert (fact.began, fact.ended) == (NOON, NOON + 1000)


def test_what_the_tool_said_and_what_the_protocol_said_are_two_things() -> None:
    kinds = [
        (fact.protocol, fact.tool)
        for kind in ("tool_error", "rejected", "in_doubt")
        for fact in folded(intent("a"), outcome("a", kind))
    ]
    assert kinds == [("ok", "error"), ("rejected", "none"), ("in_doubt", "none")]


def test_a_refusal_has_a_reason_and_nothing_beyond_the_gateway() -> None:
    [fact] = folded(refusal("a"))
    assert (fact.gateway, fact.protocol, fact.tool, fact.state) == (
        "no_rule",
        "none",
        "none",
        State.REFUSED,
    )


def test_the_calls_of_another_process_are_its_own_to_tell() -> None:
    assert list(Folder("mine", unknown).fold(stored(intent("a"), outcome("a"), run="other"))) == []


def test_a_call_that_was_held_is_told_as_it_was_sent_or_refused_at_its_time() -> None:
    """By whoever sends it, which need not be who held it."""
    memory = Memory()
    before, now = MemoryJournal(memory), MemoryJournal(memory)
    for call_id in ("sent", "refused", "waits"):
        before.append(record.held(call_record(call_id, effect="write", trace=TRACE), NOON, {}))
    like = call_record("refused", rule="P020")
    now.append(holding.sent("sent", like, NOON + 1000, {"undo": {"level": "exact"}}))
    now.append(holding.refused(like, NOON + 1000, "no_rule", ""))
    now.append(outcome("sent", at=NOON + 3000))
    reader = now.reader()
    told = list(Folder("memory-2", reader.call).fold(reader.events(0, 100)))
    assert [(fact.call_id, fact.gateway, fact.rule) for fact in told] == [
        ("refused", "no_rule", "P020"),
        ("sent", "allowed", "P020"),
    ]
    sent = told[1]
    assert (sent.began, sent.ended, sent.level) == (NOON + 1000, NOON + 3000, "exact")
    assert (sent.server, sent.effect, sent.trace, sent.protocol) == ("git", "write", TRACE, "ok")


def test_calls_under_way_are_counted_and_given_up_at_a_bound() -> None:
    folder = Folder("mine", unknown)
    many = [intent(f"call{number}") for number in range(facts.MAX_OPEN + 3)]
    assert list(folder.fold(stored(*many))) == []
    assert folder.under_way == facts.MAX_OPEN
    assert list(folder.fold(stored(outcome("call0")))) == []
    assert len(list(folder.fold(stored(outcome("call5"))))) == 1
