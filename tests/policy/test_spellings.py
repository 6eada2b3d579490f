from __future__ import annotations

import pytest

from gateway.policy.patterns import names
from gateway.policy.spellings import Written, others


@pytest.mark.parametrize(
    "uri", ["file:///srv/keys", "git://a/b?c=d#e", "x:y", "file:///a(b)!$&'*+,;=@[c]~_-."]
)
def test_a_plain_uri_has_no_other_spelling(uri: str) -> None:
    assert not others(uri)


@pytest.mark.parametrize(
    ("uri", "plain"),
    [
        ("file:///srv/a%2Fb", "file:///srv/a/b"),
        ("file:///srv/%2F%2fb", "file:///srv/b"),
        ("file:///srv/%25252Fb", "file:///srv/b"),
        ("web://https%3A%2F%2Fx", "web://https:/x"),
        ("file:///%C3%A4 b", "file:///\u00e4 b"),
        ("%2Fb", "/b"),
    ],
)
def test_one_is_decoded_and_without_empty_steps(uri: str, plain: str) -> None:
    assert others(uri)[0] == plain


def test_one_has_all_encoded_that_must_be() -> None:
    assert others("file:///\u00e4 b")[-1] == "file:///%C3%A4%20b"
    assert others("file:///%C3%A4%20b") == ["file:///\u00e4 b"]


@pytest.mark.parametrize(
    ("uri", "plain"),
    [
        ("https://EXAMPLE.com/A", "https://example.com/A"),
        ("https://ann:x@example.com./", "https://example.com/"),
        ("https://example.com:443?q", "https://example.com?q"),
        ("http://[::A]:80/x", "http://[::a]/x"),
        ("http://example.com:/x", "http://example.com/x"),
        ("http://example.com:0080/x", "http://example.com/x"),
        ("http://example.com::80/x", "http://example.com/x"),
        ("HTTP%3a//EXAMPLE.com/x", "http://example.com/x"),
        ("docs://Team/Notes", "docs://team/Notes"),
        ("file://localhost/srv/x", "file:///srv/x"),
        ("file://Elsewhere:1/srv%2Fx", "file:///srv/x"),
        ("file://:80x/srv/x", "file:///srv/x"),
    ],
)
def test_one_has_its_host_in_the_plain_form(uri: str, plain: str) -> None:
    assert others(uri)[-1] == plain


@pytest.mark.parametrize(
    "uri", ["https://example.com:8443/A", "db://host:443/x", "web://https://x", "a:B", "http://"]
)
def test_what_of_a_host_may_not_be_left_out_is_no_spelling(uri: str) -> None:
    assert all(uri.partition("/x")[0] in other for other in others(uri))


def test_what_is_no_utf_8_and_what_is_encoded_for_ever_ends() -> None:
    assert others("file:///%ff")
    assert others("file:///%" + "25" * 4_000)


@pytest.mark.parametrize("uri", ["repo://a%2fb", "repo://a/b", "repo://a%252Fb", "repo://a//b"])
@pytest.mark.parametrize("pattern", ["repo://a%2Fb", "repo://a%2F*", "x:|repo://a%2Fb"])
def test_how_something_is_written_is_a_spelling_of_all_the_others(uri: str, pattern: str) -> None:
    assert "repo://a%2Fb" in Written([names(pattern)]).others(uri)


@pytest.mark.parametrize("uri", ["repo://a%2Fb", "repo://a%2Fbc", "repo://d/a%2Fb", "repo://ab"])
def test_how_something_else_is_written_is_none(uri: str) -> None:
    assert Written([names("repo://a%2Fb|repo://b%2F*|repo://c/*")]).others(uri) == [*others(uri)]


def test_a_prefix_that_ends_within_a_host_speaks_of_no_other_host() -> None:
    assert Written([names("file://local*|web://A.*")]).others("file:///srv") == ()
