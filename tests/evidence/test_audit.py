"""P11: whatever is done to a stored log before a checkpoint that somebody holds is found."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Sequence

import pytest

from gateway.core.apart import Filed
from gateway.core.record import State
from gateway.evidence.audit import Frontier, audit
from gateway.evidence.verify import Checkpoint, leaf_hash

MUTATIONS = int(os.environ.get("BULKHEAD_TEST_MUTATIONS", "900"))
LINES = 70

Log = list[Filed]


def line(number: int) -> Filed:
    kind = State.APPLIED if number % 2 and number > 1 else State.INTENT
    said = {"call": f"call{number // 2}", "kind": kind, "at": number, "body": {"n": number}}
    said |= {"record": {"call_id": f"call{number // 2}"}} if kind == State.INTENT else {}
    body = json.dumps(said, separators=(",", ":")).encode()
    return Filed(number, f"call{number // 2}", kind, number, body)


LOG = [line(number) for number in range(1, LINES + 1)]


def checkpoints(*sizes: int) -> list[Checkpoint]:
    frontier, found = Frontier(), []
    for row in LOG:
        frontier.add(leaf_hash(row.body))
        if frontier.size in sizes:
            found.append(Checkpoint(frontier.size, frontier.root()))
    return found


HELD = checkpoints(8, 33, LINES)


def flip(log: Log, chance: random.Random) -> Log:
    at = chance.randrange(len(log))
    body = bytearray(log[at].body)
    body[chance.randrange(len(body))] ^= 1 << chance.randrange(8)
    return [*log[:at], log[at]._replace(body=bytes(body)), *log[at + 1 :]]


def refile(log: Log, chance: random.Random) -> Log:
    at = chance.randrange(len(log))
    other: dict[str, object] = chance.choice(
        [{"call_id": "callx"}, {"kind": State.REFUSED}, {"at": log[at].at + 1}]
    )
    return [*log[:at], log[at]._replace(**other), *log[at + 1 :]]  # type: ignore[arg-type]


def delete(log: Log, chance: random.Random) -> Log:
    at = chance.randrange(len(log))
    return renumbered([*log[:at], *log[at + 1 :]], chance)


def insert(log: Log, chance: random.Random) -> Log:
    # Not before the last line: a copy of it there would be a line behind the checkpoint, like any new one.
    at = chance.randrange(len(log) - 1)
    return renumbered([*log[:at], chance.choice(log), *log[at:]], chance)


def reorder(log: Log, chance: random.Random) -> Log:
    one, other = sorted(chance.sample(range(len(log)), 2))
    swapped = [*log[:one], log[other], *log[one + 1 : other], log[one], *log[other + 1 :]]
    return renumbered(swapped, chance)


def truncate(log: Log, chance: random.Random) -> Log:
    return log[: chance.randrange(len(log))]


def renumbered(log: Log, chance: random.Random) -> Log:
    """A careful forger numbers the lines anew."""
    if chance.random() < 0.5:
        return log
    return [row._replace(seq=number) for number, row in enumerate(log, 1)]


@pytest.mark.parametrize("mutate", [flip, refile, delete, insert, reorder, truncate])
def test_p11_every_mutation_before_a_held_checkpoint_is_found(
    mutate: Callable[[Log, random.Random], Log],
) -> None:
    chance, missed = random.Random(mutate.__name__), 0
    for _ in range(-(-MUTATIONS // 6)):
        missed += not audit(mutate(LOG, chance), HELD).wrong
    assert missed == 0


def test_an_untouched_log_is_sound_as_far_as_a_checkpoint_reaches() -> None:
    assert audit(LOG, HELD).wrong == ()
    assert (audit(LOG, HELD[:2]).covered, audit(LOG, HELD[:2]).lines) == (33, LINES)
    assert audit([], []).wrong == ()


def test_a_line_taken_out_is_told_once_and_nothing_is_said_of_those_behind_it() -> None:
    assert audit([*LOG[:20], *LOG[21:]], HELD).wrong == (
        "line 21 is missing",
        "line 33 or one before it is not what the checkpoint there says",
        "the journal has 69 lines, a checkpoint says 70",
    )
    more = [line(number) for number in range(71, 77)]
    cut = audit([*LOG[3:30], *LOG[33:], *more], HELD)
    assert cut.wrong == (
        "lines 1 to 3 are missing",
        "lines 31 to 33 are missing",
        "line 8 or one before it is not what the checkpoint there says; 2 more do not hold either",
    )


def test_a_line_in_another_place_is_told_where_it_stands() -> None:
    wrong = audit([LOG[0], LOG[2], LOG[1]], []).wrong
    assert wrong == ("line 2 is missing", "line 2 stands behind line 3")


def test_a_tail_cut_off_behind_the_newest_checkpoint_cannot_be_seen() -> None:
    """Why a checkpoint must be held elsewhere: the docs say so, and this holds them to it."""
    assert audit(LOG[:33], HELD[:2]).wrong == ()
    assert audit(LOG[:33], HELD).wrong != ()


def test_two_checkpoints_of_one_size_and_different_roots_cannot_both_hold() -> None:
    forked = Checkpoint(33, leaf_hash(b"another history"))
    assert audit(LOG, [*HELD, forked]).wrong != ()


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"call": 1}'])
def test_a_line_that_says_nothing_is_no_line(body: bytes) -> None:
    log: Sequence[Filed] = [LOG[0]._replace(body=body)]
    assert "line 1" in audit(log, []).wrong[0]


@pytest.mark.parametrize(
    ("call", "kind", "was"),
    [
        ("call3", State.NO_EFFECT, "has ended, or never begun"),
        ("call3", State.REFUSED, "has ended, or never begun"),
        ("callx", State.APPLIED, "has ended, or never begun"),
        ("call0", State.NOT_APPLIED, "is intent"),
    ],
)
def test_a_line_no_gateway_writes_is_found_though_no_checkpoint_is_older(
    call: str, kind: State, was: str
) -> None:
    """Who can write the file could tell another end of a call, and the log would take it in as it takes all lines."""
    said = {"call": call, "kind": kind, "at": 99, "body": {}}
    late = Filed(LINES + 1, call, kind, 99, json.dumps(said).encode())
    found = audit([*LOG, late], HELD)
    assert found.wrong == (f"line {LINES + 1} says {kind} of call {call}, which {was}",)
