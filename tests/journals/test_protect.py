"""No secret and no flood reaches the journal's files, and nothing an undo needs is lost."""

from __future__ import annotations

import asyncio
import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.core import record
from gateway.journals import protect
from gateway.journals.detect import holds_secret, is_secret_name
from gateway.journals.protect import Protector
from gateway.journals.sqlite import SqliteJournal
from gateway.journals.vault import Vault
from tests.journals.calls import NOON, call_record
from tests.journals.test_detect import CASES

PROTECTOR = Protector(Vault(bytes(32)))
TOKEN = "ghp_" + "A1b2" * 9


PARTS = st.lists(
    st.sampled_from(
        ["token", "pass", "word", "pwd", "=", ":", "//", "@", "a", "abcd", " ", '"', "\n", "\\"]
    ),
    max_size=8,
).map("".join)
"""Texts in which now and then a secret stands."""


def keep(arguments: Any, **marks: Any) -> Any:
    return PROTECTOR.protect(arguments, {f"/{name}": mark for name, mark in marks.items()})[0]


def form_of(value: Any) -> str:
    """How a value was kept: one of the forms, or clear."""
    if isinstance(value, dict) and set(value) <= {"sealed", "redacted", "bytes"} and value:
        return "+".join(sorted(value))
    return "clear"


def test_harmless_arguments_are_kept_as_they_are() -> None:
    arguments = {"repo_path": "/srv/x", "max_count": 3, "deep": [{"flag": True, "none": None}]}
    assert keep(arguments) == arguments


def test_a_sealed_value_can_be_opened_and_does_not_show() -> None:
    kept = keep({"body": {"n": [1, "two"]}}, body="sealed")
    assert form_of(kept["body"]) == "sealed"
    assert PROTECTOR.unseal(kept["body"]) == {"n": [1, "two"]}


def test_what_is_kept_for_an_undo_has_its_members_in_their_order() -> None:
    kept = PROTECTOR.unseal(PROTECTOR.seal({"z": 1, "a": {"y": 2, "b": 3}}))
    assert json.dumps(kept) == '{"z": 1, "a": {"y": 2, "b": 3}}'


def test_the_same_sealed_value_never_looks_the_same_twice() -> None:
    assert keep({"a": "x"}, a="sealed") != keep({"a": "x"}, a="sealed")


def test_a_redacted_value_is_only_committed_to() -> None:
    one, same = keep({"a": 1234}, a="redacted"), keep({"a": 1234}, a="redacted")
    other = keep({"a": 1235}, a="redacted")
    assert form_of(one["a"]) == "redacted"
    assert one == same != other
    with pytest.raises(ValueError, match="redacted"):
        PROTECTOR.restore(one)


def test_a_commitment_says_nothing_without_the_key() -> None:
    elsewhere = Protector(Vault(bytes(31) + b"\1"))
    here = keep({"a": 1234}, a="redacted")
    assert elsewhere.protect({"a": 1234}, {"/a": "redacted"})[0] != here


@pytest.mark.parametrize(
    ("pointer", "left"),
    [
        ("/list/1/pin", {"list": [{"pin": 1}, {"pin": "*"}], "a/b": {"~": 5}, "": 6}),
        ("/list/1", {"list": [{"pin": 1}, "*"], "a/b": {"~": 5}, "": 6}),
        ("/a~1b/~0", {"list": [{"pin": 1}, {"pin": 2}], "a/b": {"~": "*"}, "": 6}),
        ("/", {"list": [{"pin": 1}, {"pin": 2}], "a/b": {"~": 5}, "": "*"}),
        ("list", {"list": "*", "a/b": {"~": 5}, "": 6}),
        ("", "*"),
    ],
)
def test_a_mark_works_anywhere_in_the_tree(pointer: str, left: Any) -> None:
    arguments = {"list": [{"pin": 1}, {"pin": 2}], "a/b": {"~": 5}, "": 6}
    kept, _ = PROTECTOR.protect(arguments, {pointer: "redacted"})
    assert _starred(kept) == left


def _starred(value: Any) -> Any:
    if form_of(value) != "clear":
        return "*"
    if isinstance(value, dict):
        return {name: _starred(member) for name, member in value.items()}
    return [_starred(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("pointer", ["/nowhere", "/list/7", "/list/01", "/list/-", "/list/0/pin/x"])
def test_a_mark_that_leads_nowhere_is_passed_over(pointer: str) -> None:
    arguments = {"list": [{"pin": 1}]}
    assert PROTECTOR.protect(arguments, {pointer: "sealed"})[0] == arguments


@pytest.mark.parametrize(
    "value", [TOKEN, 12345678, ["a", "b"], {"user": "x"}, "short"], ids=lambda value: str(value)[:8]
)
def test_a_member_named_like_a_secret_is_sealed_whatever_it_holds(value: Any) -> None:
    kept = keep({"outer": {"apiKey": value}})
    assert form_of(kept["outer"]["apiKey"]) == "sealed"
    assert PROTECTOR.restore(kept) == {"outer": {"apiKey": value}}


def test_a_flag_named_like_a_secret_stays() -> None:
    assert keep({"secret": True, "token": None}) == {"secret": True, "token": None}


def test_a_secret_anywhere_in_a_text_seals_the_text_and_nothing_beside_it() -> None:
    kept = keep({"script": f"curl -H 'X: {TOKEN}'", "list": ["a", TOKEN], "path": "/srv"})
    assert form_of(kept["script"]) == "sealed"
    assert kept["list"][0] == "a"
    assert form_of(kept["list"][1]) == "sealed"
    assert kept["path"] == "/srv"


@pytest.mark.parametrize(("name", "secret"), CASES, ids=[name for name, _ in CASES])
def test_a_secret_alone_or_among_words_is_never_kept_in_clear(name: str, secret: str) -> None:
    for text in (secret, f"so {secret} it is", f"so\n{secret}\n", f"\\{secret}", f"\u2028{secret}"):
        assert form_of(keep({"a": 1, "text": text, "z": "z"})["text"]) == "sealed", name
        assert form_of(keep({text: "harmless"})) == "sealed", name


@given(st.dictionaries(PARTS, PARTS | st.integers() | st.none(), max_size=3))
def test_what_is_kept_as_it_is_holds_no_secret_and_no_name_of_one(arguments: Any) -> None:
    if keep(arguments) == arguments:
        texts = [one for pair in arguments.items() for one in pair if isinstance(one, str)]
        assert not any(map(holds_secret, texts))
        held = [name for name, value in arguments.items() if value is not None]
        assert not any(map(is_secret_name, held))


@given(
    st.recursive(
        PARTS | st.none(),
        lambda some: st.lists(some, max_size=3) | st.dictionaries(PARTS, some, max_size=3),
    )
)
def test_what_one_look_at_the_text_clears_the_look_at_each_value_clears(value: Any) -> None:
    arguments = {"result": value}
    if protect._harmless(arguments):
        assert PROTECTOR._keep(arguments, (), {}) == arguments


@pytest.mark.parametrize(
    "name", ["sealed", "redacted", "x-api-key", "pass", ":token", "db,password"]
)
@pytest.mark.parametrize("before", [[], ["a"], [":a", ","], ["", ":"], [{}]], ids=str)
def test_a_name_is_seen_wherever_it_stands(name: str, before: list[Any]) -> None:
    assert not protect._harmless({"a": [*before, {name: 1}]})
    assert not protect._harmless({"a": before, "b": {"c": before, name: []}})
    assert protect._harmless({"a": [*before, name, [name, ":"]]})


@pytest.mark.parametrize(
    "filling", ["é", "\x7f", "\U0001f600", "x", "\ud800", 1e15, -1e16, float("-inf")], ids=repr
)
def test_how_long_arguments_are_is_told_alike_by_a_look_and_by_counting(filling: Any) -> None:
    longest = protect.SEALED_BYTES
    for most in (longest // 12, longest // 6, longest // 3, longest - 20, longest + 1):
        arguments = {"a": filling * most if isinstance(filling, str) else [filling] * (most // 5)}
        whole = len(json.dumps(arguments, separators=(",", ":")))
        assert PROTECTOR.keeps(arguments) is (whole <= longest)


def test_a_secret_for_a_name_seals_the_whole_object() -> None:
    kept = keep({"outer": {TOKEN: 1, "b": 2}})
    assert form_of(kept["outer"]) == "sealed"


@pytest.mark.parametrize(
    "forged",
    [{"sealed": "AAAA"}, {"redacted": "00"}, {"redacted": "00", "bytes": 5}, {"sealed": 1, "x": 2}],
    ids=str,
)
def test_an_agent_cannot_pass_its_own_object_off_as_one_of_ours(forged: Any) -> None:
    """A sealed value copied out of the journal into an argument must not be opened at an undo."""
    for arguments in ({"a": forged}, forged):
        kept = keep(arguments)
        assert PROTECTOR.restore(kept) == arguments
        assert kept != arguments


def test_a_long_text_is_sealed_and_comes_back_whole() -> None:
    arguments = {"content": "lorem ipsum " * 2_000, "path": "/srv"}
    kept = keep(arguments)
    assert form_of(kept["content"]) == "sealed"
    assert kept["path"] == "/srv"
    assert PROTECTOR.restore(kept) == arguments


def test_many_short_texts_stay_clear() -> None:
    arguments = {"lines": ["lorem ipsum"] * 5_000}
    assert keep(arguments) == arguments


def test_a_value_too_large_to_keep_leaves_its_size_and_a_commitment() -> None:
    text = "x" * (protect.SEALED_BYTES + 1)
    kept = keep({"content": text, "path": "/srv"})
    assert form_of(kept["content"]) == "bytes+redacted"
    assert kept["content"]["bytes"] == len(text) + 2
    assert kept["path"] == "/srv"


def test_no_arguments_take_more_than_the_total() -> None:
    kept = keep({f"n{n}": "x" * 16_000 for n in range(100)})
    assert form_of(kept) == "bytes+redacted"


def test_a_very_deep_value_is_kept_sealed() -> None:
    arguments: Any = {"token": "x"}
    for _ in range(400):
        arguments = {"a": [arguments]}
    kept = keep(arguments)
    assert len(json.dumps(kept)) < 20_000
    assert PROTECTOR.restore(kept) == arguments


def test_the_digest_is_of_the_originals_and_of_nothing_else() -> None:
    arguments = {"b": 1, "a": ["é", 2.5]}
    digests = {
        PROTECTOR.protect({"a": ["é", 2.5], "b": 1}, {"/a": "redacted", "/b": "sealed"})[1],
        PROTECTOR.digest(arguments),
    }
    changed = {PROTECTOR.digest({"b": 1, "a": ["é", 2.6]}), PROTECTOR.digest({"b": "1"})}
    assert len(digests) == 1
    assert digests.isdisjoint(changed)
    assert digests.pop().startswith("hmac-sha256:")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=30),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(max_size=8) | st.sampled_from(["sealed", "redacted", "password"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.text(max_size=8), JSON, max_size=5), st.lists(st.text(max_size=12)))
def test_whatever_is_not_redacted_comes_back_exactly(arguments: Any, sealed: list[str]) -> None:
    before = copy.deepcopy(arguments)
    kept, digest = PROTECTOR.protect(arguments, {f"/{name}": "sealed" for name in sealed})
    assert arguments == before
    assert PROTECTOR.restore(kept) == before
    assert digest == ("" if kept == before else PROTECTOR.digest(before))


NAMES = st.text() | st.sampled_from(
    ["a", "B", "\x7f", "\u00e9", "\ud800", '"', "\\", "\x1f", "\u2028"]
)
EXACT = st.recursive(
    NAMES | st.integers() | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)
DOUBLES = st.floats() | st.sampled_from([1e16, 1e22, 1e-7, -0.0, 5e-324])


@example(arguments={"\x7f": []})
@given(arguments=st.dictionaries(NAMES, EXACT | DOUBLES | st.lists(DOUBLES), max_size=4))
def test_the_digest_is_that_of_the_standard_librarys_text(arguments: Any) -> None:
    text = json.dumps(arguments, sort_keys=True, separators=(",", ":"))
    said = Vault(bytes(32)).commit(b"arguments", text.encode("ascii"))
    sealed = PROTECTOR.protect(arguments, {"": "sealed"})
    assert sealed[1] == f"hmac-sha256:{said}" == PROTECTOR.digest(arguments)


def test_only_this_installation_opens_what_it_sealed() -> None:
    kept = keep({"a": "x"}, a="sealed")
    forgeries: list[dict[str, Any]] = [{"sealed": "AAAA"}, {"sealed": 5}, {}]
    for forged in forgeries:
        with pytest.raises(ValueError, match="sealed"):
            PROTECTOR.unseal(forged)
    with pytest.raises(ValueError, match="sealed"):
        Protector(Vault(b"\1" * 32)).unseal(kept["a"])


def test_a_detail_line_loses_its_secrets_and_keeps_its_words() -> None:
    told = PROTECTOR.protect_text(f"401 from https://bob:hunter2@example.test with {TOKEN}!")
    assert told == "401 from [url-password]example.test with [github-token]!"


def test_a_private_key_goes_from_a_detail_line_as_a_whole() -> None:
    begin, end = "-----BEGIN RSA PRIVATE KEY-----", "-----END RSA PRIVATE KEY-----"
    told = PROTECTOR.protect_text(f"before {begin}\nMIIEow\nIBAAK\n{end} after {begin}\nMIICut off")
    assert "MII" not in told
    assert told.startswith("before [private-key]")
    assert "after" in told


def test_a_detail_line_is_bounded_and_cut_through_no_secret() -> None:
    told = PROTECTOR.protect_text("x" * (protect.TEXT_CHARACTERS - 10) + f" {TOKEN}" + "y" * 9_000)
    assert len(told) <= protect.TEXT_CHARACTERS + 3
    assert TOKEN[:8] not in told


async def test_no_secret_is_in_the_bytes_of_any_file_of_the_journal(tmp_path: Path) -> None:
    protector = Protector.open(tmp_path)
    secrets = {
        "marked": "a name nobody would take for a secret",
        "password": "correct horse battery staple",
        "command": f"export GITHUB={TOKEN}",
        "dsn": "postgres://svc:Tr0ub4dor@db.example.test/x",
        "key": "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkq\n-----END PRIVATE KEY-----",
    }
    arguments = {"nested": [secrets], "clear": "this may be seen"}
    kept, digest = protector.protect(arguments, {"/nested/0/marked": "redacted"})
    asked = call_record("call-1", arguments=kept, arguments_digest=digest)
    detail = protector.protect_text(f"failed: {secrets['dsn']} {secrets['command']}")
    while_open: dict[str, bytes] = {}
    async with asyncio.timeout(20):
        journal = await SqliteJournal.open(tmp_path / "journal.db")
        await journal.append(record.intent(asked, NOON)).sealed()
        await journal.append(
            record.outcome("call-1", NOON, "tool_error", {"detail": detail})
        ).sealed()
        while_open = _all_bytes(tmp_path)
        await journal.aclose()
    files = {**while_open, **{f"closed {name}": raw for name, raw in _all_bytes(tmp_path).items()}}
    needles = [*secrets.values(), TOKEN, "Tr0ub4dor", "MIIEvQIBADANBgkq", "battery staple"]
    leaks = [
        (name, needle)
        for name, raw in files.items()
        for needle in needles
        if needle.encode() in raw or json.dumps(needle)[1:-1].encode() in raw
    ]
    assert leaks == []
    assert any(name.endswith("-wal") for name in while_open)
    # Nor what is no secret: all that quotes a call is encrypted. A tool's name is not.
    assert not any(b"this may be seen" in raw for raw in files.values())
    assert any(b"git_log" in raw for raw in files.values())


def _all_bytes(place: Path) -> dict[str, bytes]:
    """Read by another process: closing a file here would drop SQLite's locks on it (POSIX)."""
    import subprocess
    import sys

    found = {}
    for path in place.rglob("*"):
        if path.is_file() and path.suffix != ".key":
            script = f"import sys; sys.stdout.buffer.write(open({str(path)!r}, 'rb').read())"
            found[path.name] = subprocess.run(
                [sys.executable, "-c", script], capture_output=True, check=True, timeout=20
            ).stdout
    return found
