"""A story played from its first step to its last against the real gateway; every step is observed and judged.

It acts and looks; whether that was right is judge.py's, how it is told is cli/play_text.py's.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import anyio

from gateway.core.model import Endpoint
from gateway.core.record import State
from gateway.identity.local import LocalIssuer
from gateway.journals.sqlite import SqliteReader
from gateway.ports import CallRow
from gateway.stories import judge
from gateway.stories.agents import Caller, Heard
from gateway.stories.marks import Marks
from gateway.stories.stage import HERE, Programs, Ran, Stage, fill, fill_all
from gateway.stories.story import Expected, Step, Story, endpoint
from gateway.stories.world import Look, World, changes, untrue
from gateway.undo.own import AGENT as LOOKS
from gateway.values import Value

RECORD_SECONDS: Final = 2.0
"""For the line of a call to be in the journal: a caller turned away does not wait for it."""
EVENTUALLY: Final = 10.0
"""Seconds a list may take to follow the world."""


class Recorded(Value):
    """The journal's record of one call, and the text of the policy line it points at."""

    row: CallRow
    line: str


class Observed(Value):
    """One step, what came of it, and what is wrong with that."""

    step: Step
    arguments: dict[str, Any]
    heard: Heard | None
    ran: Ran | None
    recorded: tuple[Recorded, ...]
    changed: tuple[str, ...]
    """What is different in the world since the step before."""
    problems: tuple[str, ...]


class Played(Value):
    """A whole play."""

    story: Story
    root: Path
    """Where it was played; gone by now."""
    before: Look
    after: Look
    observed: tuple[Observed, ...]
    problems: tuple[str, ...]
    """What is wrong with the world at the end."""

    @property
    def proven(self) -> bool:
        return not self.problems and not any(each.problems for each in self.observed)

    @property
    def changed(self) -> list[str]:
        """What the story did to its world."""
        return changes(self.before, self.after)


class Listener:
    """What is told while a story is played. This one is silent."""

    def begins(self, story: Story, root: Path, before: Look) -> None: ...

    def step(self, number: int, observed: Observed) -> None: ...


async def play(story: Story, listener: Listener | None = None, programs: Programs = HERE) -> Played:
    """Play the story in a fresh directory that is gone afterwards. Raises `Misconfigured`."""
    try:
        return await _play(story, listener or Listener(), programs)
    except BaseExceptionGroup as group:
        # Task groups wrap; whoever plays a story wants the first thing that went wrong.
        raise _first(group) from None


async def _play(story: Story, listener: Listener, programs: Programs) -> Played:
    with tempfile.TemporaryDirectory(prefix="bulkhead-story-") as directory:
        stage = Stage.build(story, directory, programs)
        world = World(stage.root / "world", story.script.world)
        await stage.approve(story.script.approved)
        play_ = _Play(story, stage, world, listener)
        async with stage.serving():
            await play_.steps()
        return play_.result()


@dataclass
class _Play:
    """The moving parts of one play."""

    story: Story
    stage: Stage
    world: World
    listener: Listener
    observed: list[Observed] = field(default_factory=list)
    before: Look = field(init=False)
    now: Look = field(init=False)
    journal: SqliteReader = field(init=False)
    issuer: LocalIssuer = field(init=False)
    cursor: int = 0
    marks: Marks = field(default_factory=Marks)

    async def steps(self) -> None:
        settings = self.stage.settings
        self.journal = SqliteReader(settings.journal_file)
        self.issuer = LocalIssuer.open(settings.state_dir, settings.origin)
        self.before = self.now = await self._look()
        self.listener.begins(self.story, self.stage.root, self.before)
        try:
            for number, step in enumerate(self.story.script.steps, 1):
                observed = await self._step(step)
                self.observed.append(observed)
                self.listener.step(number, observed)
        finally:
            self.journal.close()

    def result(self) -> Played:
        """Judged after the gateway has stopped: nothing is still on its way."""
        after = self.world.look()
        problems = [
            problem
            for claim in self.story.script.after
            for problem in untrue(claim, self.world, after, self.before)
        ]
        root = self.stage.root
        return Played(self.story, root, self.before, after, tuple(self.observed), tuple(problems))

    async def _step(self, step: Step) -> Observed:
        arguments = fill_all(step.arguments, self.story, self.stage.root)
        heard, ran, problems = None, None, list[str]()
        match step.action:
            case "call":
                heard = await self._call(step, arguments)
            case "list":
                heard = await self._list(step)
            case "ask":
                heard = await self._ask(step)
            case "operator":
                ran = await self._operate(step)
            case "happens":
                assert step.happens is not None
                self.world.write(step.happens.write)
                await anyio.sleep(step.happens.passes or 0)
        self.marks.agent_heard(heard.text if heard else "")
        self.marks.operator_saw(ran.output if ran else "")
        rows = await self._recorded(step)
        problems += self._judge(step, heard, ran, rows)
        changed, wrong = await self._after(step)
        recorded = tuple(map(self._pointed, rows))
        return Observed(step, arguments, heard, ran, recorded, changed, (*problems, *wrong))

    async def _operate(self, step: Step) -> Ran:
        said = [self.marks.put(word) for word in step.operator or ()]
        words = [fill(word, self.story, self.stage.root) for word in said]
        steps, after = step.cut_after, self.cursor
        if steps is None:
            return await self.stage.operate(words)
        return await self.stage.cut_off(words, lambda: self._undone(after) >= steps)

    def _undone(self, after: int) -> int:
        """Steps of undos on record since then."""
        lines = self.journal.events(after, 10_000)
        return sum("step" in line.said["body"] for line in lines if line.kind is State.UNDOING)

    async def _call(self, step: Step, arguments: dict[str, Any]) -> Heard:
        caller, tool = self._caller(step), step.call or ""
        if step.trick is None:
            return await caller.call(tool, arguments)
        body = step.trick.body
        trick = step.trick.model_copy(
            update={"body": body and fill(body, self.story, self.stage.root)}
        )
        return await caller.raw(tool, arguments, trick)

    async def _list(self, step: Step) -> Heard:
        assert step.list is not None and step.expect is not None
        until = anyio.current_time() + (EVENTUALLY if step.eventually else 0)
        while True:
            heard = await self._caller(step).list(step.list)
            if not judge.of_list(step.expect, heard) or anyio.current_time() >= until:
                return heard
            await anyio.sleep(0.1)

    async def _ask(self, step: Step) -> Heard:
        assert step.at is not None and step.ask is not None
        url = self.stage.settings.origin + self.marks.put(step.at)
        return await self._caller(step).ask(url, step.ask)

    def _caller(self, step: Step) -> Caller:
        assert step.agent is not None
        token_for = step.trick.token_for if step.trick else None
        audience = endpoint(token_for) if token_for else step.endpoint
        origin = self.stage.settings.origin
        token = self._mint(step.agent, audience)
        return Caller(
            step.agent, self.story.script.agents[step.agent], origin + step.endpoint.path, token
        )

    def _mint(self, agent: str, audience: Endpoint) -> str:
        plan = self.story.script.agents[agent]
        return self.issuer.mint(
            agent=plan.token_of or agent,
            endpoint=audience,
            tiers=audience.tiers,
            tenant=self.stage.settings.tenant,
            task=plan.task or self.story.name,
            intent=plan.intent,
            now=int(time.time()),
        )

    async def _recorded(self, step: Step) -> tuple[CallRow, ...]:
        """Calls the journal has new lines of, but for operators' acts and the gateway's own looks."""
        if step.action == "call" and (step.expect is None or step.expect.http in (None, 401)):
            with anyio.move_on_after(RECORD_SECONDS):
                # The journal is a file: there is no event anybody could set.
                while not self.journal.events(self.cursor, 1):  # noqa: ASYNC110
                    await anyio.sleep(0.01)
        events = self.journal.events(self.cursor, 1_000)
        if events:
            self.cursor = events[-1].seq
        ids = dict.fromkeys(event.call_id for event in events)
        rows = (self.journal.call(call_id) for call_id in ids)
        found = (row for row in rows if row is not None and row.state is not State.NOTED)
        return tuple(row for row in found if row.record.agent != LOOKS)

    def _judge(
        self, step: Step, heard: Heard | None, ran: Ran | None, rows: Sequence[CallRow]
    ) -> list[str]:
        expected = step.expect or Expected()
        if ran is not None:
            return judge.of_operator(expected, ran)
        if heard is None:
            return []
        if step.action == "list":
            return judge.of_list(expected, heard)
        return judge.of_call(step, heard, rows)

    async def _after(self, step: Step) -> tuple[tuple[str, ...], list[str]]:
        """What changed, and what of that should not have."""
        then, self.now = self.now, await self._look()
        changed = changes(then, self.now)
        problems = [
            problem
            for claim in step.world
            for problem in untrue(claim, self.world, self.now, self.before)
        ]
        if judge.is_refusal(step):
            problems += [f"the world changed: {change}" for change in changed]
        return tuple(changed), problems

    async def _look(self) -> Look:
        return await anyio.to_thread.run_sync(self.world.look)

    def _pointed(self, row: CallRow) -> Recorded:
        return Recorded(row, self.stage.line_at(row.record.where))


def _first(error: BaseException) -> BaseException:
    return _first(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error
