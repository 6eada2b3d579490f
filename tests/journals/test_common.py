"""What records have in common is made once, and is what would have been made for each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from gateway.journals.common import LONGEST, MOST, OWN, Common
from gateway.values import as_plain
from tests.journals.calls import call_record


class Making:
    """Makes JSON and remembers of what."""

    def __init__(self) -> None:
        self.made: list[Mapping[str, Any]] = []

    def json(self, members: Mapping[str, Any]) -> str:
        self.made.append(members)
        return json.dumps(members, separators=(",", ":"))


def test_all_but_a_records_own_members_are_there_in_their_order() -> None:
    record = call_record("call-1", task='"', grant="g", trace="t", on_behalf_of="bob")
    before, between, after = Common(Making().json).of(record)
    found = json.loads('{"first":0' + before + between + after + "}")
    del found["first"]
    wanted = {name: value for name, value in as_plain(record).items() if name not in OWN}
    assert list(found.items()) == list(wanted.items())
    assert before.endswith('"descriptor":"sha256:bb"')
    assert between == ',"grant":"g"'


def test_of_a_record_that_differs_in_one_member_only_that_is_made() -> None:
    making = Making()
    common = Common(making.json)
    common.of(call_record("call-1", where="for call-0"))
    del making.made[:]
    texts = common.of(call_record("call-2", where="for call-1"))
    assert making.made == [{"where": "for call-1"}]
    assert texts == Common(Making().json).of(call_record("call-3", where="for call-1"))


def test_the_next_record_like_it_is_not_made_again() -> None:
    making = Making()
    common = Common(making.json)
    first = common.of(call_record("call-1", trace="one"))
    del making.made[:]
    assert common.of(call_record("call-2", trace="other", arguments={})) == first
    assert making.made == []
    assert common.of(call_record("call-3", task="another")) != first


def test_what_is_kept_is_bounded_in_number_and_length() -> None:
    making = Making()
    common = Common(making.json)
    for _ in range(2):
        common.of(call_record("call-1", target="x" * LONGEST))
    assert len([members for members in making.made if "target" in members]) == 2
    for n in range(MOST + 1):
        common.of(call_record("call-1", task=f"task-{n}"))
    del making.made[:]
    common.of(call_record("call-1", task="task-0"))
    assert making.made != []
