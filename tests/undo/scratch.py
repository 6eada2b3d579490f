"""Real servers on scratch worlds, started once for a test module, and driven from plain functions.

Property tests are plain functions; the servers live in a loop of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from anyio.from_thread import BlockingPortal, start_blocking_portal

from gateway import settings as settings_file
from gateway.catalogue import pins as pin_files
from gateway.catalogue.pins import Pin
from gateway.certify import run as certification
from gateway.certify.ground import Ground, ground
from gateway.certify.run import Scratch, open_scratch
from gateway.certify.trial import Tally
from gateway.core.model import Target
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
    pins: Mapping[Target, Pin]
    runs: Iterator[int] = field(default_factory=lambda: count(1))

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """One word where a failed property is printed."""
        printer.text(self.name)

    def certify(self, runs: int, seed: int, losing: float = 0.0) -> Tally:
        """As `bulkhead undo certify` does. Raises `Wrong`."""
        return self.portal.call(self._certify, runs, seed, losing)

    async def _certify(self, runs: int, seed: int, losing: float) -> Tally:
        return await certification.certify(
            self.scratch, self.ground, self.path, runs=runs, seed=seed, losing=losing
        )


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
        yield World(name, portal, scratch, tried, path, pins.by_target)
