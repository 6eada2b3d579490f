"""No server finds another call in params than the one decided on."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.lookalikes import KNOWN, refuse_look_alikes
from gateway.core.model import Request
from gateway.core.resolve import NAMED
from gateway.errors import Refused
from gateway.reasons import Reason
from gateway.values import replace
from tests.catalogue.offering import asks, at

READ = ["name", "arguments", "_meta", "uri", "ref", "taskId"]


def request(params: dict[str, Any], method: str = "tools/call") -> Request:
    return asks(method, params, at("s"))


@given(
    st.lists(st.sampled_from([*READ, "x", *map(str.upper, READ), "Name", "X"]), unique=True),
    st.lists(st.sampled_from(["progressToken", "ProgressToken", "k", "K"]), unique=True),
)
def test_two_members_that_differ_only_by_case_are_refused_and_nothing_else_is(
    members: list[str], meta: list[str]
) -> None:
    params: dict[str, Any] = {**dict.fromkeys(members, 1), "_meta": dict.fromkeys(meta, 1)}
    doubtful = any(
        name.casefold() in {m.casefold() for m in READ} and name not in READ for name in params
    ) or any(name.casefold() == "progresstoken" and name != "progressToken" for name in meta)
    twice = any(len({n.casefold() for n in names}) < len(names) for names in (params, meta))
    try:
        refuse_look_alikes(request(params))
        refused = False
    except Refused as no:
        refused = no.reason is Reason.MALFORMED
    assert refused == (doubtful or twice)


def test_a_vendors_own_members_are_its_own() -> None:
    refuse_look_alikes(request({"Name": 1, "URI": 2}, "acme/do"))
    with pytest.raises(Refused):
        refuse_look_alikes(request({"name": 1, "Name": 2}, "acme/do"))
    with pytest.raises(Refused):
        refuse_look_alikes(request({"_META": {}}, "acme/do"))


def test_the_params_of_every_method_that_names_a_thing_are_read() -> None:
    assert NAMED.keys() <= KNOWN
    one = request({"Name": "x"})
    for method in KNOWN:
        with pytest.raises(Refused):
            refuse_look_alikes(replace(one, method=method))
