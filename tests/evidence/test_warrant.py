"""Warrants, made from a real journal and checked by a copy of the verifier that stands alone."""

from __future__ import annotations

import ast
import asyncio
import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.app.evidence import open_sequencer
from gateway.app.retention import BY
from gateway.app.warrants import open_registry
from gateway.core import record
from gateway.core.act import of_act
from gateway.core.forget import EXPIRED
from gateway.core.record import Line, State
from gateway.evidence import verify
from gateway.evidence.checkpoint import Notary
from gateway.evidence.proof import NotYet
from gateway.evidence.verify import Unsound, authorised, bounded, check, reversible
from gateway.journals import expiring
from gateway.journals.sqlite import SqliteJournal
from gateway.values import replace
from tests.evidence.alone import verified
from tests.journals.calls import NOON, call_record, outcome, refusal
from tests.journals.writing import write

HOUR = 3600 * 1_000_000
DAY = 24 * HOUR
UNDO = {
    "level": "exact",
    "strategy": "restore",
    "guard": "cas",
    "until": NOON + DAY,
    "kept": {"sealed": "x"},
}


def granted(name: str, of: str = "", **changes: Any) -> Line:
    given = {
        "grant": name,
        "of": of,
        "agent": "agent:analyst",
        "intent": "general",
        "begins": NOON - HOUR,
        "expires": NOON + HOUR,
        "tiers": ["data"],
        "tools": ["git/git_*"],
        "destinations": ["local"],
    }
    entry = call_record(f"note-{name}", method="grants/created", grant=name, server="", tier="")
    return record.noted(entry, NOON - HOUR, {**given, **changes}, ())


def asked(name: str, grant: str = "", effect: str = "write", undo: Any = UNDO) -> Line:
    return record.intent(call_record(name, grant=grant, effect=effect), NOON, {"undo": undo})


def let(name: str, ticket: dict[str, str], method: str = "tools/call") -> Line:
    entry = call_record(name, method=method, duties="O1=approve", on_behalf_of="user:ada")
    return record.intent(entry, NOON, {"undo": {}, **ticket})


def undoing(name: str, of: str, verdict: str, forgotten: bool = False) -> list[Line]:
    arguments = {"redacted": "sha256:aa"} if forgotten else {"of": [of, "other"]}
    entry = replace(call_record(name), method="bulkhead/undo", arguments=arguments)
    said = {"of": of, "verdict": verdict, "why": ""}
    return [
        Line(name, State.UNDOING, NOON + 5, {}, entry),
        Line(name, State.UNDOING, NOON + 6, {"of": "other", "verdict": "conflict", "why": ""}),
        Line(name, State.UNDOING, NOON + 7, said),
        Line(name, State.UNDONE, NOON + 8, {"summary": "complete", "verdicts": {of: verdict}}),
    ]


WORLD: list[Line] = [
    granted("g-root", tools=["*"]),
    granted("g-child", of="g-root"),
    granted("g-late", expires=NOON - 1),
    granted("g-ahead", begins=NOON + 5),  # the clock was set back since
    granted("g-other", tools=["files/*"]),
    granted("g-far", destinations=["*.example.com"]),
    granted("g-admin", tiers=["admin"]),
    granted("g-orphan", of="g-gone"),
    granted("g-bob", agent="agent:bob"),
    *(
        line
        for grant in ("root", "child", "late", "ahead", "other", "far", "admin", "orphan", "bob")
        for line in (asked(f"by-{grant}", f"g-{grant}"), outcome(f"by-{grant}"))
    ),
    asked("standing"),
    outcome("standing"),
    asked("all-three", "g-child", effect="read", undo={}),
    outcome("all-three"),
    asked("reading", effect="read", undo={}),
    outcome("reading"),
    asked("lost-it"),
    outcome("lost-it", "in_doubt"),
    let("let", {"ticket": "yes-25"}),
    outcome("let"),
    let("not-let", {}),
    outcome("not-let"),
    let("about-a-task", {}, "tasks/get"),
    outcome("about-a-task"),
    asked("forever", undo={**UNDO, "level": "none", "until": None}),
    outcome("forever"),
    refusal("refused"),
    asked("undone-it"),
    outcome("undone-it"),
    *undoing("undo1", "undone-it", "restored"),
    asked("mailed", undo={**UNDO, "level": "compensable", "strategy": "snapshot"}),
    record.outcome("mailed", NOON + 1, "ok", {}, State.NO_EFFECT),
    asked("turned-away"),
    outcome("turned-away", "rejected"),
    asked("in-vain"),
    record.outcome("in-vain", NOON + 1, "tool_error", {}, State.FAILED),
    asked("error-unseen", undo={**UNDO, "level": "unknown"}),
    outcome("error-unseen", "rejected"),
    asked("undone-long-ago"),
    outcome("undone-long-ago"),
    *undoing("undo2", "undone-long-ago", "restored", forgotten=True),
    asked("by-nobody", "g-none"),
    outcome("by-nobody"),
    asked("too-soon", "g-after"),
    granted("g-after"),
    outcome("too-soon"),
]


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("state")
    asyncio.run(write(path / "journal.db", *WORLD))
    open_sequencer(path).catch_up()
    return path


def document(state: Path, call_id: str) -> dict[str, Any]:
    registry = open_registry(state)
    call = registry.reader.call(call_id)
    assert call is not None
    made: dict[str, Any] = json.loads(json.dumps(registry.warrant(call)))
    return made


def warrant(state: Path, call_id: str) -> dict[str, Any]:
    return check(document(state, call_id), open_registry(state).notary.key)


def test_a_warrant_says_who_what_by_which_rule_how_it_is_undone_and_what_came_of_it(
    state: Path,
) -> None:
    said = warrant(state, "by-child")
    assert (said["agent"], said["target"], said["rule"]) == ("agent:analyst", "git_log", "P010")
    assert said["undo"] == {name: UNDO[name] for name in UNDO if name != "kept"}
    assert [grant["grant"] for grant in said["grants"]] == ["g-child", "g-root"]
    assert (said["sent_at"], said["state"]) == (NOON, "applied")
    assert [sorted(one) for one in said["payloads"]] == [["arguments", "images"], []]


def test_a_warrant_names_whom_its_call_was_made_for_and_the_leave_it_had(state: Path) -> None:
    said = warrant(state, "let")
    assert (said["on_behalf_of"], said["duties"], said["ticket"]) == (
        "user:ada", "O1=approve", "yes-25",
    )  # fmt: skip


def test_a_budget_that_was_overdrawn_bounds_nothing(state: Path) -> None:
    said = warrant(state, "by-root")
    within = {"grant": "g-root", "before": {"uses": 1}, "after": {"uses": 0}}
    assert bounded({**said, "budget": [within]}) == (
        True, f"grant g-root, until {verify._time(NOON + HOUR)}, left {{'g-root uses': 0}}",
    )  # fmt: skip
    assert not bounded({**said, "budget": [{**within, "after": {"uses": -1}}]})[0]


@pytest.mark.parametrize(
    ("call_id", "holds", "why"),
    [
        ("by-root", True, "g-root, until"),
        ("by-child", True, "g-child, until"),
        ("by-late", False, "was over when it was sent"),
        ("by-ahead", True, "g-ahead, until"),
        ("by-other", False, "does not give git/git_log"),
        ("by-far", False, "does not give its destination"),
        ("by-admin", False, "does not give tier data"),
        ("by-orphan", False, "g-gone is not shown"),
        ("by-bob", False, "another agent's"),
        ("by-nobody", False, "g-none is not shown"),
        ("standing", False, "no grant"),
        ("refused", True, "nothing was sent"),
    ],
)
def test_a_call_is_bounded_by_grants_that_were_in_force_and_cover_it(
    state: Path, call_id: str, holds: bool, why: str
) -> None:
    verdict = bounded(warrant(state, call_id))
    assert (verdict[0], why in verdict[1]) == (holds, True), verdict


def test_a_grant_that_is_written_down_after_its_call_makes_no_warrant(state: Path) -> None:
    """By the order of the log, whatever the clock said."""
    with pytest.raises(Unsound, match="other than the journal's lines"):
        warrant(state, "too-soon")


@pytest.mark.parametrize(
    ("call_id", "policies", "holds"),
    [
        ("by-root", [], True),
        ("by-root", ["sha256:other", "sha256:aa"], True),
        ("by-root", ["sha256:other"], False),
        ("refused", [], False),
        ("let", [], True),
        ("not-let", [], False),
        ("about-a-task", [], True),
    ],
)
def test_a_call_is_authorised_by_a_rule_of_a_policy_that_is_believed_and_a_person_it_wants(
    state: Path, call_id: str, policies: list[str], holds: bool
) -> None:
    assert authorised(warrant(state, call_id), policies)[0] is holds


@pytest.mark.parametrize("later", ["forgotten", "blocked"])
def test_what_was_taken_back_is_told_by_how_and_not_by_what_came_later(
    state: Path, later: str
) -> None:
    told = {**warrant(state, "by-root"), "undone": [{"verdict": "restored"}, {"verdict": later}]}
    assert reversible(told, NOON) == (True, "it was taken back: restored")


def test_a_call_no_rule_decided_is_not_said_to_have_been_kept_back(state: Path) -> None:
    """The gateway's own reads for an undo are sent, and no policy is asked about them."""
    own = {**warrant(state, "by-root"), "rule": "", "where": "for call abc"}
    assert authorised(own, []) == (False, "it was not sent by a rule: applied")


@pytest.mark.parametrize(
    ("call_id", "now", "holds", "why"),
    [
        ("standing", NOON, True, "exact, by restore, guard cas, until"),
        ("standing", NOON + 2 * DAY, False, "could be taken back until"),
        ("reading", NOON, True, "read"),
        ("lost-it", NOON, False, "not known"),
        ("forever", NOON, False, "level none"),
        ("refused", NOON, True, "changed nothing"),
        ("mailed", NOON, True, "it changed no record; compensable: write, no_effect"),
        ("turned-away", NOON, True, "changed nothing"),
        ("in-vain", NOON + 2 * DAY, True, "it changed nothing: write, failed"),
        ("error-unseen", NOON, False, "level unknown"),  # a server's word that nobody looked behind
        ("undone-it", NOON + 2 * DAY, True, "taken back: restored"),
        ("undone-long-ago", NOON, True, "taken back: restored"),
    ],
)
def test_a_call_is_reversible_until_a_time_unless_it_was_reversed_or_changed_nothing(
    state: Path, call_id: str, now: int, holds: bool, why: str
) -> None:
    verdict = reversible(warrant(state, call_id), now)
    assert (verdict[0], why in verdict[1]) == (holds, True), verdict


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict):
        for name in value:
            yield from leaves(value[name], (*path, name))
    elif isinstance(value, list):
        for number in range(len(value)):
            yield from leaves(value[number], (*path, number))
    else:
        yield path


def altered(value: Any) -> Any:
    if isinstance(value, str):
        middle = len(value) // 2
        return f"{value[:middle]}{'B' if value[middle : middle + 1] != 'B' else 'C'}{value[middle + 1 :]}"
    return 7 if value != 7 else 8


@pytest.mark.parametrize("call_id", ["by-child", "undone-it", "refused"])
def test_any_altered_word_is_found(state: Path, call_id: str) -> None:
    sound, key = document(state, call_id), open_registry(state).notary.key
    missed = []
    for path in leaves(sound):
        forged = copy.deepcopy(sound)
        holder = forged
        for step in path[:-1]:
            holder = holder[step]
        holder[path[-1]] = altered(holder[path[-1]])
        try:
            check(forged, key)
        except Unsound:
            continue
        missed.append(path)
    assert missed == []


def test_a_swapped_call_a_missing_line_and_another_key_are_found(
    state: Path, tmp_path: Path
) -> None:
    one, other = document(state, "by-child"), document(state, "by-root")
    key = open_registry(state).notary.key
    stranger = Notary.open(tmp_path).key
    for forged in (
        {**one, "call": other["call"]},
        {**one, "warrant": other["warrant"]},
        {**one, "call": one["call"][:1]},
        {**one, "grants": []},
        {**one, "call": [*one["call"], *other["call"]]},
    ):
        with pytest.raises(Unsound):
            check(forged, key)
    with pytest.raises(Unsound):
        check(one, stranger)


async def test_a_call_the_log_has_not_yet_is_not_warranted(tmp_path: Path) -> None:
    await write(tmp_path / "journal.db", asked("by-child"))
    registry = open_registry(tmp_path)
    call = registry.reader.call("by-child")
    assert call is not None
    with pytest.raises(NotYet):
        registry.warrant(call)


@pytest.mark.parametrize(
    ("call_id", "options", "status", "says"),
    [
        ("all-three", ("--policy", "sha256:aa"), 0, "bounded     yes"),
        ("undone-it", (), 1, "bounded     NO"),
        ("by-child", ("--policy", "sha256:bb"), 1, "authorised  NO"),
        ("by-child", (), 1, "reversible  NO"),
        ("reading", (), 1, "reversible  yes"),
    ],
)
def test_the_verifier_needs_the_public_key_and_nothing_else(
    state: Path, tmp_path: Path, call_id: str, options: tuple[str, ...], status: int, says: str
) -> None:
    key = open_registry(state).notary.public_key
    found, said = verified(document(state, call_id), key, tmp_path, *options)
    assert (found, says in said) == (status, True), said


def test_the_verifier_is_one_short_file_that_imports_nothing_of_the_house() -> None:
    text = Path(verify.__file__).read_text()
    found = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)]
    assert {(node.module or "").split(".")[0] for node in found} <= {
        *(
            "__future__",
            "collections",
            "contextlib",
            "cryptography",
            "dataclasses",
            "pathlib",
            "typing",
        ),
    }
    assert "import gateway" not in text
    assert len(text.splitlines()) <= 300


def test_what_is_no_warrant_is_not_sound_and_acts_on_no_terminal(
    state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = open_registry(state).notary.public_key
    note = document(state, "reading")["checkpoint"]
    none = json.dumps({"events": [], "checkpoint": note})
    texts = ["", "[]", "{}", "[" * 100_000, '{"warrant": "\x1b[2J"}', '{"checkpoint": 5}', none]
    for number, text in enumerate(texts):
        (tmp_path / f"{number}.json").write_text(text)
    files = [str(path) for path in sorted(tmp_path.glob("*.json"))]
    assert verify.main(["--key", key, *files]) == 2
    said = capsys.readouterr().out
    assert said.count("NOT SOUND") == len(texts)
    assert "\x1b" not in said


def test_a_file_that_is_not_there_is_not_called_unsound(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], state: Path
) -> None:
    key = open_registry(state).notary.public_key
    assert verify.main(["--key", key, str(tmp_path / "gone.json")]) == 2
    said = capsys.readouterr().out
    assert "gone.json: cannot be read" in said and "SOUND" not in said


def test_since_is_about_what_extends_gives_and_a_warrant_is_told_so(
    state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = open_registry(state).notary.public_key
    warrant = tmp_path / "warrant.json"
    warrant.write_text('{"warrant": {}, "signature": ""}')
    assert verify.main(["--key", key, "--since", str(tmp_path / "old"), str(warrant)]) == 2
    assert "--since is for what `bulkhead evidence extends` gives" in capsys.readouterr().out


@pytest.mark.parametrize("before", [NOON + 1, NOON])
async def test_a_call_whose_images_are_over_their_time_is_not_reversible(
    tmp_path: Path, before: int
) -> None:
    """As after `retention.images` was made shorter: its own line still says until when it was to be."""
    entry = of_act("swept", BY, EXPIRED, tenant="local", target="images")
    said = record.noted(entry, NOON + 9, {"class": "images", "before": before}, ())
    journal = await SqliteJournal.open(tmp_path / "journal.db")
    for line in (asked("old"), outcome("old"), said):
        await journal.append(line).sealed()
    assert await journal.do(lambda file: expiring.destroy(file, "images", range(1, 3)))
    await journal.aclose()
    open_sequencer(tmp_path).catch_up()
    holds, why = reversible(warrant(tmp_path, "old"), NOON)
    # A line of a time before it was made says nothing of it.
    assert (holds, "forgotten" in why) == ((False, True) if before > NOON else (True, False))
