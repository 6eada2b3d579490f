"""Packs as an operator's files: what is refused at load, and where; which pack is in force for a tool."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.core.model import Target
from gateway.core.reverse import Level, Reversal
from gateway.errors import Misconfigured
from gateway.undo import packs
from gateway.undo.toolpack import ToolPack
from tests.undo import notes
from tests.undo.notes import PACK, found, load


def line_of(text: str, part: str) -> int:
    return text[: text.index(part)].count("\n") + 1


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            'id: "${args.id}", body',
            'id: "${args.idd}", body',
            "no member idd; there are: body, id, login",
        ),
        ("tool: drop_note,", "tool: dropp_note,", "'dropp_note' is not among server.tools"),
        ('{id: "${args.id}"}, idempotent', '{key: "${args.id}"}, idempotent', "no member key"),
        (
            '{id: "${args.id}", body: "${pre.note.body}"}',
            '{id: "${ args.id }"}',
            "body is required",
        ),
        ('body: "${pre.note.body}"}', "body: {$eval: args.login}}", "body is object, not string"),
        ('pre.note.body}"}', 'pre.note.text}"}', "no member text; there are: body"),
        ("when: absent(pre.note)", "when: absent(pre.notes)", "no member notes; there are: note"),
        ("when: absent(pre.note)", "when: gone(pre.note)", "no function gone"),
        ("when: absent(pre.note)", "when: pre.note.body", "a condition that is string"),
        ("when: absent(pre.note)", "when: absent(", "not a whole expression"),
        ("when: absent(pre.note)", "when: absent(post.note)", "nothing is called post"),
        ("when: present(pre.note)", "when: present(pre.note) == 1", "never the same"),
        ("when: present(pre.note)", "when: len(pre.note, 1) == 1", "len takes 1, not 2"),
        ("when: present(pre.note)", "when: matches(args.id, '(')", "not an RE2 pattern"),
        ("use: note,", "use: notes,", "no read 'notes'"),
        ("read.structured.body}", "read.structured.bdy}", "no member bdy; there are: body, tags"),
        ("strategy: inverse", "strategy: magic", "strategy"),
        ("strategy: inverse", "strategy: displace", "strategy"),
        (
            "level: exact\n        strategy: inverse",
            "level: read\n        strategy: inverse",
            "never read",
        ),
        ("undo_window: 30d", "undo_window: 30y", "is no time"),
        ("undo_window: 30d", "undo_windw: 30d", "unknown key"),
        ("segment(args.id)", "segment(args.tags)", "no member tags"),
        ('">=1,<2"', '"1 or 2"', "no version range"),
        ("predict_post: {note:", "predict_post: {nots:", "no such capture"),
        ("max_bytes: 100", "max_bytes: 99999999", "max_bytes"),
        ("undo_pack: 1", "undo_pack: 2", "undo_pack"),
        ("schema: {type: object,", "schema: {type: objekt,", "not a JSON Schema"),
        ('{id: "${args.id}"}, idempotent', "{$eval: args}, idempotent", "one by one"),
    ],
)
def test_a_bad_pack_is_refused_with_file_and_line(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    assert old in PACK
    text = PACK.replace(old, new)
    with pytest.raises(Misconfigured) as refused:
        load(tmp_path, text)
    assert said in refused.value.message
    assert refused.value.where is not None
    assert refused.value.where.file == str(tmp_path / "undo" / "notes.yaml")
    wrong = new.split("\n")[-1]
    near = line_of(text, wrong)
    assert refused.value.where.line is not None
    assert abs(refused.value.where.line - near) <= 2


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("{undo_window: 0s}", "undo_window: '0s' is no time"),
        ("{level: noop}", "level: must be 'compensable', 'set_exact' or 'exact'"),
    ],
)
def test_a_bad_entry_of_records_is_refused_with_file_and_line(
    tmp_path: Path, entry: str, said: str
) -> None:
    text = PACK[: PACK.index("reads:")] + f"records:\n  put_note: {entry}\n"
    line = len(text.splitlines())
    with pytest.raises(Misconfigured, match=rf"notes\.yaml:{line}: records\.put_note\.{said}"):
        load(tmp_path, text)


@pytest.mark.parametrize(
    "reference",
    ["${args.login.password}", "${get(args.login, 'password', '')}", "${get(args, 'login', '')}"],
)
def test_a_pack_may_not_look_at_what_the_journal_keeps_no_value_of(
    tmp_path: Path, reference: str
) -> None:
    redacted = {Target("notes", "tool", "put_note"): ["/login/password"]}
    load(tmp_path, redacted=redacted)
    text = PACK.replace('keys: ["note:/${segment(args.id)}"]', f'keys: ["note:/{reference}"]')
    assert text != PACK
    with pytest.raises(Misconfigured, match=r"notes\.yaml:\d+: .*redacted"):
        load(tmp_path, text, redacted=redacted)


def test_a_companion_has_no_pack_of_its_own(tmp_path: Path) -> None:
    """What undoes would be undone by what it undoes: a circle."""
    with pytest.raises(Misconfigured, match=r"notes-undo\.yaml:1: .*companion of notes"):
        load(tmp_path, name="notes-undo", having=notes.servers(companion=True))


def test_a_step_at_a_companion_names_a_tool_it_has(tmp_path: Path) -> None:
    text = PACK.replace("tool: drop_note,", "tool: delete_recrd, on: companion,")
    approved = notes.pins() | notes.pins(notes.COMPANION, "notes-undo")
    with pytest.raises(Misconfigured, match="notes-undo has no tool 'delete_recrd'"):
        load(tmp_path, text, having=notes.servers(companion=True), approved=approved)


def test_two_uses_of_a_read_give_it_the_same_names(tmp_path: Path) -> None:
    text = PACK.replace(
        "    failed_when: matches(result",
        '      more: {use: note, with: {x: 1}, arguments: {id: "b"}}\n    failed_when: matches(result',
    )
    with pytest.raises(Misconfigured, match="other names"):
        load(tmp_path, text)


def why(answer: ToolPack | Reversal) -> str:
    assert isinstance(answer, Reversal), "a pack is in force"
    assert answer.level is Level.UNKNOWN
    return answer.why


def test_a_pack_is_in_force_for_the_server_it_was_written_for(tmp_path: Path) -> None:
    packs = load(tmp_path)
    answer = found(packs)
    assert isinstance(answer, ToolPack)
    assert answer.undo_window_seconds == 30 * 86_400
    assert answer.pack.startswith("notes@sha256:")
    assert answer.cap is Level.COMPENSABLE


@pytest.mark.parametrize("version", [None, "0.9", "2.0", "latest"])
def test_another_version_makes_the_level_unknown(tmp_path: Path, version: str | None) -> None:
    assert "is for" in why(found(load(tmp_path), version=version))


def test_another_descriptor_makes_the_level_unknown(tmp_path: Path) -> None:
    changed = [{**each, "description": "changed"} for each in notes.TOOLS]
    for name in ("put_note", "get_note", "drop_note"):
        one = [changed[i] if t["name"] == name else t for i, t in enumerate(notes.TOOLS)]
        answer = found(load(tmp_path, approved=notes.pins(one)))
        assert f"{name} is not the {name}" in why(answer)


def test_what_is_not_approved_makes_the_level_unknown(tmp_path: Path) -> None:
    assert "not approved" in why(found(load(tmp_path, approved={})))


def test_other_tools_and_servers_have_no_pack(tmp_path: Path) -> None:
    packs = load(tmp_path)
    assert "says nothing of get_note" in why(found(packs, "get_note"))
    assert "no undo pack" in why(packs.find(Target("mail", "tool", "send"), "1"))
    assert "says nothing" in why(packs.find(Target("notes", "prompt", "put_note"), "1"))


def test_a_value_the_operator_gives_is_asked_for_and_checked(tmp_path: Path) -> None:
    text = PACK.replace("reads:\n", "params: {root: {pattern: '/[a-z]+'}}\nreads:\n", 1)
    assert "needs root" in why(found(load(tmp_path, text)))
    assert isinstance(found(load(tmp_path, text, having=notes.servers(root="/srv"))), ToolPack)
    for wrong in ({"root": "/srv/x"}, {"root": "/srv", "rooot": "x"}):
        given: Any = wrong
        with pytest.raises(Misconfigured, match=r"notes\.yaml:\d+"):
            load(tmp_path, text, having=notes.servers(**given))


def test_a_pack_for_a_server_that_is_not_there_is_checked_and_not_used(tmp_path: Path) -> None:
    assert load(tmp_path, having={}).by_server == {}
    with pytest.raises(Misconfigured):
        load(tmp_path, PACK.replace("absent(pre", "gone(pre"), having={})


def test_a_read_at_a_companion_that_is_not_there_leaves_nothing_to_undo_with(
    tmp_path: Path,
) -> None:
    text = PACK.replace(
        "tool: get_note\n    failed", "tool: read_record\n    on: companion\n    failed"
    )
    text = text.replace("{use: note, arguments: {id:", "{use: note, arguments: {key:")
    answer = found(load(tmp_path, text))
    assert isinstance(answer, Reversal)
    assert answer.level is Level.NONE
    assert "companion" in answer.why
    assert isinstance(found(load(tmp_path, text, having=notes.servers(companion=True))), ToolPack)


@pytest.mark.parametrize("directory", [True, False])
def test_values_for_a_pack_that_is_not_there_are_refused(tmp_path: Path, directory: bool) -> None:
    if directory:
        (tmp_path / "undo").mkdir()
    with pytest.raises(
        Misconfigured, match=r"servers\.notes\.undo: there is no pack .*notes\.yaml"
    ):
        packs.load(tmp_path, notes.servers(root="/srv"), notes.pins())
