"""What a pack answers about one call: keys, reads, cases, steps, and what two images say."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.core.model import Outcome, RpcError
from gateway.core.record import State
from gateway.core.reverse import Captured, Level, Step
from gateway.undo import level
from gateway.undo.scope import CaptureFailed, NeedsResult, Scope, TemplateFailed
from gateway.values import replace
from tests.undo.notes import PACK, answered, pack

SCOPE = Scope({"id": "a/b", "body": "new"}, {"id": "c1"})
ABSENT = {"note": Captured("absent")}
OLD = {"note": Captured("value", {"body": "old"})}
NEW = {"note": Captured("value", {"body": "new"})}


def test_keys_are_known_before_anything_is_read(tmp_path: Path) -> None:
    tool = pack(tmp_path)
    assert tool.early_keys(SCOPE) == ("note:/a%2Fb",)
    assert tool.keys(replace(SCOPE, pre=OLD)) == ("note:/a%2Fb",)


@pytest.mark.parametrize(
    "key", ["note:/${args.id}/", "note:", "note:/a//b", "Note:/a", "${args.id}"]
)
def test_a_key_that_is_none_is_refused(tmp_path: Path, key: str) -> None:
    text = PACK.replace("note:/${segment(args.id)}", key)
    with pytest.raises(TemplateFailed, match="a key is"):
        pack(tmp_path, text).early_keys(SCOPE)


def test_a_key_no_early_key_covers_is_refused(tmp_path: Path) -> None:
    text = PACK.replace(
        '    keys: ["note:/${segment(args.id)}"]',
        '    early_keys: ["note:/a"]\n    keys: ["note:/ab"]',
    )
    tool = pack(tmp_path, text)
    with pytest.raises(TemplateFailed, match="covers"):
        tool.keys(replace(SCOPE, pre=OLD))


def test_a_read_is_a_literal_call(tmp_path: Path) -> None:
    (read,) = pack(tmp_path).reads(SCOPE)
    assert (read.name, read.server, read.tool, read.arguments) == (
        "note",
        "notes",
        "get_note",
        {"id": "a/b"},
    )
    assert read.spec.take(answered(structured={"body": "x", "tags": []})) == Captured(
        "value", {"body": "x"}
    )


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (answered("a/b not found", error=True), Captured("absent")),
        (answered("that is a folder", error=True), Captured("other", "that is a folder")),
    ],
)
def test_nothing_there_and_something_else_are_told_apart(
    tmp_path: Path, outcome: Outcome, expected: Captured
) -> None:
    (read,) = pack(tmp_path).reads(SCOPE)
    assert read.spec.take(outcome) == expected


@pytest.mark.parametrize(
    "outcome",
    [
        answered("permission denied", error=True),
        answered("Database error: no such table", structured={"body": "x"}),
        answered("x"),
        answered(structured={}),
        answered(structured={"body": None}),
        answered(structured={"body": 3}),
        answered(structured={"body": "x" * 101}),
        Outcome("ok", {"content": None, "structuredContent": None}),
        Outcome("rejected", error=RpcError(-32602, "not found")),
        Outcome("in_doubt", detail="timed out"),
    ],
    ids=lambda outcome: f"{outcome.kind} {str(outcome.result)[:60]}",
)
def test_whatever_else_a_read_gives_is_no_capture(tmp_path: Path, outcome: Outcome) -> None:
    """A lying answer, a null, another shape, too much, none at all: never an empty value."""
    (read,) = pack(tmp_path).reads(SCOPE)
    with pytest.raises(CaptureFailed):
        read.spec.take(outcome)


def test_a_failed_capture_tells_nothing_of_the_value(tmp_path: Path) -> None:
    (read,) = pack(tmp_path).reads(SCOPE)
    with pytest.raises(CaptureFailed) as failed:
        read.spec.take(answered(structured={"body": "secret" * 50}))
    assert "secret" not in str(failed.value)


@pytest.mark.parametrize(
    ("outcome", "heard"),
    [
        (answered("permission denied", error=True), "permission denied"),
        (answered("Database error: no such table"), "Database error: no such table"),
        (Outcome("rejected", error=RpcError(-32602, "out of ink")), "out of ink"),
        (answered(structured={"body": "secret" * 50}), ""),
    ],
)
def test_what_the_tool_server_said_instead_is_known_and_a_value_is_not(
    tmp_path: Path, outcome: Outcome, heard: str
) -> None:
    (read,) = pack(tmp_path).reads(SCOPE)
    with pytest.raises(CaptureFailed) as failed:
        read.spec.take(outcome)
    assert failed.value.heard == heard
    assert not heard or heard not in str(failed.value)


def test_a_companions_word_for_it_is_told_and_nothing_after_it(tmp_path: Path) -> None:
    (read,) = pack(tmp_path).reads(SCOPE)
    with pytest.raises(CaptureFailed) as failed:
        read.spec.take(answered("TOO_LARGE: secret.txt was more than is kept", error=True))
    assert str(failed.value).endswith("an error that is neither absent nor other, but TOO_LARGE")


def test_the_pre_image_chooses_the_case(tmp_path: Path) -> None:
    tool = pack(tmp_path)
    fresh = tool.choose(replace(SCOPE, pre=ABSENT))
    assert fresh is not None
    assert fresh.steps(SCOPE) == (Step("notes", "drop_note", {"id": "a/b"}, idempotent=True),)
    overwritten = tool.choose(replace(SCOPE, pre=OLD))
    assert overwritten is not None
    assert (overwritten.level, overwritten.residue) == (Level.EXACT, ("the time of the note",))
    assert tool.choose(replace(SCOPE, pre={"note": Captured("other", "x")})) is None


def test_without_a_pre_image_nothing_is_chosen(tmp_path: Path) -> None:
    with pytest.raises(TemplateFailed, match="not known yet"):
        pack(tmp_path).choose(SCOPE)


def test_steps_that_look_at_the_result_wait_for_it(tmp_path: Path) -> None:
    before = replace(SCOPE, pre=OLD)
    case = pack(tmp_path).choose(before)
    assert case is not None
    with pytest.raises(NeedsResult, match="post"):
        case.steps(before)
    (step,) = case.steps(replace(before, post=NEW))
    assert step.arguments == {"id": "a/b", "body": "old"}
    assert case.steps(replace(before, post=OLD)) == ()


def test_steps_the_tool_would_not_take_are_not_made(tmp_path: Path) -> None:
    text = PACK.replace(
        "{type: object, required: [body], properties: {body: {type: string}}}", "{}"
    )
    text = text.replace('take: {body: "${read.structured.body}"}', "take: {$eval: read.structured}")
    before = replace(SCOPE, pre={"note": Captured("value", {"body": 3})})
    case = pack(
        tmp_path, text.replace('body: "${pre.note.body}"', "body: {$eval: pre.note.body}")
    ).choose(before)
    assert case is not None
    with pytest.raises(TemplateFailed, match="arguments/body: must be of type string"):
        case.steps(replace(before, post=NEW))


def test_a_server_may_say_in_words_that_it_failed(tmp_path: Path) -> None:
    tool = pack(tmp_path)
    assert not tool.failed(SCOPE, answered("done"))
    assert tool.failed(SCOPE, answered("Sorry, no"))
    assert tool.failed(SCOPE, answered("no", error=True))
    assert tool.failed(SCOPE, Outcome("rejected", error=RpcError(-32602, "no")))


def test_no_effect_is_what_the_images_say(tmp_path: Path) -> None:
    tool = pack(tmp_path)
    assert tool.no_effect(replace(SCOPE, pre=OLD, post=OLD)) is True
    assert tool.no_effect(replace(SCOPE, pre=OLD, post=NEW)) is False
    assert tool.no_effect(replace(SCOPE, pre=OLD)) is None


def test_in_doubt_the_call_applied_if_the_world_is_as_it_would_have_made_it(tmp_path: Path) -> None:
    tool = pack(tmp_path)
    assert tool.expect(replace(SCOPE, pre=OLD, cur=NEW)) is True
    assert (
        tool.expect(replace(SCOPE, pre=OLD, cur={"note": Captured("value", {"body": "z"})}))
        is False
    )
    assert tool.expect(replace(SCOPE, pre=OLD, cur=ABSENT)) is False
    assert tool.expect(replace(SCOPE, pre=OLD)) is None
    unable = PACK.replace(
        'predict_post: {note: {body: "${args.body}"}}', "expect: cur.note.body == args.body"
    )
    assert pack(tmp_path, unable).expect(replace(SCOPE, pre=OLD, cur=ABSENT)) is None


def test_same_is_same_to_the_type_and_empty_proves_nothing(tmp_path: Path) -> None:
    tool = pack(tmp_path)
    assert tool.same(OLD, dict(OLD))
    assert not tool.same({}, {})
    assert not tool.same(OLD, {})
    assert not tool.same(ABSENT, {"note": Captured("other", "")})
    assert not tool.same({"note": Captured("other", "a")}, {"note": Captured("other", "b")})
    assert not tool.same({"note": Captured("other", "a")}, {"note": Captured("other", "a")})
    assert not tool.same(
        {"note": Captured("value", {"n": 1})}, {"note": Captured("value", {"n": True})}
    )
    assert not tool.same(OLD, NEW)


def test_order_does_not_count_where_the_pack_says_so(tmp_path: Path) -> None:
    one, two = ({"note": Captured("value", {"tags": tags})} for tags in (["a", "b"], ["b", "a"]))
    assert not pack(tmp_path).same(one, two)
    unordered = pack(
        tmp_path, PACK.replace("    max_bytes: 100", "    max_bytes: 100\n    unordered: true")
    )
    assert unordered.same(one, two)
    assert not unordered.same(one, {"note": Captured("value", {"tags": ["a", "b", "b"]})})


def test_a_read_can_be_made_for_each_of_a_list(tmp_path: Path) -> None:
    text = PACK.replace(
        'note: {use: note, arguments: {id: "${args.id}"}}',
        'note: {use: note, each: "split(args.id, \'/\')", arguments: {id: "${each}"}}',
    )
    text = text.replace("absent(pre.note)", "len(pre.note) == 2 && absent(pre.note[1])")
    text = text.replace(
        "        inverse: [{tool", "        inverse: [{each: \"reverse(split(args.id, '/'))\", tool"
    )
    text = text.replace(
        'drop_note, arguments: {id: "${args.id}"}', 'drop_note, arguments: {id: "${each}"}'
    )
    text = text[: text.index("      - when: present")] + text[text.index("    guard:") :]
    text = text.replace(
        'predict_post: {note: {body: "${args.body}"}}', "expect: absent(cur.note[0])"
    )
    tool = pack(tmp_path, text)
    assert [(read.name, read.arguments) for read in tool.reads(SCOPE)] == [
        ("note[0]", {"id": "a"}),
        ("note[1]", {"id": "b"}),
    ]
    case = tool.choose(replace(SCOPE, pre={"note[1]": ABSENT["note"], "note[0]": OLD["note"]}))
    assert case is not None
    assert [step.arguments for step in case.steps(SCOPE)] == [{"id": "b"}, {"id": "a"}]


def test_what_is_only_looked_at_may_change(tmp_path: Path) -> None:
    text = PACK.replace(
        'note: {use: note, arguments: {id: "${args.id}"}}',
        'note: {use: note, arguments: {id: "${args.id}"}}\n'
        '      aside: {use: note, arguments: {id: "x"}, compare: false}',
    )
    tool = pack(tmp_path, text)
    assert tool.same({**OLD, "aside": NEW["note"]}, {**OLD, "aside": ABSENT["note"]})
    assert not tool.same({"aside": NEW["note"]}, {"aside": NEW["note"]})
    assert tool.expect(replace(SCOPE, pre=OLD, cur={**NEW, "aside": OLD["note"]})) is True


@pytest.mark.parametrize(
    ("outcome", "state"),
    [(answered("done"), State.APPLIED), (answered("no", error=True), State.FAILED)],
)
def test_a_call_on_what_could_not_be_read_is_never_said_to_have_changed_nothing(
    tmp_path: Path, outcome: Outcome, state: State
) -> None:
    """Two links are alike before and after a write through one of them."""
    link = {"note": Captured("other", "a link")}
    scope = replace(SCOPE, pre=link, post=dict(link))
    assert level.judged(pack(tmp_path), scope, outcome) == (state, "")
    assert level.probed(pack(tmp_path), replace(SCOPE, pre=link, cur=link), True)[0] is (
        State.NEEDS_HUMAN
    )


def test_a_call_without_a_way_back_keeps_its_own_reason(tmp_path: Path) -> None:
    link, scope = {"note": Captured("other", "a link")}, replace(SCOPE, pre=OLD, post=ABSENT)
    none = replace(level.unknown("no case of its pack fits this call"), level=Level.NONE)
    exact = replace(none, level=Level.EXACT)
    tool = pack(tmp_path)
    assert level.foreign(tool, none, replace(scope, pre=link, post=link)) == none
    assert "somebody may have written there" in level.foreign(tool, exact, scope).why
