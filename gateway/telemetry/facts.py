"""What one call comes to for monitoring: its lines, folded into a fact with three layers of outcome. Pure.

gateway   allowed, or refused and why
protocol  ok, rejected (a JSON-RPC error), in_doubt, none
tool      ok, error (a result that says isError), none
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.core.record import State
from gateway.ports import CallRow, EventRow
from gateway.values import Value, as_plain

MAX_OPEN: Final = 20_000
"""Calls whose end is waited for. More than that under way: the oldest are given up."""

_PROTOCOL: Final = {"ok": "ok", "tool_error": "ok", "rejected": "rejected", "in_doubt": "in_doubt"}
_OF_RECORD: Final = ("method", "server", "target", "tier", "effect", "agent", "task", "rule")
_TOOL: Final = {"ok": "ok", "tool_error": "error"}


class Fact(Value):
    """One call that has come to an end, or to a refusal. Times: microseconds since the epoch."""

    call_id: str
    method: str
    server: str
    target: str
    tier: str
    effect: str
    agent: str
    task: str
    rule: str
    shadows: str
    """Ids of the rules on trial that would have denied it, joined by blanks."""
    began: int
    ended: int
    gateway: str
    """`allowed`, or the reason code of the refusal."""
    protocol: str
    tool: str
    state: str
    level: str
    undo_until: int | None
    trace: str
    """The agent's `traceparent`; empty when it sent none."""


@dataclass(slots=True)
class Folder:
    """Folds the lines of one gateway process into facts. It remembers the calls that are under way. `find`: a call by
    its id, for one that was held: its record stands in a line of another time, and perhaps of another process."""

    run: str
    find: Callable[[str], CallRow | None]
    _open: dict[str, tuple[int, dict[str, Any], dict[str, Any]]] = field(default_factory=dict)

    def fold(self, lines: Iterable[EventRow]) -> Iterator[Fact]:
        """The facts these lines complete. Lines of other processes are theirs to tell of."""
        for line in lines:
            said = json.loads(line.body)
            if said["run"] == self.run:
                yield from self._line(line, said)

    @property
    def under_way(self) -> int:
        """Calls whose end has not come."""
        return len(self._open)

    def _line(self, line: EventRow, said: dict[str, Any]) -> Iterator[Fact]:
        body = said["body"]
        if line.kind is State.INTENT:
            self._open[line.call_id] = (line.at, self._record(line, said), body.get("undo") or {})
            if len(self._open) > MAX_OPEN:
                del self._open[next(iter(self._open))]
        elif line.kind is State.REFUSED:
            yield _fact(line, line.at, self._record(line, said), {}, gateway=body["reason"])
        elif "outcome" in body and line.call_id in self._open:
            began, record, undo = self._open.pop(line.call_id)
            told = {**undo, **(body.get("undo") or {})}
            yield _fact(line, began, record, told, outcome=body["outcome"])

    def _record(self, line: EventRow, said: dict[str, Any]) -> dict[str, Any]:
        if "record" in said:
            return dict(said["record"])
        held = self.find(line.call_id)
        assert held is not None
        return {**as_plain(held.record), "rule": said["body"]["rule"]}


def _fact(
    line: EventRow,
    began: int,
    record: dict[str, Any],
    undo: dict[str, Any],
    *,
    gateway: str = "allowed",
    outcome: str = "",
) -> Fact:
    return Fact(
        call_id=line.call_id,
        **{name: record[name] for name in _OF_RECORD},
        shadows=record.get("shadows", ""),
        began=began,
        ended=line.at,
        gateway=gateway,
        protocol=_PROTOCOL.get(outcome, "none"),
        tool=_TOOL.get(outcome, "none"),
        state=str(line.kind),
        level=str(undo.get("level", "")),
        undo_until=undo.get("until"),
        trace=record.get("trace", ""),
    )
