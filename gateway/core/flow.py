"""Where what was read may go: labels of a task, and when they close the way out. Pure.

Laws:
1. A label once raised is never lowered, but by an approval for one call.
2. It is raised in the commit that makes the reading call's intent durable, so before its result exists.
3. A call that lets something out is decided on the labels of that same commit, own private reads included.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gateway.core.model import Flow, FlowMode, Label
from gateway.core.record import Claim

LABELS: Final[frozenset[Label]] = frozenset({"private", "untrusted"})


@dataclass(frozen=True, slots=True)
class Passage(Claim):
    """One call's part in the flow of its task."""

    root: str
    """Whose labels: `root_of`."""
    reads: frozenset[Label]
    out: FlowMode | None
    """How strictly it is looked at on its way out; None: it lets nothing out, or was approved."""


def root_of(tenant: str, root_task: str) -> str:
    """The one place for the labels of a task, its sub-agents and its parallel calls."""
    return f"{tenant}/{root_task}"


def passage(flow: Flow | None, root: str, strict: bool, approved: bool = False) -> Passage | None:
    """The claim of a call; None for one that touches no label. `strict`: its grant asks for it."""
    if flow is None or not (flow.reads or flow.egress):
        return None
    mode: FlowMode = "strict" if strict else flow.mode
    return Passage(root, flow.reads, mode if flow.egress and not approved else None)


def closed(asked: Passage, raised: frozenset[Label]) -> str:
    """Why the way out is closed, given the labels raised so far; empty when it is open."""
    if asked.out is None:
        return ""
    # What it reads from strangers comes back with its answer: too late to say what goes out.
    seen = raised | (asked.reads - {"untrusted"})
    shut = bool(seen) if asked.out == "strict" else seen >= LABELS
    return f"{' and '.join(sorted(seen))} data was read in this task" if shut else ""
