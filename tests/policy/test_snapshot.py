from __future__ import annotations

from pathlib import Path

import pytest

from gateway.core.model import Target, Tier
from gateway.errors import Misconfigured
from gateway.policy import PolicySnapshot, load, snapshot, tiers
from gateway.policy.asking import Asked
from gateway.settings import ServerSettings
from gateway.values import replace
from tests.grants.given import call
from tests.policy.written import ALLOW, READER, TIERS, loaded, question, written

ROOT = Path(__file__).parents[2]


def test_the_version_is_that_of_the_exact_bytes(tmp_path: Path) -> None:
    directory = written(tmp_path)
    first = load(directory, {}).version
    assert first.startswith("sha256:")
    assert load(directory, {}).version == first
    for name in ("policy.csv", "tiers.yaml"):
        (directory / name).write_text((directory / name).read_text() + "\n# a comment\n")
        second = load(directory, {}).version
        assert second != first
        first = second


def test_a_policy_without_the_model_is_told_where_it_is_to_be_had(tmp_path: Path) -> None:
    directory = written(tmp_path)
    (directory / "model.conf").unlink()
    with pytest.raises(Misconfigured, match=r"cannot read.*policies/model\.conf of this release"):
        load(directory, {})


def test_bytes_moved_from_one_file_to_the_next_are_another_version(tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    for home, csv, tiers_text in ((a, "x", "yz"), (b, "xy", "z")):
        home.mkdir()
        (home / "policy.csv").write_text(csv)
        (home / "tiers.yaml").write_text(tiers_text)
    assert snapshot.fingerprint(a) != snapshot.fingerprint(b)


def test_places_name_no_machine(tmp_path: Path) -> None:
    decision = load(written(tmp_path), {}).decide(question())
    assert str(decision.where) == "policies/policy.csv:1"


def test_a_call_has_the_marks_of_its_entry_and_one_without_a_class_those_of_all(
    tmp_path: Path,
) -> None:
    marked = "servers:\n  git:\n    tools:\n" + "".join(
        f"      {tool}: {{tier: data, effect: read, arguments: {{{tool}: redacted}}}}\n"
        for tool in ("git_log", "git_show")
    )
    policy = load(written(tmp_path, tiers=marked), {})
    own = policy.marks(policy.classify(call("a").resolved))
    assert (own, {*policy.marks(None)}) == ({"/git_log": "redacted"}, {"/git_log", "/git_show"})


@pytest.mark.parametrize("name", ["model.conf", "policy.csv", "tiers.yaml"])
def test_a_missing_file_is_refused_by_name(tmp_path: Path, name: str) -> None:
    directory = written(tmp_path)
    (directory / name).unlink()
    with pytest.raises(Misconfigured) as caught:
        load(directory, {})
    assert caught.value.where is not None
    assert Path(caught.value.where.file).name == name


@pytest.mark.parametrize("name", ["intents", "tests", "constraints"])
def test_a_file_that_would_be_passed_over_for_its_ending_is_refused(
    tmp_path: Path, name: str
) -> None:
    """Without intents.yaml a role is enough in more tiers than with one."""
    directory = written(tmp_path)
    (directory / f"{name}.yml").write_text("standing: [data]\n")
    with pytest.raises(Misconfigured, match=rf"{name}\.yml: .* must be {name}\.yaml"):
        load(directory, {})


def test_a_server_known_to_bulkhead_yaml_only_may_be_named(tmp_path: Path) -> None:
    csv = f"{ALLOW}\n{READER}\np, D1, *, web, *, *, *, *, *, -, deny\n"
    directory = written(tmp_path, csv)
    with pytest.raises(Misconfigured, match="'web' is neither"):
        load(directory, {})
    assert load(directory, {"web": ServerSettings(url="http://localhost/mcp")})


def test_files_that_change_while_they_are_read_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = written(tmp_path)
    read = tiers.read

    def read_and_change(path: Path) -> object:
        (directory / "tiers.yaml").write_text(f"{TIERS}\n# changed\n")
        return read(path)

    monkeypatch.setattr(tiers, "read", read_and_change)
    with pytest.raises(Misconfigured, match="changed while"):
        load(directory, {})


def test_the_starter_policy_loads_and_covers_its_four_servers() -> None:
    policy = load(ROOT / "policies", {})
    assert set(policy.tiers) == {"git", "time", "files", "memory"}


@pytest.mark.parametrize(("effect", "rule"), [("deny", "D1"), ("approve", "O1")])
@pytest.mark.parametrize(
    "uri",
    [
        "file:///srv/%2Fkeys",
        "file:///srv%2Fkeys",
        "file:///srv/%252fkeys",
        "file://localhost/srv/keys",
    ],
)
def test_a_deny_or_a_duty_for_one_spelling_of_a_resource_is_for_all(
    tmp_path: Path, uri: str, effect: str, rule: str
) -> None:
    allow = "p, P1, data, git, resource:file://*, role:reader, local, general, local, -, allow"
    more = f"p, {rule}, *, git, resource:file:///srv/keys*, *, *, *, *, -, {effect}"
    policy = load(written(tmp_path, f"{allow}\n{more}\n{READER}\n"), {})
    found = policy.decide(question(tool=f"resource:{uri}"))
    other = policy.decide(question(tool="resource:file:///srv/a%2Fb"))
    assert found.permitted is (effect == "approve")
    assert [duty.name for duty in found.obligations] == ["approve"] * found.permitted
    assert (other.permitted, other.obligations) == (True, ())


@pytest.mark.parametrize("uri", ["repo://a%2Fb", "repo://a%2fb", "repo://a/b", "repo://a%252Fb"])
@pytest.mark.parametrize("written_as", ["repo://a%2Fb", "repo://a%2fb", "repo://a%2F*"])
def test_a_deny_or_a_duty_that_is_written_encoded_is_for_every_other_spelling(
    tmp_path: Path, written_as: str, uri: str
) -> None:
    allow = "p, P1, data, git, resource:repo://*, role:reader, local, general, local, -, allow"
    for rule, effect in (("D1", "deny"), ("O1", "approve")):
        more = f"p, {rule}, *, git, resource:{written_as}, *, *, *, *, -, {effect}"
        policy = loaded(tmp_path, f"{allow}\n{more}\n{READER}\n")
        found = policy.decide(question(tool=f"resource:{uri}"))
        other = policy.decide(question(tool="resource:repo://a%2Dc"))
        assert found.permitted is (effect == "approve")
        assert [duty.name for duty in found.obligations] == ["approve"] * found.permitted
        assert (other.permitted, other.obligations) == (True, ())


KEYS = "p, {}, *, git, resource:file:///srv/keys, {}, *, *, *, {}, {}"


def of_the_other(home: Path, *more: str, when: str = "") -> PolicySnapshot:
    """Only `file:///srv%2Fkeys` is allowed to anybody; these rules speak of what it may be taken for."""
    allow = "p, P1, data, git, resource:file:///srv%2Fkeys, role:reader, local, general, local, -, allow"
    return loaded(home, "\n".join((allow, *more, READER, "")), constraints=when)


@pytest.mark.parametrize("effect", ["approve", "hold:60"])
def test_a_duty_for_a_spelling_that_nothing_allows_is_for_one_that_is_allowed(
    tmp_path: Path, effect: str
) -> None:
    policy = of_the_other(tmp_path, KEYS.format("O1", "*", "-", effect))
    found = policy.decide(question(tool="resource:file:///srv%2Fkeys"))
    assert (found.permitted, found.rule) == (True, "P1")
    assert [duty.rule for duty in found.obligations] == ["O1"]
    assert not policy.decide(question(tool="resource:file:///srv/keys")).permitted


def test_a_duty_for_another_spelling_holds_for_whom_and_when_its_rule_says(tmp_path: Path) -> None:
    when = "conditions: {once: {level: {below: exact}}}"
    duties = [
        KEYS.format("O1", "role:other", "-", "approve"),
        KEYS.format("O2", "role:reader", "once", "approve"),
    ]
    policy = of_the_other(tmp_path, *duties, "g, agent:bob, role:other, local", when=when)
    asked = replace(question(tool="resource:file:///srv%2Fkeys"), guard="none")
    found = {
        level: [duty.rule for duty in policy.decide(replace(asked, level=level)).obligations]
        for level in ("exact", "manual", None)
    }
    assert found == {"exact": [], "manual": ["O2"], None: []}


def test_a_rule_on_trial_for_one_spelling_tells_of_all(tmp_path: Path) -> None:
    policy = of_the_other(tmp_path, KEYS.format("W1", "*", "-", "would-deny"))
    found = policy.decide(question(tool="resource:file:///srv%2Fkeys"))
    assert (found.permitted, [shadow.rule for shadow in found.shadows]) == (True, ["W1"])


def test_a_list_shows_what_only_one_of_its_spellings_is_allowed_as(tmp_path: Path) -> None:
    duty, deny = KEYS.format("O1", "*", "-", "approve"), KEYS.format("D1", "*", "-", "deny")
    asked = question(tool="resource:file:///srv%2Fkeys", as_list=True)
    assert of_the_other(tmp_path, duty).decide(asked).permitted
    assert not of_the_other(tmp_path, deny).decide(asked).permitted


def test_a_server_is_reached_by_whom_a_rule_lets_do_something_there(tmp_path: Path) -> None:
    deny = "p, D1, tool, git, *, *, *, *, *, -, deny"
    policy = load(written(tmp_path, f"{ALLOW}\n{deny}\n{READER}\n"), {})
    ann = Asked("agent:ann", Target("git", "tool", "git_log")).resolved().request.identity
    data = frozenset({Tier.DATA})
    assert policy.reaches(ann, "git", data)
    assert not policy.reaches(ann, "git", frozenset({Tier.TOOL}))
    assert not policy.reaches(ann, "web", data)
    for other in (
        replace(ann, agent="agent:bob"),
        replace(ann, tenant="other"),
        replace(ann, intent="other"),
    ):
        assert not policy.reaches(other, "git", data)


@pytest.mark.parametrize(
    ("deny", "reached"),
    [
        ("*, git, *, role:guest, local, *, *, -", False),
        ("data, git, git_*, role:guest, *, general, *, -", False),
        ("*, *, *, *, *, *, *, -", False),
        ("data, git, git_log, role:guest, *, *, *, -", True),
        ("*, git, *, role:guest, *, *, example.org, -", True),
        ("*, git, *, role:guest, *, other, *, -", True),
        ("*, git, *, role:boss, *, *, *, -", True),
        ("tool, git, *, role:guest, *, *, *, -", True),
    ],
)
def test_a_server_that_is_denied_whatever_is_asked_is_not_reached(
    tmp_path: Path, deny: str, reached: bool
) -> None:
    """Its name and its instructions are for nobody who may do nothing there."""
    allow = "p, P1, data, git, git_log|git_show, role:reader, local, general, local, -, allow"
    named = [
        f"p, P{n}, data, git, x, {role}, local, o, local, -, allow"
        for n, role in ((2, "role:guest"), (3, "role:boss"))
    ]
    members = [READER, "g, agent:ann, role:guest, local", "g, agent:bob, role:boss, local"]
    rules = "\n".join([allow, f"p, D1, {deny}, deny", *named, *members, ""])
    policy = load(written(tmp_path, rules), {})
    ann = Asked("agent:ann", Target("git", "tool", "git_log")).resolved().request.identity
    assert policy.reaches(ann, "git", frozenset({Tier.DATA})) is reached
