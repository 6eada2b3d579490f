"""Where a call stands once it was answered: by its own word, held against the world before and after."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.core.model import Outcome, RpcError
from gateway.core.record import State
from gateway.core.reverse import Captured, Image
from gateway.undo.level import CHANGED_ALL_THE_SAME, judged
from gateway.undo.scope import Scope
from gateway.undo.toolpack import ToolPack
from gateway.values import replace
from tests.undo.notes import PACK, answered, pack

SCOPE = Scope({"id": "a", "body": "new"}, {"id": "c1"})
OLD: Image = {"note": Captured("value", {"body": "old"})}
NEW: Image = {"note": Captured("value", {"body": "new"})}
FOLDER: Image = {"note": Captured("other", "a folder")}
DONE, ERROR = answered("done"), answered("no such note", error=True)
SAYS_SORRY = answered("Sorry, no")
REJECTED = Outcome("rejected", error=RpcError(-32602, "no"))
KEEP = "    undo_window: 30d\n"


def stands(tool: ToolPack, pre: Image | None, post: Image | None, outcome: Outcome) -> State:
    state, why = judged(tool, replace(SCOPE, pre=pre, post=post), outcome)
    assert (why == CHANGED_ALL_THE_SAME) is (state is State.IN_DOUBT)
    return state


@pytest.mark.parametrize(
    ("pre", "post", "outcome", "state"),
    [
        (OLD, NEW, DONE, State.APPLIED),
        (OLD, OLD, DONE, State.NO_EFFECT),
        (FOLDER, FOLDER, DONE, State.APPLIED),
        (None, None, DONE, State.APPLIED),
        (OLD, None, DONE, State.APPLIED),
        (None, NEW, DONE, State.APPLIED),
        (OLD, OLD, ERROR, State.FAILED),
        (OLD, OLD, SAYS_SORRY, State.FAILED),
        (OLD, OLD, REJECTED, State.REJECTED),
        (FOLDER, FOLDER, ERROR, State.FAILED),
        (OLD, None, ERROR, State.FAILED),
        (OLD, NEW, ERROR, State.IN_DOUBT),
        (OLD, NEW, SAYS_SORRY, State.IN_DOUBT),
        (OLD, NEW, REJECTED, State.IN_DOUBT),
    ],
)
def test_an_answer_is_believed_as_far_as_the_world_bears_it_out(
    tmp_path: Path, pre: Image | None, post: Image | None, outcome: Outcome, state: State
) -> None:
    assert stands(pack(tmp_path), pre, post, outcome) is state


@pytest.mark.parametrize(
    ("pre", "post", "state"),
    [(OLD, OLD, State.NO_EFFECT), (OLD, NEW, State.APPLIED), (FOLDER, FOLDER, State.APPLIED)],
)
def test_a_pack_cannot_say_that_nothing_changed_of_what_did_or_could_not_be_read(
    tmp_path: Path, pre: Image, post: Image, state: State
) -> None:
    """Such a call would be left out of every rollback."""
    says_so = f"    no_effect_when: matches(result.text, 'done')\n{KEEP}"
    assert stands(pack(tmp_path, PACK.replace(KEEP, says_so)), pre, post, DONE) is state


def test_a_pack_can_say_that_something_changed_of_what_looks_the_same(tmp_path: Path) -> None:
    says_not = f"    no_effect_when: matches(result.text, 'nothing')\n{KEEP}"
    assert stands(pack(tmp_path, PACK.replace(KEEP, says_not)), OLD, OLD, DONE) is State.APPLIED
