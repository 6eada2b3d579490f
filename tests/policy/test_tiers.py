from __future__ import annotations

from pathlib import Path

import pytest

from gateway.errors import Misconfigured
from gateway.policy import tiers

HEAD = "servers:\n  git:\n    tools:\n"


def read(home: Path, text: str) -> tiers.Tiers:
    path = home / "tiers.yaml"
    path.write_text(text)
    return tiers.read(path)


def test_entries_keep_their_order_and_their_lines(tmp_path: Path) -> None:
    text = f"{HEAD}      b*: {{tier: data, effect: read}}\n      a|c: {{tier: admin, effect: destroy}}\n"
    lines = read(tmp_path, text)["git"]["tools"]
    assert [(line.text, line.where.line) for line in lines] == [("b*", 4), ("a|c", 5)]


def test_marks_become_json_pointers(tmp_path: Path) -> None:
    text = (
        f"{HEAD}      a:\n        tier: data\n        effect: read\n"
        "        arguments: {token: sealed, /login/password: redacted}\n"
    )
    entry = read(tmp_path, text)["git"]["tools"][0].entry
    assert entry.arguments == {"/token": "sealed", "/login/password": "redacted"}


def test_of_what_has_no_class_all_is_marked_that_any_entry_marks_by_the_strictest_word(
    tmp_path: Path,
) -> None:
    plain = "tier: data, effect: read"
    text = (
        f"{HEAD}      a: {{{plain}, arguments: {{token: sealed, note: sealed, /in/deep: redacted}}}}\n"
        f"      b: {{{plain}, arguments: {{token: redacted, /in: sealed, /inner: sealed}}}}\n"
        f"  mail:\n    methods:\n      c: {{{plain}, arguments: {{text: redacted}}}}\n"
    )
    assert tiers.every_mark(read(tmp_path, text)) == {
        "/token": "redacted",
        "/note": "sealed",
        "/in": "redacted",  # the key would open what lies in it
        "/in/deep": "redacted",
        "/inner": "sealed",
        "/text": "redacted",
    }


@pytest.mark.parametrize(
    ("entry", "line"),
    [
        ("      a: {tier: dtaa, effect: read}\n", 4),
        ("      a: {tier: data, effect: look}\n", 4),
        ("      a: {tier: data}\n", 4),
        ("      a: {tier: data, effect: read, efect: x}\n", 4),
        ("      a*b: {tier: data, effect: read}\n", 4),
        ("      a: {tier: data, effect: read}\n      a: {tier: admin, effect: read}\n", 5),
        ("      a*: {tier: data, effect: read}\n      ab: {tier: admin, effect: read}\n", 5),
        ("      a: {tier: data, effect: read, destination: '*'}\n", 4),
        ("      a: {tier: data, effect: read, destination: 'a|b'}\n", 4),
        ("      a: {tier: data, effect: read, destination: 'a.b:1'}\n", 4),
        ("      a: {tier: data, effect: read, destination: {arg: url}}\n", 4),
        ("      a: {tier: data, effect: read, arguments: {x: secret}}\n", 4),
        ("      a: {tier: data, effect: read, arguments: {/x~: sealed}}\n", 4),
        (
            "      a:\n        tier: data\n        effect: read\n"
            "        raise:\n          - {argument: x, tier: admin}\n",
            8,
        ),
        (
            "      a:\n        tier: data\n        effect: read\n        raise:\n"
            "          - {argument: x, matches: {const: 1}}\n",
            8,
        ),
        (
            "      a:\n        tier: data\n        effect: read\n        lower:\n"
            "          - {argument: x, matches: {const: 1}, tier: data}\n",
            7,
        ),
    ],
)
def test_a_bad_entry_is_refused_with_file_and_line(tmp_path: Path, entry: str, line: int) -> None:
    with pytest.raises(Misconfigured) as caught:
        read(tmp_path, f"{HEAD}{entry}")
    assert caught.value.where is not None
    assert caught.value.where.line == line


def test_a_server_id_must_be_one(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="no server id"):
        read(tmp_path, "servers:\n  Git: {tools: {a: {tier: data, effect: read}}}\n")
