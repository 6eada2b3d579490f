"""Where what was read may go: labels of a task, and when they close the way out. Pure.

Laws:
1. A label once raised is never lowered, but by an approval for one call.
2. It is raised in the commit that makes the reading call's intent durable, so before its result exists.
3. A call that lets something out is decided on the labels of that same commit, own private reads included.
4. What an agent read in a task by its role alone comes along when it works for another task's grant,
   with its first call there, whatever that is. What it reads for that stays with its own task, too: a token
   that names a grant may be for a task that has none.
"""

from __future__ import annotations

from typing import Final

from gateway.core.model import Flow, FlowMode, Label
from gateway.core.record import Claim

LABELS: Final[frozenset[Label]] = frozenset({"private", "untrusted"})


class Passage(Claim):
    """One call's part in the flow of its task."""

    root: str
    """Whose labels: `root_of`."""
    reads: frozenset[Label]
    out: FlowMode | None
    """How strictly it is looked at on its way out; None: it lets nothing out, or was approved."""
    own: str = ""
    """The root of the agent's own task, where the grant is another one's: its labels come along."""


def root_of(tenant: str, root_task: str) -> str:
    """The one place for the labels of a task, its sub-agents and its parallel calls."""
    return f"{tenant}/{root_task}"


def passage(flow: Flow | None, root: str, strict: bool, approved: bool, own: str) -> Passage | None:
    """The claim of a call; None for one that touches no label. `strict`: its grant asks for it.
    `approved`: a person let this very call out. `own`: the root of its agent's own task. By law 4 its labels come along
    whatever the call does: from then on all who work for the other task may know what this agent knows."""
    brings = own if own != root else ""
    if flow is None or not (flow.reads or flow.egress):
        return Passage(root, frozenset(), None, brings) if brings else None
    mode: FlowMode = "strict" if strict else flow.mode
    out = mode if flow.egress and not approved else None
    return Passage(root, flow.reads, out, brings)


def closed(asked: Passage, raised: frozenset[Label]) -> str:
    """Why the way out is closed, given the labels raised so far; empty when it is open."""
    if asked.out is None:
        return ""
    # What it reads from strangers comes back with its answer: too late to say what goes out.
    seen = raised | (asked.reads - {"untrusted"})
    shut = bool(seen) if asked.out == "strict" else seen >= LABELS
    return f"{' and '.join(sorted(seen))} data was read in this task" if shut else ""
