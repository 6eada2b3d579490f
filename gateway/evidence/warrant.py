"""Makes the warrant of one call: what was asked, by whose leave, within what bounds, how it can be taken back, and
what became of it; with the exact lines that say so, their proofs, and a signature. `verify.py` checks it.

It reads the journal and the log, and decides nothing.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any, Final

from gateway.core.act import UNDO
from gateway.core.forget import EXPIRED, METHOD
from gateway.core.record import State
from gateway.errors import JournalError
from gateway.evidence.checkpoint import Notary
from gateway.evidence.merkle import Node
from gateway.evidence.proof import CHANGED, Checkpoints, prove
from gateway.evidence.verify import OPEN, signed_bytes, told
from gateway.ports import CallFilter, CallRow, EventRow, JournalReader
from gateway.values import Value

CREATED: Final = "grants/created"
MANY: Final = 1_000_000
PARTS: Final = ("call", "grants", "undone")


class Registry(Value):
    """Everything a warrant is made from."""

    reader: JournalReader
    checkpoints: Checkpoints
    node: Node
    notary: Notary

    def warrant(self, call: CallRow) -> dict[str, Any]:
        """The signed document. Raises `proof.NotYet`, `JournalError`."""
        lines = {
            "call": self.reader.lines(call.record.call_id),
            "grants": self._grants(call),
            "undone": self._undone(call),
        }
        proof = prove([line for part in PARTS for line in lines[part]], self.checkpoints, self.node)
        events = iter(proof["events"])
        try:
            said = told(*([json.loads(line.body) for line in lines[part]] for part in PARTS))
        except (KeyError, IndexError):
            raise JournalError(CHANGED) from None
        if any(line.kind not in OPEN for line in lines["call"][:-1]):
            raise JournalError(CHANGED)
        return {
            "warrant": said,
            "signature": base64.b64encode(self.notary.signer.sign(signed_bytes(said))).decode(),
            "checkpoint": proof["checkpoint"],
            **{part: [next(events) for _ in lines[part]] for part in PARTS},
        }

    def _grants(self, call: CallRow) -> list[EventRow]:
        """The lines that gave the call's grant and each one above it, its own first."""
        found, wanted = list[EventRow](), call.record.grant
        while wanted and (line := self._given(wanted, call.record.tenant)):
            found.append(line)
            wanted = json.loads(line.body)["body"]["of"]
        return found

    def _given(self, grant: str, tenant: str) -> EventRow | None:
        for row in self.reader.calls(CallFilter(state=State.NOTED, grant=grant), MANY):
            if row.record.method == CREATED and row.record.tenant == tenant:
                return self.reader.lines(row.record.call_id)[0]
        return None

    def _undone(self, call: CallRow) -> list[EventRow]:
        """Of every undo of this call, the line with its verdict; and the line that says it was forgotten, or that the
        time of what its undo needs was over."""
        call_id = call.record.call_id
        lines = self.reader.lines(call_id)
        found, states = self._expired(lines), [State.UNDOING, State.UNDONE]
        if any(line.lost for line in lines):
            states.append(State.NOTED)
        for state in states:
            for row in self.reader.calls(CallFilter(state=state), MANY):
                if row.record.method in (UNDO, METHOD) and call_id in (_of(row) or [call_id]):
                    found += [
                        line
                        for line in self.reader.lines(row.record.call_id)
                        if _verdict_of(line) == call_id
                    ]
        return sorted(found, key=lambda line: line.seq)

    def _expired(self, lines: Sequence[EventRow]) -> list[EventRow]:
        if any("images" in line.lost for line in lines):
            for row in self.reader.calls(CallFilter(state=State.NOTED), MANY):
                if (row.record.method, row.record.target) == (EXPIRED, "images"):
                    [line] = self.reader.lines(row.record.call_id)
                    if json.loads(line.body)["body"]["before"] > lines[0].at:
                        return [line]
        return []


def _of(row: CallRow) -> Sequence[str]:
    """The calls a thread or a note is about; none where that was forgotten, and its lines must be asked."""
    if row.record.method == METHOD:
        return (row.record.target,)
    of = row.record.arguments.get("of")
    return of if isinstance(of, list) else ()


def _verdict_of(line: EventRow) -> str | None:
    body = json.loads(line.body)["body"]
    return body["of"] if "verdict" in body else None
