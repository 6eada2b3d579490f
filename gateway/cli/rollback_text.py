"""How a plan and a report are told to a person: a tree of calls, and a line per verdict.

Everything an agent or a tool server had a hand in is passed through `visible`.
"""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from gateway.cli.journal_text import console
from gateway.cli.times import when
from gateway.cli.visible import visible
from gateway.core.reverse import Step
from gateway.undo.plan import TO_DO, Plan, Planned, few
from gateway.undo.report import EXIT, MEANING, Report

SHORT: Final = 96
"""Characters of one argument that are shown, of a digest the first twelve; --json shows all."""

TO_A_TERMINAL: Final = 1.0
TO_A_LOG: Final = 10.0
"""Seconds between two lines of progress."""
_COUNTS: Final = re.compile(r" \d+ of \d+")

NOTHING: Final = "No call in this scope"
CONFLICTS: Final = "While calls are in conflict nothing is undone: --on-conflict skip leaves those, force overwrites."
_DIGEST: Final = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{28,}\b")

COLOURS: Final = {
    "ready": "green",
    "held": "green",
    "waits": "green",
    "already": "dim",
    "nothing": "dim",
    "not_applied": "dim",
    "drift": "red",
    "dependents": "red",
    "blocked": "red",
    "irreversible": "bold red",
    "doubt": "bold magenta",
    "unreadable": "yellow",
    "refused": "red",
}


def print_plan(plan: Plan) -> None:
    """The plan as a tree, in the order of undoing."""
    screen = console()
    if not plan.entries:
        changed = "is known to have changed" if plan.scope.get("resources") else "can have changed"
        screen.print(f"{NOTHING} {changed} anything.", style="dim")
        _print_untold(screen, plan.untold)
        return
    count = sum(entry.standing in TO_DO for entry in plan.entries)
    root = Tree(Text(f"{len(plan.entries)} calls, {count} to be undone, the latest first", "bold"))
    for entry in plan.entries:
        _branch(root, entry)
    screen.print(root)
    screen.print()
    standing = Counter(entry.standing for entry in plan.entries)
    told = Text(", ").join(Text(f"{n} {name}", COLOURS[name]) for name, n in standing.items())
    screen.print(told)
    if plan.conflicts:
        screen.print(CONFLICTS, style="red", soft_wrap=True)
    _print_untold(screen, plan.untold)
    screen.print(Text("Plan ").append(plan.digest, "bold"), soft_wrap=True)


def _print_untold(screen: Console, untold: Sequence[str]) -> None:
    if untold:
        said = f"Not in it, as nobody knows which resources they write: {len(untold)} calls, {few(untold)}"
        screen.print(Text(said, "yellow"), soft_wrap=True)


def _branch(root: Tree, entry: Planned) -> None:
    call, reversal = entry.call, entry.call.reversal
    head = Text(visible(call.call_id), "bold")
    head.append(f"  {visible(call.record.server)} {visible(call.record.target)}  ")
    head.append(entry.standing, COLOURS[entry.standing])
    branch = root.add(head)
    for line in _facts(entry):
        branch.add(Text(visible(line)))
    if entry.standing in TO_DO:
        for number, step in enumerate(reversal.steps or (), 1):
            branch.add(Text(f"{number}. {visible(literal(step))}"))


def _facts(entry: Planned) -> list[str]:
    call, reversal = entry.call, entry.call.reversal
    level = f"{reversal.level} by {reversal.strategy}, guard {reversal.guard}"
    fidelity = f", the same in {reversal.fidelity}" if reversal.fidelity else ""
    exposed = [
        f"{one.agent} ({one.reads} reads, tenant {one.tenant}, task {one.task})"
        for one in entry.exposed
    ]
    facts = [
        f"by {call.record.agent}, tenant {call.record.tenant}, task {call.record.task}, {when(call.created_at)}",
        f"level {level}{fidelity}",
        f"why: {entry.why}" if entry.why else "",
        f"after {few(entry.after)}" if entry.after else "",
        f"stays behind: {'; '.join(reversal.residue)}" if reversal.residue else "",
        f"may have been seen by {few(exposed)}" if exposed else "",
    ]
    return [fact for fact in facts if fact]


def literal(step: Step) -> str:
    """The inverse call as it would be made, long arguments cut."""
    arguments = ", ".join(f"{name}={_short(value)}" for name, value in step.arguments.items())
    note = f"  ({step.note})" if step.note else ""
    return f"{step.server} {step.tool}({arguments}){note}"


def _short(value: Any) -> str:
    text = _DIGEST.sub(r"\1…", json.dumps(value, ensure_ascii=False))
    return text if len(text) <= SHORT else f"{text[:SHORT]}... {len(text)} characters"


def print_report(report: Report, names: Mapping[str, str]) -> None:
    """A line for each call, then the summary. `names`: what each call was."""
    screen = console()
    for call, found in report.found.items():
        colour = "green" if EXIT[found.verdict] == 0 else "yellow"
        line = Text(visible(call), "bold").append(f"  {visible(names.get(call, ''))}  ")
        line.append(found.verdict, colour)
        line.append(f"  {visible(found.why) or MEANING[found.verdict]}", "dim")
        screen.print(line, soft_wrap=True)
    if not report.found:
        screen.print(f"{NOTHING} is known to have changed anything.", style="dim")
    if report.stopped:
        screen.print(Text(f"Nothing was done: {visible(report.stopped)}", "bold red"))
    _print_untold(screen, report.untold)
    undo = f", undo {report.undo_id}" if report.undo_id else ""
    screen.print(Text(f"{report.summary}{undo}", "bold"))


class Progress:
    """What is being done, on standard error: on a terminal every second, in a log every ten, for thousands of calls
    take minutes. What counts nothing is told at once: it says why nothing goes on."""

    def __init__(self, screen: Console, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock`: seconds."""
        self._screen = screen
        self._clock = clock
        self._pause = TO_A_TERMINAL if screen.is_terminal else TO_A_LOG
        self._next = clock() if screen.is_terminal else clock() + TO_A_LOG

    def __call__(self, said: str) -> None:
        now = self._clock()
        if now >= self._next or not _COUNTS.search(said):
            self._next = now + self._pause
            with suppress(OSError):  # a terminal that is gone ends no undo half way
                self._screen.print(Text(visible(said), "dim"), soft_wrap=True)
