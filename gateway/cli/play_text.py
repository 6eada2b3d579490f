"""How a story is told: step by step for a person, or whole for a program.

Everything an agent or a tool server had a hand in is passed through `visible`.
"""

from __future__ import annotations

import json
import os
import textwrap
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from gateway.cli.visible import visible
from gateway.core.record import State
from gateway.stories.play import Listener, Observed, Played, Recorded
from gateway.stories.story import Step, Story
from gateway.stories.world import Look, RepositoryLook

WIDTH: Final = 100
HEARD: Final = 160
"""Characters of an answer that are shown."""
NUMBER: Final = 4
"""Columns before a step's own lines."""
MARGIN: Final = 13
"""Columns before what came of it."""
_INDENT: Final = " " * NUMBER


class Teller(Listener):
    """Prints a story while it is played."""

    def __init__(self) -> None:
        self._screen = screen = Console(highlight=False, markup=False, emoji=False)
        screen.width = min(screen.width, WIDTH) if screen.is_terminal else WIDTH
        self._root = ""

    def begins(self, story: Story, root: Path, before: Look) -> None:
        self._root = f"{root}{os.sep}"
        self._print(Text(visible(story.script.title), "bold"))
        for line in textwrap.wrap(story.script.tells, WIDTH - 2):
            self._print(Text(visible(line), "italic"))
        self._print()
        self._print(Text("The world before", "bold"))
        for line in described(before):
            self._print(_INDENT, visible(line))

    def step(self, number: int, observed: Observed) -> None:
        step = observed.step
        self._print()
        self._row(Text(f"{number:>2}", "bold cyan"), Text(visible(step.says), "bold"), NUMBER)
        self._row("", Text(visible(self._short(_asked(observed))), "cyan"), NUMBER)
        for recorded in observed.recorded:
            self._decided(recorded)
        if observed.heard and step.action == "call" and not observed.recorded:
            said = f"by the wire, HTTP {observed.heard.status}"
            self._row(Text("REFUSED", "bold red"), Text(said, "red"))
        self._answered(observed)
        for change in observed.changed:
            self._row("world", visible(change))
        for problem in observed.problems:
            self._row(Text("WRONG", "bold red"), Text(visible(self._short(problem)), "bold red"))

    def ends(self, played: Played) -> None:
        """The world after, and what was proven."""
        self._print()
        self._print(Text("The world after", "bold"))
        for line in played.changed or ["exactly as before"]:
            self._print(_INDENT, visible(line))
        for problem in played.problems:
            self._print(_INDENT, Text(f"WRONG  {visible(problem)}", "bold red"))
        self._print()
        self._print(Text("What was proven" if played.proven else "What was to be proven", "bold"))
        for each in played.observed:
            if each.step.proves:
                mark, style = ("no ", "bold red") if each.problems else ("yes", "green")
                self._print(_INDENT, Text(f"{mark}  ", style), visible(each.step.proves))
        wrong = sum(bool(each.problems) for each in played.observed) + bool(played.problems)
        if wrong:
            self._print(_INDENT, Text(f"{wrong} of it did not go as told", "bold red"))

    def _decided(self, recorded: Recorded) -> None:
        row, record = recorded.row, recorded.row.record
        place = f"  {record.where}" if record.where else ""
        if row.state is State.REFUSED:
            by = f"by {record.rule}: " if record.rule else ""
            what = Text(f"{by}{row.outcome.get('reason')}", "red")
            self._row(Text("REFUSED", "bold red"), what + Text(visible(place), "dim"))
        else:
            what = Text(f"by {record.rule}: {record.tier}, {record.effect}", "green")
            self._row(Text("ALLOWED", "bold green"), what + Text(visible(place), "dim"))
        if recorded.line:
            self._row("", Text(visible(recorded.line), "dim"))
        detail = row.outcome.get("detail")
        if row.state is State.REFUSED and detail:
            self._row("because", visible(self._short(str(detail))))

    def _answered(self, observed: Observed) -> None:
        if observed.ran is not None:
            for line in self._short(observed.ran.output).strip().splitlines():
                self._row("", Text(visible(line), "dim"))
        if observed.heard is not None:
            listed = observed.step.action == "list"
            text = " ".join(self._short(observed.heard.text).split())
            if len(text) > HEARD and not listed:
                text = f"{text[:HEARD]}..."
            self._row("shown" if listed else "heard", visible(text))

    def _short(self, text: str) -> str:
        return text.replace(self._root, "")

    def _row(self, label: str | Text, text: str | Text, margin: int = MARGIN) -> None:
        """A label and a text that is wrapped under itself."""
        left = Text(label, "dim") if isinstance(label, str) else label.copy()
        left.pad_left(0 if margin == NUMBER else NUMBER)
        left.truncate(margin, pad=True)
        body = Text(text) if isinstance(text, str) else text
        for line in body.wrap(self._screen, self._screen.width - margin, overflow="fold"):
            line.rstrip()
            self._print(left, line)
            left = Text(" " * margin)

    def _print(self, *parts: str | Text) -> None:
        self._screen.print(Text.assemble(*parts))


def described(look: Look) -> list[str]:
    """A world in a few lines."""
    within = tuple(f"{name}/" for name in look.repositories)
    lines = [_repository(name, one) for name, one in look.repositories.items()]
    for name, sql in look.databases.items():
        rows = sum(line.startswith("INSERT INTO") for line in sql)
        lines.append(f"{name}: a database, {rows} rows")
    lines += [f"{name}: a file" for name in look.files if not name.startswith(within)]
    return lines


def as_json(played: Played) -> dict[str, Any]:
    """The whole play, for programs."""
    root = f"{played.root}{os.sep}"
    steps = [_step_json(number, each) for number, each in enumerate(played.observed, 1)]
    whole = {
        "story": played.story.name,
        "title": played.story.script.title,
        "proven": played.proven,
        "steps": steps,
        "changed": played.changed,
        "problems": list(played.problems),
    }
    plain: dict[str, Any] = json.loads(json.dumps(whole, default=str).replace(root, ""))
    return plain


def _step_json(number: int, observed: Observed) -> dict[str, Any]:
    step, heard = observed.step, observed.heard
    return {
        "step": number,
        "says": step.says,
        "agent": step.agent,
        "at": step.at,
        "action": step.action,
        "asked": _asked(observed),
        "heard": heard and {"text": heard.text, "status": heard.status, "names": heard.names},
        "recorded": [_recorded_json(each) for each in observed.recorded],
        "changed": observed.changed,
        "proves": step.proves,
        "problems": observed.problems,
    }


def _recorded_json(recorded: Recorded) -> dict[str, Any]:
    row, record = recorded.row, recorded.row.record
    return {
        "call": record.call_id,
        "state": row.state,
        "target": record.target,
        "tier": record.tier,
        "effect": record.effect,
        "rule": record.rule,
        "where": record.where,
        "line": recorded.line,
        "outcome": dict(row.outcome),
    }


def _asked(observed: Observed) -> str:
    """Who asks what, where, in one line."""
    step = observed.step
    match step.action:
        case "operator":
            return f"$ bulkhead {' '.join(step.operator or ())}"
        case "happens":
            return _happened(step)
        case "ask":
            return f"{step.agent} -> {step.at}  {json.dumps(step.ask)}"
        case "list":
            return f"{step.agent} -> {step.at}  list {step.list}"
    words = [f"{name}={json.dumps(value)}" for name, value in observed.arguments.items()]
    return f"{step.agent} -> {step.at}  {step.call} {' '.join(words)}{_tricks(step)}"


def _happened(step: Step) -> str:
    if step.happens is None or step.happens.passes is not None:
        return f"{step.happens.passes if step.happens else 0} s pass"
    return f"written: {', '.join(step.happens.write)}"


def _tricks(step: Step) -> str:
    if step.trick is None:
        return ""
    said = [f"token for {step.trick.token_for}"] if step.trick.token_for else []
    said += ["no token"] if step.trick.no_token else []
    said += [f"{name}: {value}" for name, value in step.trick.headers.items()]
    said += [f"_meta {json.dumps(step.trick.meta)}"] if step.trick.meta else []
    said += [f"body {step.trick.body.strip()}"] if step.trick.body else []
    return f"  [{'; '.join(said)}]"


def _repository(name: str, look: RepositoryLook) -> str:
    branches = ", ".join(ref.removeprefix("refs/heads/") for ref in look.refs)
    status = ", ".join(line.strip() for line in look.status) or "clean"
    return (
        f"{name}: a git repository on {look.branch} at {look.message!r}, {status}; has {branches}"
    )
