"""What an agent's own process over stdio says of its resources and lists, to the agent it works for."""

from __future__ import annotations

import asyncio
import sys

from gateway.core.model import ClientFacts, RpcError
from gateway.core.over import Ear, Over, nobody
from gateway.nobody import NOBODY
from gateway.ports import Channel, Outbound, Watch, WatchedServer
from gateway.values import replace
from gateway.wire.servers.each_watches import EachWatches
from gateway.wire.servers.watches import Watches
from tests.wire.servers.test_stdio_each import MUTE, OLD, call, running, sent
from tests.wire.servers.test_watches import Told

# Tells each process's own subscribers what its calls touched, and what it was asked so far.
NOTES = """
import json, sys
def say(m): print(json.dumps({"jsonrpc": "2.0", **m}), flush=True)
watched, heard = set(), []
for line in sys.stdin:
    m = json.loads(line)
    method, params = m["method"], m.get("params", {})
    heard.append(method)
    if method == "initialize":
        can = {"resources": {"subscribe": True}, "tools": {"listChanged": True}}
        about = {"protocolVersion": "2025-06-18", "capabilities": can, "serverInfo": {"name": "n"}}
        say({"id": m["id"], "result": about})
    elif method == "resources/subscribe":
        watched.add(params["uri"])
        say({"id": m["id"], "result": {}})
    elif method == "resources/unsubscribe":
        watched.discard(params["uri"])
        say({"id": m["id"], "result": {}})
    elif method == "tools/call":
        said = params["arguments"]
        if said.get("uri") in watched:
            say({"method": "notifications/resources/updated", "params": {"uri": said["uri"]}})
        if said.get("more"):
            say({"method": "notifications/tools/list_changed"})
        if said.get("end"):
            sys.exit()
        say({"id": m["id"], "result": {"content": [], "heard": heard}})
    elif "id" in m:
        say({"id": m["id"], "error": {"code": -32601, "message": "no"}})
"""
SCRIPT = (sys.executable, "-c", NOTES)
NOTE: Watch = ("resource", "note://a")


def subscribe(session: str, client: ClientFacts = OLD) -> Outbound:
    message = replace(sent("touch", client, session), method="resources/subscribe")
    return replace(message, params={"uri": NOTE[1]})


def touch(session: str, client: ClientFacts = OLD) -> Outbound:
    return sent("touch", client, session, uri=NOTE[1])


async def heard(server: WatchedServer, session: str, method: str) -> int:
    """How often this session's process heard it."""
    outcome = await call(server, sent("heard", OLD, session))
    assert outcome.result is not None
    return int(outcome.result["heard"].count(method))


class Slow:
    """A process that says yes when it is let."""

    def __init__(self) -> None:
        self.asked: list[Watch] = []
        self.free = asyncio.Event()

    async def add(self, watch: Watch, channel: Channel) -> RpcError | None:
        self.asked.append(watch)
        await self.free.wait()
        return None

    def drop(self, watch: Watch) -> None:
        return None


async def test_what_its_own_process_updated_is_told_to_the_session_that_subscribed() -> None:
    told = Told()
    async with running(*SCRIPT) as server:
        server.watches.on_update(told)
        await call(server, sent("touch", OLD, "s1"))
        await call(server, subscribe("s1"))
        await call(server, touch("s1"))
        after_call = (await told.next(), told.session)
        await call(server, touch("other", MUTE))
        shared = (await told.next(), told.session)
    update = ("notifications/resources/updated", {"uri": NOTE[1]})
    assert (after_call, shared) == ((update, "s1"), (update, ""))


async def test_a_process_that_comes_after_its_session_subscribed_is_asked_before_its_first_call() -> (
    None
):
    told = Told()
    async with running(*SCRIPT) as server:
        server.watches.on_update(told)
        await call(server, subscribe("s1"))
        await call(server, touch("s1"))
        await told.next()
        again = await heard(server, "s1", "resources/subscribe")
    assert (told.session, again) == ("s1", 1)


async def test_what_another_session_subscribed_to_is_not_asked_of_a_process() -> None:
    async with running(*SCRIPT) as server:
        await call(server, subscribe("s1"))
        asked = [await heard(server, name, "resources/subscribe") for name in ("s1", "s2")]
    assert asked == [1, 0]


async def test_a_process_that_was_started_again_is_asked_again() -> None:
    told = Told()
    async with running(*SCRIPT) as server:
        server.watches.on_update(told)
        await call(server, subscribe("s1"))
        await call(server, sent("touch", OLD, "s1", end=True))
        await told.next()  # nobody knows what was missed
        asked = await heard(server, "s1", "resources/subscribe")
    assert (told.session, asked) == ("s1", 1)


async def test_what_a_session_let_go_of_its_process_is_told_and_a_next_one_not_asked() -> None:
    async with running(*SCRIPT) as server:
        over = Over()
        first = replace(touch("s1"), ear=Ear(over, nobody))
        await call(server, first)
        await call(server, subscribe("s1"))
        server.watches.release(NOTE, "s1")
        while not await heard(server, "s1", "resources/unsubscribe"):
            await asyncio.sleep(0.01)
        over.say()
        asked = await heard(server, "s1", "resources/subscribe")
    assert asked == 0


async def test_a_call_that_is_cancelled_while_its_process_is_asked_leaves_the_next_to_ask() -> None:
    slow = Slow()
    each, process = EachWatches(Watches(Slow())), Watches(slow)
    await each.subscribed(NOTE[1], "s1", NOBODY)
    each.begin(process, "s1")
    first = asyncio.ensure_future(each.bring(process, "s1", NOBODY))
    while not slow.asked:
        await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    slow.free.set()
    await each.bring(process, "s1", NOBODY)
    assert slow.asked == [NOTE, NOTE]


async def test_a_list_that_an_own_process_changed_is_looked_at_again() -> None:
    async with running(*SCRIPT) as server:
        changes = server.changes()
        news = asyncio.ensure_future(anext(changes))
        await call(server, sent("touch", OLD, "s1", more=True))
        assert await news == "notifications/tools/list_changed"
