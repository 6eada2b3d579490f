"""The catalogue of a running gateway: one table at a time, swapped whole when a server or a pin changes.

Each server is followed by itself: a dead or slow one delays nobody, its error names it, and what it
listed before stays until it answers again. It knows `ports.ToolServer` and the pin files, no wire.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Literal, TypedDict

from gateway.catalogue.earlier import EarlierLists, has_all, listing
from gateway.catalogue.fetch import Lists, fetch_lists
from gateway.catalogue.merge import merge
from gateway.catalogue.next_look import NextLook, look_again
from gateway.catalogue.pace import Pace
from gateway.catalogue.pins import Pins, again
from gateway.catalogue.text import printable
from gateway.core.model import Target
from gateway.core.resolve import KINDS
from gateway.errors import Refused
from gateway.ports import ToolServer
from gateway.reasons import Reason
from gateway.settings import Settings

log = logging.getLogger("bulkhead.catalogue")


class ServerStatus(TypedDict):
    """How one server's part of the catalogue stands."""

    state: Literal["starting", "ready", "failing"]
    """failing: at least one of its lists could not be read the last time."""
    tools: int
    """Tools an agent may reach, if policy lets it."""
    quarantined: int
    error: str | None
    """Names the server."""


class LiveCatalogue:
    """`ports.Catalogue` over running servers. `start` it, then read `current`; `aclose` ends it."""

    def __init__(
        self,
        servers: Mapping[str, ToolServer],
        settings: Settings,
        pins: Pins,
        pace: Pace | None = None,
        earlier: EarlierLists | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`earlier`: where what was listed the last time is kept; without it nothing is. `clock`: seconds."""
        self._servers = servers
        self._settings = {n: s for n, s in settings.servers.items() if n in servers}
        self._known_servers = tuple(settings.servers)
        self._pins = pins
        self._pace = pace or Pace()
        self._lists: dict[str, Lists] = {}
        self._clock = clock
        self._assumed: dict[str, Lists] = {}
        """Of those that had listed nothing when the start was over, until the first look at them."""
        self._arrived: dict[str, Lists] = {}
        """Read, and in no table yet."""
        self._table_seconds = 0.0
        """What making the last table took."""
        self._next_look = {name: NextLook(self._pace) for name in servers}
        self._tried = {name: asyncio.Event() for name in servers}
        """Set when its part of the catalogue is there, or could not be had."""
        self._looked = {name: asyncio.Event() for name in servers}
        self._processes = dict.fromkeys(servers, 0)  # how often each was started anew
        self._withheld: Mapping[Target, str] = {}
        """What was said to be withheld, and why."""
        self._told: list[Callable[[], None]] = []
        self._followed: dict[str, list[asyncio.Task[None]]] = {}
        self._earlier = earlier
        self._saved: dict[str, Lists] = {}
        self.unseen = set(servers)
        """See `ports.Catalogue`: they were not looked at yet, or could not be."""
        self.current = merge({}, pins, self._settings)
        """The table of this moment. Hold on to it for the length of one request, no longer."""

    async def start(self) -> None:
        """Ask the servers, all at once. Returns when each has answered or failed, or when `grace` has passed.

        One whose lists are known from the last time, and are as they were approved, is not waited for, and not
        asked before `look` or a call. One that had no list the last time is asked, and not waited for. It is shown as
        it was approved, and a call waits for it; and so with one that is too slow."""
        await self._begin_with_earlier()
        for name in self._servers:
            if not self._saved.get(name, Lists()).kinds or not self._tried[name].is_set():
                self._look(name)
        try:
            async with asyncio.timeout(self._pace.grace):
                for tried in self._tried.values():
                    await tried.wait()
        except TimeoutError:
            slow = [name for name, tried in self._tried.items() if not tried.is_set()]
            log.warning("not waiting any longer for: %s", ", ".join(slow))
            for name in slow:
                if self._earlier and name not in self._saved:
                    self._saved[name] = Lists()
                    self._earlier.save(name, Lists())
        looked = {name for name, event in self._looked.items() if event.is_set()}
        if new := self._servers.keys() - self._lists.keys() - looked:
            self._assumed = {name: listing(self._pins.of(name)) for name in new}
            self._publish(self._lists, self._pins)

    def look(self) -> None:
        """The start is over: ask also those that it left alone, which take the processor from who starts."""
        for name in self._servers:
            self._look(name)

    async def _begin_with_earlier(self) -> None:
        if self._earlier is None:
            return
        for name in self._servers:
            if (known := await asyncio.to_thread(self._earlier.load, name)) is not None:
                self._saved[name] = known
        self._publish({name: was for name, was in self._saved.items() if was.kinds}, self._pins)
        for name, lists in self._saved.items():
            if not lists.kinds or has_all(lists, self._pins.of(name)):
                self._tried[name].set()

    async def seen(self, server: str) -> None:
        """See `ports.Catalogue`."""
        self._look(server)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._pace.deadline):
                await self._looked[server].wait()
        if server in self.unseen:
            raise Refused(Reason.SERVER_UNAVAILABLE, f"{server} was not looked at yet")

    async def aclose(self) -> None:
        """Stop following the servers. They stay open: whoever opened them closes them."""
        tasks = [task for each in self._followed.values() for task in each]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def on_change(self, told: Callable[[], None]) -> None:
        """Have `told` called when there is a new table, in the loop."""
        self._told.append(told)

    def reload_pins(self) -> None:
        """Read the pin files again. Raises `Misconfigured` for one that is not right: its server's pins stay."""
        pins, problem = again(self._pins, self._known_servers)
        self._publish(self._lists, pins)
        if problem is not None:
            raise problem

    def status(self) -> dict[str, ServerStatus]:
        """How each server stands, for operators and /readyz."""
        return {name: self._status(name) for name in self._servers}

    def _status(self, name: str) -> ServerStatus:
        read = self._lists.get(name)
        shelf = self.current.servers.get(name)
        error = next(iter(read.problems.values()), None) if read else None
        state: Literal["failing", "ready"] = "failing" if error else "ready"
        return {
            "state": state if self._looked[name].is_set() else "starting",
            "tools": len(shelf.tools) if shelf else 0,
            "quarantined": sum(target.server == name for target in self.current.quarantined),
            "error": error,
        }

    def _look(self, name: str) -> None:
        if name not in self._followed:
            both = self._watch(name), self._follow(name)
            self._followed[name] = [asyncio.create_task(work) for work in both]

    async def _follow(self, name: str) -> None:
        """Look at one server again and again: when it says so, when it is time, when it failed."""
        pause, longest = self._pace.retry
        while True:
            self._next_look[name].begin()
            known = self._lists.get(name, Lists()).kinds
            process = self._processes[name]
            read = await self._read(name)
            assumed = self._assumed.pop(name, Lists()).kinds
            # What was shown and could not be read was not looked at: calls stay closed.
            stale = read.problems.keys() & (known.keys() | assumed.keys())
            try:
                taken = await self._take(name, read)
                if process != self._processes[name]:
                    continue  # what was read is of a process that is gone
                if taken and not stale:
                    self.unseen.discard(name)
            except Exception:
                # Whatever its lists do to us: who is not looked at any more could change unseen.
                log.exception("the lists of %s cannot be taken", name)
            self._tried[name].set()
            if not self._looked[name].is_set():
                self._looked[name].set()
                self._tell_withheld()
            wait = pause if read.problems else look_again(read, self._pace.ttl)
            pause = min(pause * 2, longest) if read.problems else self._pace.retry[0]
            fresh = self._lists.get(name, Lists()).kinds != known
            await self._next_look[name].wait(wait, fresh=fresh)

    async def _read(self, name: str) -> Lists:
        try:
            return await fetch_lists(name, self._servers[name], self._pace.deadline)
        except Exception as bug:
            log.exception("reading the lists of %s failed", name)
            return Lists({}, {kind: f"{name}: {type(bug).__name__}" for kind in KINDS})

    async def _watch(self, name: str) -> None:
        """Followed again after a pause that grows while it brings nothing; what was missed is looked at."""
        pause, longest = self._pace.retry
        while True:
            try:
                async for what in self._servers[name].changes():
                    if what == "new process":
                        # It may be another program than the one that was looked at: its calls wait until it was.
                        self._processes[name] += 1
                        self.unseen.add(name)
                        self._looked[name].clear()
                    self._next_look[name].tell()
                    pause = self._pace.retry[0]
            except Exception as error:
                log.warning("%s: its changes cannot be followed: %s", name, printable(str(error)))
            await asyncio.sleep(pause)
            self._next_look[name].tell()
            pause = min(pause * 2, longest)

    async def _take(self, name: str, read: Lists) -> bool:
        """A list that could not be read stays as it was; what is as it was makes no new table. False: what was read
        makes none, and the one before stays."""
        before = self._lists.get(name, Lists())
        for problem in dict.fromkeys(read.problems.values()):
            if problem not in before.problems.values():
                log.warning("%s", printable(problem))
        said = before.said if read.said is None else read.said
        kept = Lists({**before.kinds, **read.kinds}, read.problems, said)
        if kept != self._lists.get(name):
            self._arrived[name] = kept
            # As long again as the last table took, so that servers that answer meanwhile share the next:
            # a table costs as much as there is on all of them.
            await asyncio.sleep(self._table_seconds)
            if name in self._arrived:
                self._take_arrived()
        taken = self._lists.get(name) == kept
        if taken:
            await self._keep(name, Lists(kept.kinds, {}, kept.said))
        return taken

    async def _keep(self, name: str, lists: Lists) -> None:
        """For the next start: what was ever read, also while some list of the server cannot be."""
        if self._earlier and lists != self._saved.get(name):
            self._saved[name] = lists
            await asyncio.to_thread(self._earlier.save, name, lists)

    def _take_arrived(self) -> None:
        """All that came since the last table, or what of it makes one."""
        arrived, self._arrived = self._arrived, {}
        began = self._clock()
        try:
            self._publish({**self._lists, **arrived}, self._pins)
        except Exception:
            for name, kept in arrived.items():
                self._take_alone(name, kept)
        self._table_seconds = self._clock() - began

    def _take_alone(self, name: str, kept: Lists) -> None:
        try:
            self._publish({**self._lists, name: kept}, self._pins)
        except Exception:
            log.exception("the lists of %s are not taken, the earlier ones stay", name)

    def _publish(self, lists: dict[str, Lists], pins: Pins) -> None:
        """The lists and pins are taken when they make a table, and not before."""
        fresh = merge({**self._assumed, **lists}, pins, self._settings)
        self._lists, self._pins = lists, pins
        before, self.current = self.current, fresh
        if before.version == self.current.version:
            return
        self._tell_withheld()
        for (kind, name), why in self.current.aggregate.disputed.items():
            if before.aggregate.disputed.get((kind, name)) != why:
                log.warning(
                    "not on the aggregate: %s %s: %s", kind, printable(name), printable(why)
                )
        for told in self._told:
            told()

    def _tell_withheld(self) -> None:
        """Once of each, and of no server before it was asked: what it listed the last time may be old."""
        withheld = self.current.quarantined.items()
        known = {at: why for at, why in withheld if self._looked[at.server].is_set()}
        for target, why in known.items():
            if self._withheld.get(target) != why:
                name = printable(target.policy_name)
                log.warning("withheld: %s of %s: %s", name, target.server, printable(why))
        self._withheld = known
