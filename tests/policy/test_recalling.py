from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gateway.core.model import Target
from gateway.core.record import Line, State
from gateway.journals import form
from gateway.policy.asking import Asked
from gateway.policy.recalled import Recalled
from gateway.policy.recalling import Recalling
from gateway.policy.rehearse import Rehearsal
from gateway.ports import EventRow
from gateway.values import replace
from tests.policy.recording import recorded
from tests.policy.written import ALLOW, READER, TIERS, loaded

C = "conditions: {c: {arguments: {m: {maxLength: 1}}}}"
LOG = Asked("agent:ann", Target("git", "tool", "git_log"), {"m": "x"})


class Store:
    """Keeps arguments apart, as a journal does; remembers whose it opened. What is `forgotten` is gone."""

    def __init__(self, *lines: Line, forgotten: bool = False) -> None:
        self.lines = lines
        self.opened_calls: list[str] = []
        self.forgotten = forgotten

    def calls(self) -> Recalling:
        rows = []
        for seq, line in enumerate(self.lines, 1):
            body, payloads = form.write(line, "run")
            assert payloads
            rows.append(EventRow(seq, line.call_id, State(line.kind), line.at, body.encode()))
        return Recalling([rows], self.opened)

    def opened(self, rows: Sequence[EventRow]) -> Sequence[EventRow]:
        self.opened_calls += [row.call_id for row in rows]
        if self.forgotten:
            return rows
        by_id = {line.call_id: line for line in self.lines}
        return [
            replace(row, payloads={"arguments": {"record": _apart(by_id[row.call_id])}})
            for row in rows
        ]


def _apart(line: Line) -> dict[str, object]:
    assert line.record is not None
    return {"arguments": dict(line.record.arguments), "arguments_digest": "", "beside": {}}


def test_arguments_are_opened_only_where_they_play_a_part(tmp_path: Path) -> None:
    tiers = f"{TIERS}      git_show: {{tier: data, effect: read}}\n"
    show = ALLOW.replace("P1", "P2").replace("git_log", "git_show").replace("-", "c")
    policy = loaded(tmp_path, f"{ALLOW}\n{show}\n{READER}\n", tiers, C)
    other = replace(LOG, target=Target("git", "tool", "git_show"))
    store = Store(recorded(policy, LOG, "log"), recorded(policy, other, "show"))
    found = [call for _, call in store.calls().asked_of(Rehearsal(policy, {}))]
    assert store.opened_calls == ["show"]
    assert [isinstance(call, Recalled) and call.closed for call in found] == [True, False]
    assert isinstance(found[1], Recalled) and found[1].arguments == {"m": "x"}


def test_what_was_forgotten_cannot_be_told(tmp_path: Path) -> None:
    conditional = f"{ALLOW.replace('-', 'c')}\n{READER}\n"
    policy = loaded(tmp_path, conditional, constraints=C)
    store = Store(recorded(policy, LOG, "log"), forgotten=True)
    other = Rehearsal(loaded(tmp_path, f"# another\n{conditional}", constraints=C), {})
    ((_, call),) = store.calls().asked_of(other)
    assert isinstance(call, Recalled)
    possible = other.possible(call)
    assert {answer.rule for answer in possible.answers} == {"P1", "no_rule"}
    assert possible.doubts == ("condition c",)
