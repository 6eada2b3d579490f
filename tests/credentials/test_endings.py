"""Endings of very many forms, looked for together: none is missed, none that is dropped is still seen."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.credentials.endings import ENDING, Endings

NAMES = st.sampled_from("abcdef")
FORMS = st.frozensets(st.binary(min_size=8, max_size=40), min_size=1, max_size=4)


def named(number: int) -> tuple[str, list[bytes]]:
    """A name with eight forms of its own."""
    return f"lease-{number}", [b"secret-%06d-%d" % (number, form) for form in range(8)]


def many(count: int) -> Endings:
    endings = Endings()
    for number in range(count):
        endings.put(*named(number))
    return endings


@given(st.lists(st.tuples(NAMES, FORMS | st.none()), max_size=30), st.binary(max_size=8), st.data())
def test_it_sees_those_it_was_given_and_no_other(
    steps: list[tuple[str, frozenset[bytes] | None]], before: bytes, data: st.DataObject
) -> None:
    endings, known = Endings(), dict[str, frozenset[bytes]]()
    seen = set[bytes]()
    for name, forms in steps:
        if forms is not None:
            endings.put(name, forms)
            known[name] = forms
            seen |= forms
        elif name in known:
            endings.drop(name)
            del known[name]
    text = before + (data.draw(st.sampled_from(sorted(seen))) if seen else b"")
    expected = any(form[-ENDING:] in text for forms in known.values() for form in forms)
    assert endings.may_be_in(text) is expected


def test_of_hundreds_of_names_each_is_seen_until_it_is_dropped() -> None:
    endings = many(300)
    for number in range(0, 300, 2):
        endings.drop(named(number)[0])
    found = [any(map(endings.may_be_in, named(number)[1])) for number in range(300)]
    assert found == [number % 2 == 1 for number in range(300)]


def test_a_name_that_comes_or_goes_leaves_the_patterns_of_others_as_they_are() -> None:
    endings = many(300)
    assert not endings.may_be_in(b"nothing")
    before = [group.patterns() for group in endings._groups]
    endings.put(*named(300))
    endings.drop(named(0)[0])
    after = [group.patterns() for group in endings._groups]
    assert [id(made) for made in after[1:-1]] == [id(made) for made in before[1:-1]]
    assert len(before) > 5


def test_room_that_some_left_is_used_by_others() -> None:
    endings = many(320)
    groups = len(endings._groups)
    for number in range(0, 320, 2):
        endings.drop(named(number)[0])
    for number in range(320, 480):
        endings.put(*named(number))
    assert len(endings._groups) == groups
