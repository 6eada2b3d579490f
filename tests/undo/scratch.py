"""Real servers on scratch worlds, started once for a test module, and driven from plain functions.

Property tests are plain functions; the servers live in a loop of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

from anyio.from_thread import BlockingPortal, start_blocking_portal

from gateway import settings as settings_file
from gateway.catalogue import pins as pin_files
from gateway.certify import run as certification
from gateway.certify.drive import Driver, Tried
from gateway.certify.ground import Ground, ground
from gateway.certify.run import Scratch, open_scratch
from gateway.core.model import JsonObject
from gateway.core.record import State
from gateway.core.reverse import Verdict
from tests.undo.homes import home

Seen = Mapping[str, str]


@dataclass(repr=False)
class World:
    """One server on a scratch world: what tests do with it, without a loop."""

    name: str
    portal: BlockingPortal
    scratch: Scratch
    ground: Ground
    path: Path
    runs: Iterator[int] = field(default_factory=lambda: count(1))

    def tale(self, rng: Random) -> Tale:
        """A fresh start."""
        run = next(self.runs)
        self.ground.begin(self.path, run, rng)
        return Tale(self, run, self.scratch.driver(), rng)

    def certify(self, runs: int, seed: int, losing: float = 0.0) -> certification.Tally:
        """As `bulkhead undo certify` does. Raises `Wrong`."""
        return self.portal.call(self._certify, runs, seed, losing)

    async def _certify(self, runs: int, seed: int, losing: float) -> certification.Tally:
        return await certification.certify(
            self.scratch, self.ground, self.path, runs=runs, seed=seed, losing=losing
        )


@dataclass(repr=False)
class Tale:
    """One run: calls made, and the world as it was seen after each; the first look is before them all."""

    world: World
    run: int
    driver: Driver
    rng: Random
    calls: list[Tried] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.seen.append(self.look())

    @property
    def here(self) -> Path:
        """This run's part of the world."""
        return self.world.path / str(self.run)

    def look(self) -> Seen:
        """The oracle's word."""
        return dict(self.world.ground.see(self.world.path, self.run))

    def play(self, calls: int, losing: Callable[[], bool] = lambda: False) -> Tale:
        """So many random calls."""
        for _ in range(calls):
            self.call(*self.world.ground.call(self.world.path, self.run, self.rng), losing)
        return self

    def call(
        self, tool: str, arguments: JsonObject, losing: Callable[[], bool] = lambda: False
    ) -> Tried:
        """This call."""
        tried: Tried = self._now(self.driver.call, tool, arguments, losing)
        if tried.state is State.IN_DOUBT:
            tried = self._now(self.driver.probe, tried)
        self.calls.append(tried)
        self.seen.append(self.look())
        return tried

    def undo(self, tried: Tried) -> Verdict:
        """This call taken back, or not."""
        verdict: Verdict = self._now(self.driver.undo, tried)
        return verdict

    def roll_back(self) -> list[Verdict]:
        """All calls, latest first."""
        return [self.undo(tried) for tried in reversed(self.calls)]

    def _now(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return self.world.portal.call(function, *arguments)


@contextmanager
def a_world(name: str, root: Path) -> Iterator[World]:
    """A server of this project's packs, with its companion, as an operator would have it certified."""
    house = home(root, [name])
    settings = settings_file.load(house.config)
    pins = pin_files.load(settings.policy_dir, settings.servers)
    tried, _ = ground(name)
    path = root / "scratch"
    path.mkdir()
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(AsyncExitStack()) as stack,
    ):
        scratch = portal.call(open_scratch, stack, settings, pins, name, tried, path)
        yield World(name, portal, scratch, tried, path)
