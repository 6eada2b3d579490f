"""Scopes over the journal: what fits, what does not, and in which order."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.errors import Refused
from gateway.undo.select import Selector, Wanted
from tests.undo.rig import Rig, Store, a_rig


@asynccontextmanager
async def history(directory: Path) -> AsyncIterator[tuple[Rig, dict[str, str]]]:
    """Five writes of two agents in two tasks, and a read."""
    async with a_rig(directory, Store()) as rig:
        ids = {
            "a1": await rig.call("put", key="k/x", value="1"),
            "a2": await rig.call("put", key="k/y", value="1", task="t2"),
            "b1": await rig.call("put", key="k/x", value="2", agent="agent:b"),
            "b2": await rig.call("put", key="z", value="1", agent="agent:b", task="t2"),
            "shout": await rig.call("shout", text="!", agent="agent:c", task="t3"),
            "read": await rig.call("get", key="z"),
        }
        yield rig, ids


def _selected(rig: Rig, wanted: Wanted) -> list[str]:
    selector = Selector(rig.parts.reader, rig.parts.ledger)
    return [call.call_id for call in selector.select(wanted).calls]


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        (Wanted(tasks=("t1",)), ["b1", "a1"]),
        (Wanted(tasks=("t1", "t2")), ["b2", "b1", "a2", "a1"]),
        (Wanted(agents=("agent:a",)), ["a2", "a1"]),
        (Wanted(agents=("agent:b",), tasks=("t2",)), ["b2"]),
        (Wanted(resources=("store:/z",)), ["b2"]),
        (Wanted(resources=("store:/z",), agents=("agent:a",)), []),
        (Wanted(servers=("store",)), ["shout", "b2", "b1", "a2", "a1"]),
        (Wanted(servers=("elsewhere",)), []),
        (Wanted(since=2**60), []),
        (Wanted(sessions=("s1",)), []),
        (Wanted(grants=("g1",)), []),
    ],
)
async def test_a_call_is_wanted_when_it_fits_every_scope_given(
    tmp_path: Path, wanted: Wanted, names: list[str]
) -> None:
    async with history(tmp_path) as (rig, ids):
        assert _selected(rig, wanted) == [ids[name] for name in names]


async def test_reads_and_inverse_calls_are_in_no_scope(tmp_path: Path) -> None:
    async with history(tmp_path) as (rig, ids):
        await rig.undo(ids["b2"])
        assert ids["read"] not in _selected(rig, Wanted(servers=("store",)))
        assert len(_selected(rig, Wanted(servers=("store",)))) == 5


async def test_a_call_is_named_by_its_id_or_by_a_prefix_of_no_other(tmp_path: Path) -> None:
    async with history(tmp_path) as (rig, ids):
        assert _selected(rig, Wanted(calls=(ids["a1"],))) == [ids["a1"]]
        with pytest.raises(Refused):
            _selected(rig, Wanted(calls=(ids["a1"][:8],)))
        with pytest.raises(Refused):
            _selected(rig, Wanted(calls=("nothing like it",)))


async def test_no_scope_is_not_everything(tmp_path: Path) -> None:
    async with history(tmp_path) as (rig, _):
        for empty in (Wanted(), Wanted(tenants=("*",))):
            with pytest.raises(Refused):
                _selected(rig, empty)


async def test_a_grant_can_be_wanted_with_all_that_were_made_from_it(tmp_path: Path) -> None:
    async with a_rig(tmp_path, Store()) as rig:
        wanted = rig.rollback().with_subtree(Wanted(grants=("g1",)))
    assert wanted.grants == ("g1", "g2", "g3")


async def test_a_call_is_found_by_the_session_it_came_in(tmp_path: Path) -> None:
    async with a_rig(tmp_path, Store()) as rig:
        rig.session = "s1"
        mine = await rig.call("put", key="a", value="1")
        rig.session = "s2"
        await rig.call("put", key="b", value="1")
        assert _selected(rig, Wanted(sessions=("s1",))) == [mine]


async def test_a_name_of_several_tenants_is_in_no_scope_until_it_is_said_whose(
    tmp_path: Path,
) -> None:
    async with a_rig(tmp_path, Store()) as rig:
        acme = await rig.call("put", key="x", value="1", tenant="acme")
        globex = await rig.call("put", key="y", value="1", tenant="globex")
        for vague in (Wanted(agents=("agent:a",)), Wanted(tasks=("t1",), servers=("store",))):
            with pytest.raises(Refused, match="in acme and globex"):
                _selected(rig, vague)
        assert _selected(rig, Wanted(agents=("agent:a",), tenants=("acme",))) == [acme]
        assert _selected(rig, Wanted(tasks=("t1",), tenants=("*",))) == [globex, acme]
        assert _selected(rig, Wanted(tenants=("globex", "initech"))) == [globex]
        assert _selected(rig, Wanted(servers=("store",))) == [globex, acme]
        assert _selected(rig, Wanted(agents=("agent:a",), resources=("store:/y",))) == [globex]


async def test_what_wrote_nobody_knows_where_is_told_of_a_resources_scope(tmp_path: Path) -> None:
    async with history(tmp_path) as (rig, ids):
        selector = Selector(rig.parts.reader, rig.parts.ledger)
        for scope, untold in (
            (Wanted(resources=("store:/z",)), (ids["shout"],)),
            (Wanted(resources=("store:/z",), agents=("agent:a",)), ()),
            (Wanted(servers=("store",)), ()),
        ):
            assert selector.select(scope).untold == untold
            assert selector.untold(scope) == untold
