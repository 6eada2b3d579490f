"""Public names: made by a table, found in a table, never split."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.catalogue.names import MAX_PUBLIC, name_all, name_fault, public_name
from gateway.core.model import Target
from gateway.core.resolve import resolve
from gateway.settings import SERVER_ID
from tests.catalogue.offering import OfferingServer, approved, asks, pins, table, tool

ids = st.from_regex(SERVER_ID, fullmatch=True)
natives = st.one_of(
    st.text(alphabet="ab_-", min_size=1, max_size=5),
    st.text(alphabet="abcABC_-./:é中 ", min_size=1, max_size=90),
    st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1, max_size=100),
)
targets = st.sets(st.tuples(ids, natives), max_size=12).map(
    lambda found: [Target(server, "tool", name) for server, name in sorted(found)]
)


@given(targets=targets)
def test_no_two_targets_share_a_public_name(targets: list[Target]) -> None:
    names = name_all(targets)
    assert len(set(names.by_target.values())) == len(names.by_target)
    assert names.by_target.keys() | names.collisions.keys() == set(targets)
    assert names.by_target.keys().isdisjoint(names.collisions)


@given(server=ids, native=natives)
def test_a_public_name_fits_every_model_api(server: str, native: str) -> None:
    assert re.fullmatch(rf"[A-Za-z0-9_-]{{1,{MAX_PUBLIC}}}", public_name(server, native))


@given(server=ids, native=natives)
def test_a_public_name_does_not_depend_on_who_else_there_is(server: str, native: str) -> None:
    target = Target(server, "tool", native)
    alone = name_all([target]).by_target
    among = name_all([target, Target("zz", "tool", "another")]).by_target
    assert alone[target] == public_name(server, native)
    assert among.get(target) == alone[target] or (server, native) == ("zz", "another")


async def test_a_public_name_resolves_to_the_target_it_was_made_for() -> None:
    tools = [
        tool(n)
        for n in ("read", "read__all", "a__b", "_x", "x" * 100, "lösche", "a/b", "a.b", "a_b")
    ]
    server, other = OfferingServer("files", tool=tools), OfferingServer("files-a", tool=tools)
    known = pins(approved("files", *tools), approved("files-a", *tools))
    made = await table([server, other], known)
    assert len(made.aggregate.tools) == 2 * len(tools)
    for public, entry in made.aggregate.tools.items():
        found = resolve(made, asks("tools/call", {"name": public, "arguments": {}}))
        assert found.target == entry.target
        assert found.params["name"] == entry.target.name


def test_a_name_that_fits_is_kept_as_it_is() -> None:
    assert public_name("git", "git_status") == "git__git_status"
    assert public_name("git", "a__b") == "git__a__b"


def test_a_long_name_ends_in_a_hash_that_tells_its_siblings_apart() -> None:
    one, other = public_name("git", "x" * 100), public_name("git", "x" * 99 + "y")
    assert one != other
    assert one[:50] == other[:50]
    assert len(one) == MAX_PUBLIC


def test_a_crafted_twin_of_a_hashed_name_leaves_neither_with_it() -> None:
    hashed = public_name("git", "löschen")
    twin = Target("git", "tool", hashed.removeprefix("git__"))
    victim = Target("git", "tool", "löschen")
    names = name_all([twin, victim])
    assert names.by_target == {}
    assert "claimed by" in names.collisions[victim]


def test_a_tool_and_a_prompt_may_have_one_name() -> None:
    assert not name_all([Target("s", "tool", "x"), Target("s", "prompt", "x")]).collisions


@pytest.mark.parametrize(
    "bad",
    [
        "",
        None,
        7,
        " read",
        "read ",
        "re\u200bad",
        "read\u202e",
        "a\nb",
        "a\x00",
        "\ud800",
        "x" * 257,
        "\U000e0041",
    ],
)
def test_a_name_nobody_can_read_or_see_is_a_fault(bad: object) -> None:
    assert name_fault(bad) is not None


@pytest.mark.parametrize("good", ["read", "a/b", "a.b", "lösche", "读", "x" * 256, "a b"])
def test_an_odd_but_visible_name_is_no_fault(good: str) -> None:
    assert name_fault(good) is None
