from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy import patterns

part = st.text("ab_", min_size=1, max_size=3)
names_text = st.lists(part | part.map(lambda p: f"{p}*") | st.just("*"), min_size=1, max_size=3)
label = st.sampled_from(["a", "b", "api"])
host = st.lists(label, min_size=1, max_size=3).map(".".join)
hosts_text = st.just("*") | st.lists(
    host | host.map(lambda h: f"*.{h}"), min_size=1, max_size=3
).map("|".join)


def test_names_match_exactly_or_by_prefix() -> None:
    pattern = patterns.names("git_log|git_diff*")
    assert [
        n for n in ("git_log", "git_log2", "git_diff", "git_diff_x", "x") if pattern.matches(n)
    ] == [
        "git_log",
        "git_diff",
        "git_diff_x",
    ]


def test_hosts_match_exactly_or_below_a_domain() -> None:
    pattern = patterns.hosts("local|*.example.com")
    assert pattern.matches("local")
    assert pattern.matches("a.b.example.com")
    assert not pattern.matches("example.com")
    assert not pattern.matches("evilexample.com")
    assert not pattern.matches("a.example.com.evil")


@pytest.mark.parametrize("text", ["", "|", "a||b", " a", "a*b", "**x", "a\n"])
def test_a_bad_name_pattern_says_why(text: str) -> None:
    with pytest.raises(ValueError):
        patterns.names(text)


@pytest.mark.parametrize(
    "text", ["", "*.", "*x", "a*", "A.b", "a b", "*|a", "http://a", ".a", "\u00e4.de"]
)
def test_a_bad_host_pattern_says_why(text: str) -> None:
    with pytest.raises(ValueError):
        patterns.hosts(text)


@given(names_text.map("|".join), names_text.map("|".join), st.text("ab_", max_size=4))
def test_covering_and_meeting_names_mean_what_they_say(one: str, two: str, name: str) -> None:
    a, b = patterns.names(one), patterns.names(two)
    if a.covers(b) and b.matches(name):
        assert a.matches(name)
    if a.matches(name) and b.matches(name):
        assert a.meets(b)
        assert b.meets(a)


@given(hosts_text, hosts_text, host)
def test_covering_hosts_means_what_it_says(one: str, two: str, name: str) -> None:
    a, b = patterns.hosts(one), patterns.hosts(two)
    if a.covers(b) and b.matches(name):
        assert a.matches(name)


@given(hosts_text, hosts_text, host)
def test_witnesses_stand_for_every_host(allow: str, deny: str, name: str) -> None:
    a, d = patterns.hosts(allow), patterns.hosts(deny)
    found = a.witnesses("fresh")
    assert all(a.matches(witness) for witness in found)
    if a.matches(name) and not d.matches(name):
        assert any(not d.matches(witness) for witness in found)
