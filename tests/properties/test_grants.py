"""A grant that was handed on never gives more than the one it came from, whatever either of them says."""

from __future__ import annotations

from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.core.grant import Terms, outside, wider
from gateway.core.model import Classified, Effect, Tier
from gateway.errors import Refused
from gateway.grants.asked import Asked
from gateway.grants.office import _narrowed
from gateway.values import replace
from tests.grants.given import call

NAMES = ("read_file", "read_dir", "read_", "write", "r", "prompt:read", "resource:file:///a")
TOOLS = [
    f"{server}/{name}{star}"
    for server in ("git", "gi")
    for name in ("", *NAMES)
    for star in ("", "*")
]
TOOLS = [tool for tool in TOOLS if not tool.endswith("/")]
HOSTS = ("local", "a.example", "b.a.example", "example", "*.example", "*.a.example", "*")
PLAIN = tuple(host for host in HOSTS if "*" not in host)
LIMIT = st.none() | st.integers(0, 5)

terms = st.builds(
    Terms,
    tiers=st.frozensets(st.sampled_from(Tier), min_size=1),
    tools=st.lists(st.sampled_from(TOOLS), min_size=1, max_size=3).map(tuple),
    destinations=st.lists(st.sampled_from(HOSTS), min_size=1, max_size=2).map(tuple),
    uses=LIMIT,
    writes=LIMIT,
    bytes=LIMIT,
    per_minute=st.none() | st.integers(1, 5),
    burst=st.integers(1, 3),
    seconds=st.integers(1, 5),
    idle=LIMIT,
    strict_flow=st.booleans(),
)
calls = st.builds(
    lambda server, name, tier, host: call(
        "ann", name, server=server, tier=tier, effect=Effect.WRITE, destination=host
    ),
    st.sampled_from(["git", "gi", "g"]),
    st.sampled_from(NAMES[:5]) | st.text("read_", max_size=8),
    st.sampled_from(Tier),
    st.sampled_from(PLAIN),
)


@st.composite
def families(draw: st.DrawFn) -> tuple[Terms, Terms]:
    """A parent, and a child that has most of its terms from it."""
    parent, other = draw(terms), draw(terms)
    fields = Terms.__struct_fields__
    own = {name: getattr(other, name) for name in fields if draw(st.integers(0, 5)) == 0}
    return parent, replace(parent, **own)


@given(family=families(), asked=st.lists(calls, min_size=1, max_size=8))
def test_what_a_narrower_grant_covers_its_parent_covers(
    family: tuple[Terms, Terms], asked: list[Classified]
) -> None:
    parent, child = family
    assume(not wider(child, parent))
    for one in asked:
        if not outside(child, one):
            assert not outside(parent, one), one
    assert not any(_more(child, parent, name) for name in ("uses", "writes", "bytes", "idle"))
    assert not _more(child, parent, "per_minute")
    assert child.seconds <= parent.seconds
    assert child.strict_flow or not parent.strict_flow
    assert parent.per_minute is None or child.burst <= parent.burst


def _more(child: Terms, parent: Terms, name: str) -> bool:
    mine, most = getattr(child, name), getattr(parent, name)
    return most is not None and (mine is None or mine > most)


@given(parent=terms)
def test_a_grant_is_no_wider_than_itself(parent: Terms) -> None:
    assert not wider(parent, parent)


@given(parent=terms, child=terms, silent=st.sets(st.sampled_from(sorted(Terms.__struct_fields__))))
def test_what_is_handed_on_is_narrower_or_refused_whatever_is_asked(
    parent: Terms, child: Terms, silent: set[str]
) -> None:
    """What is left out is as the parent has it."""
    said = {name: getattr(child, name) for name in Terms.__struct_fields__ if name not in silent}
    said = {name: value for name, value in said.items() if value not in (None, 0, {}, [])}
    asked = Asked(agent="agent:bob", task="t", intent="general", **said)
    try:
        given_ = _narrowed(asked, parent)
    except Refused:
        return
    assert not wider(given_, parent)
    assert Tier.ADMIN not in given_.tiers or Tier.ADMIN in parent.tiers


def test_every_field_is_looked_at() -> None:
    """A term that is added needs its comparison."""
    widest = Terms(tiers=frozenset(Tier), tools=("git/*",), destinations=("*",), seconds=9)
    narrow = replace(
        widest,
        tiers=frozenset({Tier.DATA}),
        tools=("git/log",),
        destinations=("local",),
        uses=1,
        writes=1,
        bytes=1,
        per_minute=1,
        seconds=1,
        idle=1,
        strict_flow=True,
    )
    looked_at = set()
    for name in Terms.__struct_fields__:
        value: Any = 2 if name == "burst" else getattr(widest, name)
        if wider(replace(narrow, **{name: value}), narrow):
            looked_at.add(name)
    # Bounds of the whole chain are asked at every call: they cannot widen.
    assert set(Terms.__struct_fields__) - looked_at == {"bounds", "within"}
