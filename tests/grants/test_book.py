"""What the Line hears of grants: who is covered, by which, and that over is over."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.core import validate
from gateway.core.cover import Cover
from gateway.core.grant import Grant, Spend, Standing, bounds_of
from gateway.core.grant import outside as not_within
from gateway.core.model import Classified, Effect, Flow, JsonObject, Label, Target, Tier
from gateway.errors import Refused
from gateway.grants import book
from gateway.grants.book import GrantBook
from gateway.values import replace
from tests.grants.given import NOON, SECOND, call, grant, terms


@dataclass
class Store:
    """Grants as another process would have written them."""

    rows: list[Standing] = field(default_factory=list)
    changes: int = 0
    read: int = 0
    """Rows that were told."""

    def given(self, *grants: Grant) -> None:
        for one in grants:
            self._add(Standing(one, "active", "", 0, 0, None, None, None, NOON))

    def ended(self, one: Grant) -> None:
        self._add(Standing(one, "revoked", "operator:ada", 0, 0, None, None, None, NOON))

    def lay_idle(self, one: Grant) -> None:
        """No line tells of that."""
        self.ended(one)
        self.changes -= 1

    def _add(self, row: Standing) -> None:
        self.rows.append(replace(row, rev=len(self.rows) + 1))
        self.changes += 1

    def epoch(self) -> int:
        return self.changes

    def since(self, rev: int, at: int = -1) -> Sequence[Standing]:
        ends = {row.grant.id: row.state == "active" and row.grant.expires_at for row in self.rows}
        told = [row for row in self.rows if row.rev > rev]
        told = [row for row in told if ends[row.grant.id] > at or row is told[-1]]
        self.read += len(told)
        return told

    def changed(self) -> None:
        self.changes += 1

    def had(self, tenant: str, agent: str, task: str) -> bool:
        whose = ((row.grant.tenant, row.grant.agent, row.grant.task) for row in self.rows)
        return (tenant, agent, task) in whose

    def find(self, grant_id: str) -> Standing | None:
        """As the last line about it says."""
        return next((row for row in reversed(self.rows) if row.grant.id == grant_id), None)

    def left(self, grant_id: str, uses: int, used_at: int = NOON) -> None:
        """Spends are no news."""
        at = [row.grant.id for row in self.rows].index(grant_id)
        self.rows[at] = replace(self.rows[at], uses=uses, used_at=used_at)

    def used_up(self, one: Grant) -> None:
        """But that nothing is left is."""
        self._add(Standing(one, "active", "no uses are left", 0, 0, 9, None, None, NOON))

    def all(self, at: int = -1) -> Sequence[Standing]:
        raise AssertionError

    def below(self, grants: Sequence[str]) -> Sequence[str]:
        raise AssertionError

    def labels(self, root: str) -> frozenset[Label]:
        raise AssertionError

    def close(self) -> None:
        raise AssertionError


class World:
    """A book, its store and the time."""

    def __init__(self, *grants: Grant, standing: frozenset[Tier] | None = None) -> None:
        self.store = Store()
        self.store.given(*grants)
        self.now = NOON + SECOND
        tiers = frozenset({Tier.DATA, Tier.TOOL}) if standing is None else standing
        self.book = GrantBook(self.store, lambda: tiers, lambda: self.now)
        self.book.refresh()

    def refusal(self, who: str, **call_: Any) -> tuple[str, str]:
        with pytest.raises(Refused) as caught:
            self.book.cover(call(who, **call_))
        assert self.book.covers_some(call(who, **call_)) is ("argument" in caught.value.detail)
        return str(caught.value.reason), caught.value.detail


def test_without_a_grant_a_role_is_enough_where_it_stands() -> None:
    world = World()
    assert world.book.cover(call("a")).grant == ""
    assert world.book.cover(call("a")).root == "local/a"


def test_who_came_by_a_role_before_is_covered_as_who_never_came() -> None:
    """Also once there is a grant: of another, of its own, and when that is over."""
    world, who = World(), call("a", tier=Tier.TOOL).resolved.request.identity
    tiers = {Tier.DATA, Tier.TOOL}
    book = GrantBook(world.store, lambda: frozenset(tiers), lambda: world.now)

    def said(of: GrantBook, tier: Tier) -> Cover | str:
        one = call("a", tier=tier)
        request = replace(one.resolved.request, identity=who)
        try:
            return of.cover(replace(one, resolved=replace(one.resolved, request=request)))
        except Refused as no:
            return f"{no.reason}: {no.detail}"

    def differs() -> list[Tier]:
        new = GrantBook(world.store, lambda: frozenset(tiers), lambda: world.now)
        return [tier for tier in Tier for _ in "ab" if said(book, tier) != said(new, tier)]

    steps: list[Callable[[], object]] = [
        lambda: None,
        lambda: world.store.given(grant("b")),
        lambda: tiers.discard(Tier.TOOL),
        lambda: world.store.given(grant("a")),
        lambda: world.store.ended(grant("a")),
    ]
    found = []
    for step in steps:
        step()
        assert differs() == []
        found.append(said(book, Tier.TOOL))
    assert len(set(map(str, found))) == 4


STEPS = (
    "second",
    "ten minutes",
    "long root",
    "short root",
    "child",
    "end",
    "used up",
    "found over",
)


@example(("short root", "child", "second"))
@example(("long root", "child", "found over"))
@example(("long root", "long root", "end", "used up"))
@given(st.lists(st.sampled_from(STEPS), max_size=12))
def test_who_came_before_holds_what_one_who_never_came_would(steps: Sequence[str]) -> None:
    """Whatever is given, ends, is used up, or is over by its time or by that of the one above it."""
    world, mine = World(), list[Grant]()
    one = call("a", named="", task="t")
    by_name = [call("a", named=name, task="t") for name in ("g2", "g1", "g0")]

    def give(seconds: int, parent: Grant | None) -> None:
        given = replace(grant(f"g{len(mine)}", parent, seconds=seconds), agent="agent:a", task="t")
        given = replace(given, created_at=world.now)
        mine.append(given)
        world.store.given(given)

    def said(of: GrantBook, asked: Classified, without: Sequence[str] = ()) -> object:
        try:
            return of.cover(asked, without)
        except Refused as no:
            return no.reason, no.detail

    for step in steps:
        match step:
            case "second":
                world.now += SECOND
            case "ten minutes":
                world.now += 600 * SECOND
            case "long root":
                give(1_000, None)
            case "short root":
                give(1, None)
            case "child":
                give(900, mine[-1] if mine else None)
            case "end" if mine:
                world.store.ended(mine[-1])
            case "used up" if mine:
                world.store.used_up(mine[0])
            case "found over" if mine:
                world.store.lay_idle(mine[0])
                said(world.book, by_name[-1], (mine[0].id,))
        new = GrantBook(world.store, lambda: frozenset({Tier.DATA}), lambda: world.now)
        for asked in (*by_name, one):
            assert said(world.book, asked) == said(new, asked)


def test_the_admin_tier_needs_a_grant() -> None:
    assert World().refusal("a", tier=Tier.ADMIN)[0] == "grant_needed"


def test_no_tier_need_stand() -> None:
    assert World(standing=frozenset()).refusal("a")[0] == "grant_needed"


def test_a_call_is_covered_by_the_grant_of_its_agent_and_task() -> None:
    world = World(grant("a"), grant("b"))
    assert world.book.cover(call("b")).grant == "b"


@pytest.mark.parametrize(
    "outside",
    [
        {"tier": Tier.ADMIN},
        {"tool": "read_graph", "server": "memory"},
        {"tool": "send_all", "server": "mail"},
        {"destination": "example.org"},
        {"intent": "another"},
    ],
    ids=lambda outside: next(iter(outside)),
)
def test_what_a_grant_does_not_name_it_does_not_cover(outside: dict[str, Any]) -> None:
    assert World(grant("a")).refusal("a", **outside)[0] == "outside_grant"


def test_a_list_shows_what_one_of_several_grants_gives() -> None:
    reads, sends = (replace(grant(name), agent="agent:a", task="a") for name in ("g1", "g2"))
    reads = replace(reads, terms=terms(tools=("git/*",)))
    sends = replace(sends, terms=terms(tools=("mail/send",)))
    book = World(reads, sends).book
    shown = [
        book.covers_some(call("a", tool, server=server))
        for server, tool in (("git", "git_log"), ("mail", "send"), ("mail", "read"))
    ]
    assert shown == [True, True, False]


def test_without_a_grant_a_list_shows_the_tiers_where_a_role_is_enough() -> None:
    book = World(standing=frozenset({Tier.DATA})).book
    assert book.covers_some(call("a", tier=Tier.DATA))
    assert not book.covers_some(call("a", tier=Tier.TOOL))


def test_what_a_list_rests_on_is_another_once_a_grant_is_given_or_ends() -> None:
    world = World(standing=frozenset({Tier.DATA}))
    who = call("a").resolved.request.identity
    none = world.book.in_force(who)
    world.store.given(grant("a"))
    given = world.book.in_force(who)
    world.store.ended(grant("a"))
    ended = world.book.in_force(who)
    assert len({none, given, ended}) == 3
    assert none != World(standing=frozenset()).book.in_force(who)


def test_arguments_stay_within_the_bounds_of_the_grant() -> None:
    bound = {
        "git/git_log": {"properties": {"max_count": {"maximum": 5}}, "required": ["max_count"]}
    }
    world = World(grant("a", bounds=bound))
    assert world.book.cover(call("a", arguments={"max_count": 5, "repo": "x"})).grant == "a"
    reason, detail = world.refusal("a", arguments={"max_count": 6})
    assert (reason, "is too large" in detail) == ("outside_grant", True)
    assert world.refusal("a", arguments={})[0] == "outside_grant"
    assert world.book.cover(call("a", "git_show")).grant == "a"


def test_all_bounds_together_take_no_longer_than_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent that may hand a grant on can write one for every beginning of a tool's name."""
    for room in (book, validate):
        monkeypatch.setattr(room, "MAX_STEPS", 1_000)
    slow = {"properties": {"all": {"items": {"allOf": [{"minLength": 1}] * 5}}}}
    names = ("git/git_log", "git/git_lo*", "git/git_l*")
    arguments = {"all": ["x"] * 100}
    one, all_ = (World(grant("a", bounds=dict.fromkeys(some, slow))) for some in (names[:1], names))
    assert one.book.cover(call("a", arguments=arguments)).grant == "a"
    assert "in bounded time" in all_.refusal("a", arguments=arguments)[1]


def test_all_grants_of_a_task_together_take_no_longer_than_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for room in (book, validate):
        monkeypatch.setattr(room, "MAX_STEPS", 1_000)
    slow = {"properties": {"all": {"items": {"allOf": [{"minLength": 1}] * 5}, "maxItems": 99}}}
    bounded = grant("a", bounds={"git/git_log": slow})
    mine = [replace(bounded, id=f"a{n}", root=f"a{n}") for n in range(3)]
    asked: JsonObject = {"all": ["x"] * 100}
    assert "too many items" in World(mine[0]).refusal("a", arguments=asked)[1]
    assert "in bounded time" in World(*mine).refusal("a", arguments=asked)[1]


def test_a_bound_by_prefix_speaks_also_of_a_uri_that_leads_elsewhere() -> None:
    bound = {"required": ["uri"]}
    held = terms(tools=("files/resource:*",), bounds={"files/resource:*": bound})
    for uri in ("file:///a", "file:///a%2F..%2Fb", "file:///a//b"):
        assert bounds_of(held, Target("files", "resource", uri)) == [("files/resource:*", bound)]


def test_the_whole_chain_must_cover_a_call() -> None:
    root = grant("a", tools=("git/git_log",))
    child = grant("b", root, tools=("git/*",))
    world = World(root, child)
    assert [one.id for one in world.book.cover(call("b")).chain] == ["b", "a"]
    reason, detail = world.refusal("b", tool="git_show")
    assert (reason, detail.startswith("grant a:")) == ("outside_grant", True)


def test_what_was_said_of_one_class_of_calls_is_said_of_no_other() -> None:
    """A book that was asked before says what one says that never was."""
    root = grant(
        "a", tools=("git/*",), destinations=("local",), tiers=frozenset({Tier.DATA, Tier.TOOL})
    )
    child = grant("b", root, tools=("git/git_log",), tiers=frozenset({Tier.DATA}))
    asked = [
        replace(call(agent, tool), tier=tier, destination=destination)
        for agent in ("a", "b")
        for tool in ("git_log", "git_show")
        for tier in (Tier.DATA, Tier.TOOL, Tier.ADMIN)
        for destination in ("local", "elsewhere.example")
    ]
    book = World(root, child).book
    told = [_said(book, one) for one in asked]
    assert [_said(book, one) for one in reversed(asked)] == told[::-1]
    assert [_said(World(root, child).book, one) for one in asked] == told
    assert len({*told}) > 4


def _said(book: GrantBook, one: Classified) -> str:
    try:
        return book.cover(one).grant
    except Refused as no:
        return no.detail


def test_labels_live_with_the_task_of_the_root() -> None:
    root = grant("a")
    world = World(root, grant("b", root))
    assert world.book.cover(call("b")).root == world.book.cover(call("a")).root == "local/a"


def test_under_strict_flow_nothing_is_called_while_nobody_keeps_account() -> None:
    """tiers.yaml had a flow when the grant was given, and has none any more."""
    root = grant("a", strict_flow=True)
    world = World(root, grant("b", root, strict_flow=True))
    kept = Flow(frozenset(), egress=False, mode="strict")
    assert world.book.cover(call("b", flow=kept)).grant == "b"
    assert world.refusal("b") == (
        "outside_grant",
        "grant b: strict_flow, and tiers.yaml says no flow any more",
    )


def test_over_is_over_and_no_role_takes_its_place() -> None:
    one = grant("a")
    world = World(one)
    assert world.book.cover(call("a")).grant == "a"
    world.store.ended(one)
    assert world.refusal("a")[0] == "grant_over"


def test_an_expired_grant_covers_nothing() -> None:
    world = World(grant("a", seconds=10))
    world.now = NOON + 10 * SECOND
    assert world.refusal("a")[0] == "grant_over"


@pytest.mark.parametrize("named", ["", "a"])
def test_what_was_over_by_a_clock_that_went_too_far_is_not_when_it_is_set_back(named: str) -> None:
    world = World(grant("a", seconds=10))
    for _ in range(2):
        world.now = NOON + 3600 * SECOND
        assert world.refusal("a", named=named)[0] == "grant_over"
        world.now = NOON + 2 * SECOND
        assert world.book.cover(call("a", named=named)).grant == "a"
    world.store.ended(grant("a", seconds=10))
    assert world.refusal("a", named=named)[0] == "grant_over"


def test_a_start_reads_what_is_in_force_and_nothing_of_what_is_over() -> None:
    """A journal has a grant for every piece of work there ever was."""
    short, ended, stays = grant("a", seconds=10), grant("b"), grant("c")
    world = World(short, ended, stays)
    world.store.ended(ended)
    world.now = NOON + 10 * SECOND
    world.store.read = 0
    world.book = GrantBook(world.store, frozenset, lambda: world.now)
    assert [one.id for one in world.book.all()] == ["c"]
    assert world.store.read == 2  # and the latest change, which is an end
    assert world.refusal("a")[0] == world.refusal("b")[0] == "grant_over"
    world.store.ended(stays)
    assert world.refusal("c")[0] == "grant_over"
    world.now = NOON + 2 * SECOND
    assert world.book.cover(call("a")).grant == "a"


def test_a_start_by_a_clock_that_is_ahead_leaves_no_grant_out_once_it_is_set_back() -> None:
    world = World(grant("a", seconds=10))
    world.now = NOON + 3600 * SECOND
    world.book = GrantBook(world.store, frozenset, lambda: world.now)
    world.book.refresh()
    world.now = NOON + 2 * SECOND
    assert world.book.cover(call("a")).grant == "a"


def test_a_grant_ends_with_the_one_it_came_from() -> None:
    root = grant("a", seconds=10)
    world = World(root, grant("b", root, seconds=600))
    world.now = NOON + 10 * SECOND
    assert world.refusal("b")[0] == "grant_over"


def test_another_grant_of_the_same_task_goes_on() -> None:
    first = grant("a", tools=("git/git_log",))
    second = replace(grant("a", tools=("git/git_show",)), id="a2")
    world = World(first, second)
    assert world.book.cover(call("a", "git_show")).grant == "a2"
    world.store.ended(first)
    assert world.book.cover(call("a", "git_show")).grant == "a2"
    assert world.refusal("a")[0] == "outside_grant"


def test_a_token_that_names_its_grant_has_that_one_and_no_other() -> None:
    world = World(grant("a"), grant("b"))
    assert world.book.cover(call("a", task="elsewhere", named="a")).grant == "a"
    assert world.refusal("a", named="b")[0] == "grant_over"
    assert world.refusal("a", named="none")[0] == "grant_over"


@pytest.mark.parametrize("named", ["", "a"])
def test_a_grant_given_for_one_person_is_not_spent_for_another(named: str) -> None:
    world = World(replace(grant("a"), on_behalf_of="ada"))
    assert world.book.cover(call("a", named=named, principal="ada")).grant == "a"
    assert world.book.cover(call("a", named=named)).grant == "a"
    assert world.refusal("a", named=named, principal="bob")[0] == "grant_over"


def test_a_read_takes_nothing_where_nothing_is_limited() -> None:
    world = World(grant("a"))
    read, write = call("a"), call("a", effect=Effect.WRITE)
    assert world.book.claims(world.book.cover(read), read, False) == ()
    [spend] = world.book.claims(world.book.cover(write), write, False)
    assert spend == Spend(("a",), 1, 0, world.now)


def test_bytes_are_those_of_the_arguments() -> None:
    world = World(grant("a", bytes=100))
    read = call("a", arguments={"q": "é"})
    [spend] = world.book.claims(world.book.cover(read), read, False)
    assert isinstance(spend, Spend)
    assert spend.bytes == len('{"q": "é"}'.encode())


@pytest.mark.parametrize(
    "uri", ["file:///srv/my%20notes", "file:///srv/%C3%A4", "file:///srv/a%26b"]
)
def test_an_encoded_blank_or_letter_leads_nowhere_else(uri: str) -> None:
    plain = call("a", server="files")
    target = Target("files", "resource", uri)
    asked = replace(plain, resolved=replace(plain.resolved, target=target))
    assert not_within(terms(tools=("files/resource:file:///srv/*",)), asked) == ""
    assert not_within(terms(tools=("files/resource:file:///srv/keys*",)), asked) != ""


@pytest.mark.parametrize(
    "uri",
    [
        "file:///srv/../etc/x",
        "file:///srv/%2e%2e/x",
        "file:///srv//x",
        "file:///srv/%2Fx",
        "file:///srv/%252e%252e/x",
        "file:///srv\\x",
        "file:///srv/%5Cx",
        "file:///srv/%00",
        "file:///srv/%c0%af",
    ],
)
def test_a_uri_that_may_climb_is_covered_by_its_exact_name_only(uri: str) -> None:
    plain = call("a", server="files")
    climbing = replace(
        plain, resolved=replace(plain.resolved, target=Target("files", "resource", uri))
    )
    assert not_within(terms(tools=("files/resource:file:///srv/*",)), climbing) != ""
    assert not_within(terms(tools=(f"files/resource:{uri}",)), climbing) == ""


async def test_an_end_of_which_nobody_lived_to_tell_is_taken_up_all_the_same_and_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(book, "EVERY", 0)
    world, told = World(grant("a"), standing=frozenset()), list[int]()
    world.book.cover(call("a"))
    world.book.on_change = lambda: told.append(1)
    before = world.store.changes
    world.store.ended(grant("a"))
    world.store.changes = before  # its process died between the two
    world.book.cover(call("a"))
    watch = asyncio.create_task(world.book.watch())
    async with asyncio.timeout(20):
        while not told:
            await asyncio.sleep(0)
    assert world.refusal("a")[0] == "grant_over"
    assert world.store.changes == before + 1
    watch.cancel()
    await asyncio.gather(watch, return_exceptions=True)
    assert told == [1]


async def test_of_many_grants_that_lie_idle_at_once_a_look_drops_some_and_the_next_the_others() -> (
    None
):
    """Each is asked of the store, and all calls wait meanwhile."""
    world, told = World(*(grant(f"a{n}", idle=10) for n in range(book.ENDS + 44))), list[int]()
    world.book.on_change = lambda: told.append(len(world.book.all()))
    world.now = NOON + 10 * SECOND
    for _ in range(3):
        world.book._tell_of_ends()
    assert told == [44, 0]


@pytest.mark.parametrize("limit", ["seconds", "idle"])
async def test_that_a_grant_ended_by_its_time_is_told_once(
    monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    """No line tells of it, and lists look different from then on."""
    monkeypatch.setattr(book, "EVERY", 0)
    world, told = (
        World(grant("a", None, **{limit: 10}), grant("b", None, **{limit: 20})),
        list[int](),
    )
    world.book.cover(call("a"))
    world.book.on_change = lambda: told.append(1)
    watch = asyncio.create_task(world.book.watch())
    for ends in (10, 20):
        before = len(told)
        world.now = NOON + ends * SECOND
        async with asyncio.timeout(20):
            while len(told) == before:
                await asyncio.sleep(0)
    for _ in range(100):
        await asyncio.sleep(0)
    watch.cancel()
    await asyncio.gather(watch, return_exceptions=True)
    assert told == [1, 1]
    assert not world.book.covers_some(call("a")) and not world.book.covers_some(call("b"))


async def test_one_that_is_used_is_not_told_to_lie_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(book, "EVERY", 0)
    world, told = World(grant("a", idle=10), grant("b", seconds=12)), list[int]()
    world.book.on_change = lambda: told.append(world.now)
    world.store.left("a", uses=1, used_at=NOON + 5 * SECOND)
    watch = asyncio.create_task(world.book.watch())
    for world.now in (NOON + 10 * SECOND, NOON + 14 * SECOND, NOON + 15 * SECOND):
        for _ in range(100):
            await asyncio.sleep(0)
    watch.cancel()
    await asyncio.gather(watch, return_exceptions=True)
    assert told == [NOON + 14 * SECOND, NOON + 15 * SECOND]


def test_what_is_used_up_is_listed_no_more_and_its_follower_is_told() -> None:
    above = grant("a")
    world, told = World(above, grant("b", above)), list[int]()
    world.book.on_change = lambda: told.append(1)
    one = call("b")
    who = one.resolved.request.identity
    before = world.book.covers_some(one), world.book.in_force(who)
    world.store.used_up(above)
    after = world.book.covers_some(one), world.book.in_force(who)
    assert (before[0], after[0], told) == (True, False, [1])
    assert before[1] != after[1]


async def test_the_watch_goes_on_when_somebody_it_told_has_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(book, "EVERY", 0)
    world, told = World(grant("a"), standing=frozenset()), list[int]()
    world.book.cover(call("a"))

    def fail() -> None:
        told.append(1)
        raise RuntimeError("a bug")

    world.book.on_change = fail
    watch = asyncio.create_task(world.book.watch())
    for times in (1, 2):
        world.store.ended(grant("a"))
        async with asyncio.timeout(20):
            while len(told) < times and not watch.done():
                await asyncio.sleep(0)
    assert not watch.done()
    watch.cancel()
    await asyncio.gather(watch, return_exceptions=True)


def short(world: World, who: str = "a") -> str:
    """The grant of the call after one that found too little left; or why there is none."""
    first = world.book.cover(call(who)).grant
    with contextlib.suppress(Refused):
        world.book.cover(call(who), (first,))
    try:
        return world.book.cover(call(who)).grant
    except Refused as no:
        return f"{no.reason}: {no.detail}"


def two() -> World:
    return World(replace(grant("a"), id="g1"), replace(grant("a", idle=5), id="g2"))


def test_one_that_is_used_up_is_not_tried_by_the_next_call() -> None:
    world = two()
    world.store.left("g1", uses=0)
    assert short(world) == "g2"


def test_one_that_had_too_little_for_a_call_is_tried_by_the_next() -> None:
    world = two()
    world.store.left("g1", uses=1)
    assert short(world) == "g1"


def test_where_all_are_used_up_it_is_said_at_once() -> None:
    world = World(grant("a"))
    world.store.left("a", uses=0)
    assert short(world) == "grant_spent: grant a: no uses are left"


def test_what_was_handed_on_from_one_that_is_used_up_is_used_up() -> None:
    above = grant("a")
    world = World(above, grant("b", above))
    world.store.left("a", uses=0)
    assert short(world, "b") == "grant_spent: grant b: no uses are left"


def test_what_a_used_up_one_never_gave_is_outside_of_it() -> None:
    world = World(grant("a"))
    world.store.left("a", uses=0)
    assert short(world) == "grant_spent: grant a: no uses are left"
    assert world.refusal("a", tool="rm", server="disk")[0] == "outside_grant"


def test_one_that_lay_idle_is_over_once_a_call_has_found_out() -> None:
    world = World(grant("a", idle=5))
    world.now += 9 * SECOND
    assert short(world) == "grant_over: no grant of task a is in force"


def test_tasks_whose_grants_are_over_leave_nothing_and_are_over_still() -> None:
    """There is a task for every piece of work there ever was."""
    world = World()
    for number in range(20):
        bounds = {"git/git_log": {"properties": {"n": {"maximum": number}}}}
        one = grant(f"t{number}", bounds=bounds)
        world.store.given(one)
        assert world.book.cover(call(one.task, arguments={"n": 0})).grant == one.id
        world.store.used_up(one)
        world.book.refresh()
        if number % 2:
            world.store.ended(one)
            assert world.refusal(one.task)[0] == "grant_over"
    kept = world.book._outside._check._known
    assert len(world.book._in_force) == len(kept) == 10
    world.now += 3600 * SECOND
    world.book._tell_of_ends()
    assert len(world.book._in_force) == len(kept) == 0
    for number in range(20):
        assert world.refusal(f"t{number}")[0] == "grant_over"
    assert world.book.cover(call("another")).grant == ""


def test_one_that_is_given_as_its_agent_calls_is_in_force_before_it_is_told_of() -> None:
    world = World()
    world.store.given(grant("a"))
    world.store.changes -= 1
    assert world.book.cover(call("a")).grant == "a"
