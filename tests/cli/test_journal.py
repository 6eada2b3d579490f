"""`bulkhead journal`, run as a person runs it, on a journal a gateway may still be writing."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from gateway.core.record import Line, State
from tests.cli.command import run
from tests.journals.calls import NOON, intent, outcome, refusal
from tests.journals.writing import write

EVIL = "git_\x1b[2J\x1b]0;owned\x07log\u202egol\nAPPLIED everything is fine"


def bulkhead(place: Path, verb: str, *words: str) -> CompletedProcess[str]:
    """`bulkhead journal ...` in `place`."""
    return run("journal", verb, "-c", str(place / "bulkhead.yaml"), *words)


def exported(text: str) -> list[tuple[int, str, str]]:
    """Sequence number, call and kind of each exported line."""
    rows = [json.loads(line) for line in text.splitlines()]
    return [(row["seq"], row["line"]["call"], row["line"]["kind"]) for row in rows]


async def _write(place: Path, lines: list[Line]) -> None:
    await write(place / ".bulkhead" / "journal.db", *lines)


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """Settings, and no journal yet."""
    (tmp_path / "bulkhead.yaml").write_text("servers:\n  git:\n    command: [git]\n")
    return tmp_path


@pytest.fixture
def place(empty: Path) -> Path:
    """Settings, and a journal of four calls."""
    lines = [
        intent("aaaaaa01"),
        outcome("aaaaaa01"),
        intent("aaaaaa02", tier="tool", effect="write", target="git_commit", at=NOON + 5),
        refusal("bbbbbb03", agent="agent:climber", target=EVIL, tier="", at=NOON + 9),
        intent("cccccc04", server="time", task="task-9", at=NOON + 11),
        outcome("cccccc04", "in_doubt"),
    ]
    asyncio.run(_write(empty, lines))
    return empty


def test_list_shows_every_call_newest_first(place: Path) -> None:
    rows = bulkhead(place, "list").stdout.splitlines()[1:]
    assert [row.split()[2] for row in rows] == ["cccccc04", "bbbbbb03", "aaaaaa02", "aaaaaa01"]
    assert "P010 policies/policy.csv:12" in rows[3]
    assert "no_rule" in rows[1]


@pytest.mark.parametrize("more", [[], ["--json"]], ids=str)
def test_list_says_when_there_are_more_calls_than_it_shows(place: Path, more: list[str]) -> None:
    some = bulkhead(place, "list", "-n", "3", *more)
    every = bulkhead(place, "list", "-n", "4", *more)
    assert some.stderr == "bulkhead: the newest 3; -n shows more\n"
    assert every.stderr == ""


def test_show_tells_one_call_as_a_story(place: Path) -> None:
    told = bulkhead(place, "show", "cccccc04").stdout
    for words in (
        "Call cccccc04  in_doubt",
        "agent:analyst, tenant local, task task-9",
        "tools/call time git_log at /mcp",
        "data, read, at local",
        "P010 at policies/policy.csv:12",
        '"repo_path": "/srv/x"',
        "#5",
        "#6",
    ):
        assert words in told


def test_show_takes_a_prefix_and_says_no_when_it_names_nothing_or_several(place: Path) -> None:
    found = bulkhead(place, "show", "cccccc")
    several = bulkhead(place, "show", "aaaaaa")
    nothing = bulkhead(place, "show", "no\x1bbody")
    assert (found.returncode, several.returncode, nothing.returncode) == (0, 1, 1)
    assert several.stderr == "bulkhead: unknown_target: no call aaaaaa, or more than one\n"
    assert nothing.stderr == "bulkhead: unknown_target: no call no\\x1bbody, or more than one\n"


def test_tail_shows_the_latest_lines_oldest_first(place: Path) -> None:
    told = bulkhead(place, "tail", "-n", "3").stdout.splitlines()
    assert [line.split()[0] for line in told] == ["#4", "#5", "#6"]


@pytest.mark.parametrize(
    "command", [["list"], ["show", "bbbbbb03"], ["tail"], ["export"], ["list", "--json"]], ids=str
)
def test_nothing_an_agent_wrote_acts_on_the_terminal(place: Path, command: list[str]) -> None:
    told = bulkhead(place, *command).stdout
    harmful = {character for character in told if not character.isprintable()} - {"\n"}
    assert harmful == set()
    assert "owned" in told
    assert not any(line.startswith("APPLIED") for line in told.splitlines())


@pytest.mark.parametrize(
    ("options", "calls"),
    [
        (["--agent", "climber"], ["bbbbbb03"]),
        (["--agent", "agent:climber"], ["bbbbbb03"]),
        (["--server", "time"], ["cccccc04"]),
        (["--state", "in_doubt"], ["cccccc04"]),
        (["--tier", "tool"], ["aaaaaa02"]),
        (["--task", "task-9"], ["cccccc04"]),
        (["--since", "2020-01-01"], ["cccccc04", "bbbbbb03", "aaaaaa02", "aaaaaa01"]),
        (["--since", "2100-01-01T00:00:00+00:00"], []),
        (["--tier", "data", "--state", "applied"], ["aaaaaa01"]),
        (["--limit", "1"], ["cccccc04"]),
    ],
    ids=str,
)
def test_calls_are_filtered_by_what_was_asked_for(
    place: Path, options: list[str], calls: list[str]
) -> None:
    listed = json.loads(bulkhead(place, "list", "--json", *options).stdout)
    assert [call["call_id"] for call in listed] == calls
    if "--limit" not in options:
        lines = exported(bulkhead(place, "tail", "--json", "-n", "100", *options).stdout)
        assert {call for _, call, _ in lines} == set(calls)


def test_ten_minutes_ago_is_before_now_and_after_then(place: Path) -> None:
    asyncio.run(_write(place, [intent("dddddd05", at=4_102_444_800_000_000)]))
    listed = json.loads(bulkhead(place, "list", "--json", "--since", "10m").stdout)
    assert [call["call_id"] for call in listed] == ["dddddd05"]


@pytest.mark.parametrize(
    "options", [["--since", "lately"], ["--state", "done"], ["--tier", "root"], ["--limit", "0"]]
)
def test_a_filter_that_makes_no_sense_is_refused_with_status_2(
    place: Path, options: list[str]
) -> None:
    said = bulkhead(place, "list", *options)
    assert (said.returncode, said.stdout) == (2, "")
    assert options[0] in said.stderr
    assert "Traceback" not in said.stderr


def test_export_is_the_stored_bytes_by_cursor_and_misses_nothing(place: Path) -> None:
    first = bulkhead(place, "export", "--limit", "2").stdout
    rest = bulkhead(place, "export", "--after", "2").stdout
    whole = bulkhead(place, "export", "--json").stdout
    assert first + rest == whole
    assert [seq for seq, _, _ in exported(whole)] == [1, 2, 3, 4, 5, 6]
    assert bulkhead(place, "export", "--after", "6").stdout == ""


def test_a_number_no_line_can_have_is_refused_with_status_2(place: Path) -> None:
    assert bulkhead(place, "export", "--after", f"{2**63 - 1}").stdout == ""
    said = bulkhead(place, "export", "--after", f"{2**63}")
    assert (said.returncode, said.stdout) == (2, "")
    assert "--after" in said.stderr
    assert "Traceback" not in said.stderr


def test_show_as_json_holds_the_lines_too(place: Path) -> None:
    told = json.loads(bulkhead(place, "show", "--json", "aaaaaa01").stdout)
    assert (told["state"], told["rule"]) == (State.APPLIED, "P010")
    assert [line["line"]["kind"] for line in told["lines"]] == ["intent", "applied"]


def test_no_journal_yet_is_one_clear_line_and_status_2(empty: Path) -> None:
    said = bulkhead(empty, "list")
    assert (said.returncode, said.stdout) == (2, "")
    assert said.stderr.count("\n") == 1
    assert str(empty / ".bulkhead" / "journal.db") in said.stderr


def test_a_file_that_is_no_journal_is_one_clear_line_and_status_2(empty: Path) -> None:
    (empty / ".bulkhead").mkdir()
    (empty / ".bulkhead" / "journal.db").write_bytes(b"not a database at all" * 100)
    said = bulkhead(empty, "list")
    assert said.returncode == 2
    assert said.stderr.count("\n") == 1
    assert "not a journal" in said.stderr


@pytest.fixture
def following(place: Path) -> Iterator[subprocess.Popen[str]]:
    """`tail --follow` that has shown what was there."""
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway", "journal", "tail", "-f", "-n", "1", "--json"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "BULKHEAD_CONFIG": str(place / "bulkhead.yaml")},
        cwd=Path(__file__).parents[2],
        # Whoever runs the tests in the background of a script has it ignored, and so would this.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    yield process
    process.kill()
    process.wait(20)
    assert process.stdout is not None
    process.stdout.close()


def test_tail_follows_what_is_written_and_ends_quietly(
    place: Path, following: subprocess.Popen[str]
) -> None:
    assert following.stdout is not None
    seen = following.stdout.readline()
    asyncio.run(_write(place, [outcome("aaaaaa02"), intent("eeeeee06")]))
    seen += following.stdout.readline() + following.stdout.readline()
    following.send_signal(signal.SIGINT)
    assert exported(seen) == [
        (6, "cccccc04", "in_doubt"),
        (7, "aaaaaa02", "applied"),
        (8, "eeeeee06", "intent"),
    ]
    assert following.wait(20) == 130


async def test_show_tells_under_which_grant_a_call_was_made(empty: Path) -> None:
    await _write(empty, [intent("aaaaaa01", grant="abcdefgh"), outcome("aaaaaa01")])
    assert "abcdefgh" in bulkhead(empty, "show", "aaaaaa01").stdout


async def test_what_a_rule_on_trial_would_have_denied_is_shown(empty: Path) -> None:
    await _write(empty, [intent("aaaaaa01", shadows="W1", duties="O2"), outcome("aaaaaa01")])
    assert "P010 policies/policy.csv:12 (on trial: W1)" in bulkhead(empty, "list").stdout
    story = bulkhead(empty, "show", "aaaaaa01").stdout
    assert "would be denied by W1" in story
    assert "O2" in story
