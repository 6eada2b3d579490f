"""Who is told of what, and on whose leave (checklist L3, L5, S2)."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from gateway.core.cover import Cover
from gateway.core.decide import Decided, question, require
from gateway.core.model import (
    AccessRequest,
    Answer,
    Classified,
    Decision,
    Effect,
    Endpoint,
    Entry,
    JsonObject,
    Request,
    Resolved,
    RpcError,
    Target,
    Tier,
)
from gateway.core.resolve import Shelf, Table, resolve
from gateway.errors import JournalError, Refused, Where
from gateway.gate.subscriptions import MOST, MOST_VIEWS, Follower, Subscriptions
from gateway.line.bounds import Bounds
from gateway.line.way import Way
from gateway.nobody import NOBODY
from gateway.ports import Channel, Updated, Watch
from gateway.reasons import Reason
from gateway.values import replace
from tests.catalogue.offering import asks
from tests.free import Even, NoFences, NoGrants

UPDATED = "notifications/resources/updated"
ENDPOINT = Endpoint("server", server="git")


def entry(kind: Any, name: str) -> Entry:
    return Entry(Target("git", kind, name), name, {"name": name}, f"sha256:{name}")


def table(version: str, *tools: str, resources: tuple[str, ...] = ("test://a",)) -> Table:
    shelf = Shelf(
        {name: entry("tool", name) for name in tools},
        {},
        {uri: entry("resource", uri) for uri in resources},
    )
    return Table(version, shelf, {"git": shelf})


@dataclass
class World(Even):
    """Fakes that remember: one catalogue, one policy, one Line, one server's watches."""

    current: Any
    hidden: set[str] = field(default_factory=set)
    version: str = "p1"
    recorded: list[Request] = field(default_factory=list)
    counts: dict[Watch, int] = field(default_factory=dict)
    released: list[str] = field(default_factory=list)
    """For which session each time."""
    listeners: list[Updated] = field(default_factory=list)
    telling: set[tuple[Watch, str]] = field(default_factory=set)
    now: int = 1000
    refuses: bool = False
    unreadable: bool = False
    links: dict[str, str] = field(default_factory=dict)
    """Which of its own URIs the server has told of, by the name it was told by."""

    # The policy's view.

    def classify(self, resolved: Resolved) -> Classified:
        return Classified(resolved, Tier.DATA, Effect.READ, "local", Where("t", 1))

    def decide(self, question: AccessRequest) -> Decision:
        name = question.tool.removeprefix("resource:")
        permitted = f"{question.subject} {name}" not in self.hidden and name not in self.hidden
        return Decision(permitted, Reason.ALLOWED_BY_RULE if permitted else Reason.NO_RULE)

    # The Line.

    async def call(self, request: Request, channel: Channel) -> Answer:
        self.recorded.append(request)
        await asyncio.sleep(0)
        if self.refuses or request.params.get("uri") in self.hidden:
            return Answer(error=RpcError(-32602, "Not available"))
        if request.method == "resources/subscribe":
            uri = str(request.params["uri"])
            await self.acquire(("resource", self.links.get(uri, uri)))
        return Answer({})

    def decided(self, way: Way) -> Decided:
        request = way.request
        if self.unreadable:
            raise JournalError("the disk failed")
        if request.method == "tasks/get":
            if request.params["taskId"] in self.hidden:
                raise Refused(Reason.FENCED, "by ada")
            resolved = Resolved(request, Target("git", "tool", "t"), None, request.params)
        elif (own := self.links.get(request.params["uri"])) is not None:
            resolved = Resolved(request, Target("git", "resource", own), None, {"uri": own})
        else:
            resolved = resolve(self.current, request)
        classified = self.classify(resolved)
        return require(classified, self.decide(question(classified)))

    # The watches.

    async def acquire(self, watch: Watch) -> RpcError | None:
        self.counts[watch] = self.counts.get(watch, 0) + 1
        return None

    def release(self, watch: Watch, session: str = "") -> None:
        self.counts[watch] -= 1
        self.released.append(session)

    def tells(self, watch: Watch, session: str) -> bool:
        return (watch, session) in self.telling

    def on_update(self, told: Updated) -> None:
        self.listeners.append(told)

    def updated(self, uri: str, session: str = "", **more: Any) -> None:
        for told in self.listeners:
            told(UPDATED, {"uri": uri, **more}, session)


@dataclass
class Policies:
    current: Any


def house(world: World) -> Subscriptions:
    return Subscriptions(
        line=cast(Any, world),
        catalogue=cast(Any, Catalogue(world)),
        policies=cast(Any, Policies(world)),
        bounds=Bounds(cast(Any, Grants(world)), NoFences()),
        watched={"git": world},
        seconds=lambda: world.now,
    )


@dataclass
class Grants(NoGrants):
    world: World

    def cover(self, classified: Classified, without: Collection[str] = ()) -> Cover:
        self._look()
        return super().cover(classified, without)

    def covers_some(self, classified: Classified) -> bool:
        self._look()
        return True

    def _look(self) -> None:
        if self.world.unreadable:
            raise JournalError("the disk failed")


@dataclass
class Catalogue:
    world: World

    @property
    def current(self) -> Table:
        shown: Table = self.world.current
        return shown


def request(agent: str = "agent:a", method: str = "subscriptions/listen", **params: Any) -> Request:
    asked = asks(method, params, ENDPOINT)
    return replace(asked, identity=replace(asked.identity, agent=agent, expires_at=2000))


def subscribe(uri: str, agent: str = "agent:a") -> Request:
    return request(agent, "resources/subscribe", uri=uri)


class Ear(list[tuple[str, JsonObject]]):
    """What was told."""

    def __call__(self, method: str, params: JsonObject) -> None:
        self.append((method, params))

    def uris(self) -> list[str]:
        return [params["uri"] for _, params in self]


ALL = frozenset({"tools", "prompts", "resources"})


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_l5_a_list_change_is_told_only_to_those_whose_view_it_changed() -> None:
    world = World(table("1", "x"), hidden={"agent:b y"})
    place = house(world)
    seeing, blind = Ear(), Ear()
    place.follow(request("agent:a"), ALL, seeing)
    place.follow(request("agent:b"), ALL, blind)
    world.current = table("2", "x", "y")
    place.changed()
    await settled()
    assert seeing == [("notifications/tools/list_changed", {})]
    assert blind == []


async def test_l1_a_change_of_a_list_that_was_not_asked_for_is_not_told() -> None:
    world = World(table("1", "x"))
    place, ear = house(world), Ear()
    place.follow(request(), frozenset({"prompts"}), ear)
    world.current = table("2", "x", "y")
    place.changed()
    await settled()
    assert ear == []


async def test_l5_a_policy_that_hides_a_tool_changes_the_list_too() -> None:
    world = World(table("1", "x", "y"))
    place, ear = house(world), Ear()
    place.follow(request(), ALL, ear)
    world.hidden.add("y")
    world.version = "p2"
    place.changed()
    await settled()
    assert ear == [("notifications/tools/list_changed", {})]


async def test_a_new_catalogue_that_looks_the_same_is_no_news() -> None:
    world = World(table("1", "x"))
    place, ear = house(world), Ear()
    place.follow(request(), ALL, ear)
    world.current = table("2", "x")
    place.changed()
    await settled()
    assert ear == []


async def test_an_update_that_is_one_sessions_own_is_told_to_no_other() -> None:
    world = World(table("1", resources=("a://x",)))
    place, ears = house(world), {"s1": Ear(), "s2": Ear()}
    for session, ear in ears.items():
        follower = place.follow(replace(request(), session=session), ALL, ear)
        await follower.subscribe(replace(subscribe("a://x"), session=session), NOBODY)
    world.updated("a://x", "s1")
    world.updated("a://x")
    assert [len(ear) for ear in ears.values()] == [2, 1]


async def test_while_grants_cannot_be_read_an_agent_can_listen_and_hears_of_nothing() -> None:
    """A wire would leave its request without an answer, and hear its tool server no more."""
    world, ear = World(table("1"), unreadable=True), Ear()
    follower = house(world).follow(request(), ALL, ear)
    world.unreadable = False
    await follower.subscribe(subscribe("test://a"), NOBODY)
    await follower.subscribe(request(method="tasks/get", taskId="t1"), NOBODY)
    world.unreadable = True
    world.updated("test://a")
    for told in world.listeners:
        told("notifications/tasks", {"taskId": "t1"}, "")
    unheard = list(ear)
    world.unreadable = False
    world.updated("test://a")
    assert unheard == [] and ear.uris() == ["test://a"]


async def test_a_list_nobody_can_make_now_is_compared_when_it_can_be_made() -> None:
    world = World(table("1", "x"))
    place, ear = house(world), Ear()
    place.follow(request(), ALL, ear)
    for world.unreadable in (True, False):
        world.current = table(f"unreadable: {world.unreadable}", "x")
        place.changed()
        await settled()
    assert ear == []


async def test_what_was_worked_out_for_agents_of_other_tasks_is_not_kept_for_ever() -> None:
    place = house(World(table("1")))
    for number in range(MOST_VIEWS + 10):
        place.follow(request(f"agent:{number}"), frozenset({"tools"}), Ear()).close()
    assert len(place._views) <= MOST_VIEWS


async def followed(place: Subscriptions, ear: Ear, *uris: str, agent: str = "agent:a") -> Follower:
    follower = place.follow(request(agent), frozenset(), ear)
    for uri in uris:
        await follower.subscribe(subscribe(uri, agent), NOBODY)
    return follower


async def test_l3_an_update_reaches_its_subscribers_and_nobody_else() -> None:
    world = World(table("1", resources=("test://a", "test://b")))
    place, one, other = house(world), Ear(), Ear()
    await followed(place, one, "test://a")
    await followed(place, other, "test://b")
    world.updated("test://a", acme=1)
    assert one == [(UPDATED, {"uri": "test://a", "acme": 1})]
    assert other == []


async def test_whom_the_server_tells_by_itself_hears_of_an_update_once() -> None:
    world = World(table("1", resources=("test://a",)), telling={(("resource", "test://a"), "s-1")})
    place, one, other = house(world), Ear(), Ear()
    for ear, session in ((one, "s-1"), (other, "s-2")):
        follower = place.follow(replace(request("agent:a"), session=session), frozenset(), ear)
        await follower.subscribe(subscribe("test://a", "agent:a"), NOBODY)
    world.updated("test://a")
    assert (one, other.uris()) == ([], ["test://a"])
    world.updated("test://a", "s-1")
    assert (one.uris(), other.uris()) == (["test://a"], ["test://a"])


async def test_l3_a_part_of_what_was_subscribed_to_is_told_if_it_may_be_read() -> None:
    world = World(table("1", resources=("test://a", "test://a/open", "test://a/shut", "test://ab")))
    place, ear = house(world), Ear()
    await followed(place, ear, "test://a")
    world.hidden.add("test://a/shut")
    for uri in ("test://a/open", "test://a/shut", "test://ab", "test://a/unknown"):
        world.updated(uri)
    assert ear.uris() == ["test://a/open"]


async def test_a_resource_that_is_only_linked_is_told_of_by_the_name_its_agent_knows() -> None:
    """On an aggregate: no list has it, and only the Line knows which server it leads to."""
    world = World(table("1"), links={"test://git~b": "test://b"})
    ear = Ear()
    follower = await followed(house(world), ear, "test://git~b")
    world.updated("test://b")
    follower.close()
    assert ear.uris() == ["test://git~b"]
    assert world.counts == {("resource", "test://b"): 0}


async def test_l3_what_may_no_longer_be_read_is_no_longer_told() -> None:
    world = World(table("1"))
    place, ear = house(world), Ear()
    await followed(place, ear, "test://a")
    world.hidden.add("agent:a test://a")
    world.updated("test://a")
    assert ear == []


async def test_an_expired_token_hears_nothing_until_it_is_renewed() -> None:
    world = World(table("1"))
    place, ear = house(world), Ear()
    follower = await followed(place, ear, "test://a")
    world.now = 2000
    world.updated("test://a")
    silent = list(ear)
    follower.renew(replace(request().identity, expires_at=3000))
    world.updated("test://a")
    assert silent == [] and ear.uris() == ["test://a"]


async def test_l3_a_refused_subscription_is_on_record_and_watches_nothing() -> None:
    world = World(table("1"), hidden={"test://a"})
    place, ear = house(world), Ear()
    follower = place.follow(request(), frozenset(), ear)
    answer = await follower.subscribe(subscribe("test://a"), NOBODY)
    world.updated("test://a")
    assert answer.error is not None and ear == []
    assert [one.method for one in world.recorded] == ["resources/subscribe"]
    assert world.counts == {}


async def test_subscribing_twice_counts_once_and_closing_lets_all_go() -> None:
    world = World(table("1", resources=("test://a", "test://b")))
    place, ear = house(world), Ear()
    follower = await followed(place, ear, "test://a", "test://a", "test://b")
    held = dict(world.counts)
    follower.close()
    world.updated("test://a")
    assert set(held.values()) == {1}
    assert set(world.counts.values()) == {0}
    assert ear == []


async def test_a_session_that_subscribes_a_second_time_has_not_let_go() -> None:
    world = World(table("1", resources=("a://x",)))
    asked = replace(subscribe("a://x"), session="s1")
    follower = house(world).follow(replace(request(), session="s1"), ALL, Ear())
    for _ in range(2):
        await follower.subscribe(asked, NOBODY)
    follower.unsubscribe(asked)
    assert world.released == ["", "s1"]


async def test_unsubscribing_lets_go_and_what_was_not_subscribed_to_is_no_error() -> None:
    world = World(table("1"))
    place, ear = house(world), Ear()
    follower = await followed(place, ear, "test://a")
    for uri in ("test://a", "test://a", "test://never"):
        assert follower.unsubscribe(subscribe(uri)) == Answer({})
    world.updated("test://a")
    assert set(world.counts.values()) == {0} and ear == []


async def test_a_listener_that_leaves_while_it_subscribes_leaves_no_count_behind() -> None:
    world = World(table("1"))
    place, ear = house(world), Ear()
    follower = place.follow(request(), frozenset(), ear)
    going = asyncio.create_task(follower.subscribe(subscribe("test://a"), NOBODY))
    await asyncio.sleep(0)
    going.cancel()
    follower.close()
    await settled()
    assert set(world.counts.values()) <= {0}


async def test_l4_a_task_is_read_before_it_is_told_about() -> None:
    world = World(table("1"))
    place, ear, other = house(world), Ear(), Ear()
    follower = place.follow(request(), frozenset(), ear)
    place.follow(request("agent:b"), frozenset(), other)
    await follower.subscribe(request(method="tasks/get", taskId="t1"), NOBODY)
    for told in world.listeners:
        told("notifications/tasks", {"taskId": "t1", "status": "working"}, "")
        told("notifications/tasks", {"taskId": "t2", "status": "working"}, "")
        told("notifications/tasks", {"taskId": "t1", "status": "failed"}, "another's own process")
    assert [one.method for one in world.recorded] == ["tasks/get"]
    assert ear == [("notifications/tasks", {"taskId": "t1", "status": "working"})]
    assert other == []


@pytest.mark.parametrize("change", ["fence", "token"])
async def test_l4_of_a_task_that_may_no_longer_be_asked_for_nothing_is_told(change: str) -> None:
    """An operator has stopped the agent, or taken a rule away."""
    world, ear = World(table("1")), Ear()
    follower = house(world).follow(request(), frozenset(), ear)
    await follower.subscribe(request(method="tasks/get", taskId="t1"), NOBODY)
    for told in world.listeners:
        told("notifications/tasks", {"taskId": "t1", "status": "working"}, "")
        if change == "fence":
            world.hidden.add("t1")
        else:
            world.now = 2000
        told("notifications/tasks", {"taskId": "t1", "status": "completed", "result": {}}, "")
    assert ear == [("notifications/tasks", {"taskId": "t1", "status": "working"})]


async def test_subscriptions_are_bounded() -> None:
    uris = tuple(f"test://{n}" for n in range(MOST + 1))
    world = World(table("1", resources=uris))
    place = house(world)
    follower = await followed(place, Ear(), *uris[:MOST])
    answer = await follower.subscribe(subscribe(uris[MOST]), NOBODY)
    assert answer.error is not None
    assert len(world.recorded) == MOST
