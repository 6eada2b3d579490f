from __future__ import annotations

import pytest

from gateway.policy.pointers import MISSING, look_up, pointer, steps

ARGUMENTS = {"a": {"b/c": [10, {"~": None}]}, "x/y": 1, "": 2}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a", ARGUMENTS["a"]),
        ("/a/b~1c/0", 10),
        ("/a/b~1c/1/~0", None),
        ("x/y", 1),
        ("/x~1y", 1),
        ("/", 2),
        ("b", MISSING),
        ("/a/b", MISSING),
        ("/a/b~1c/2", MISSING),
        ("/a/b~1c/-1", MISSING),
        ("/a/b~1c/00", MISSING),
        ("/x~1y/z", MISSING),
    ],
)
def test_a_name_or_a_pointer_finds_one_value(text: str, value: object) -> None:
    found = look_up(ARGUMENTS, text)
    assert found is value or found == value


def test_a_name_becomes_a_pointer() -> None:
    assert pointer("a/b~c") == "/a~1b~0c"
    assert pointer("/a/b~1c") == "/a/b~1c"


@pytest.mark.parametrize("text", ["", "/a~", "/a~2"])
def test_a_broken_pointer_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        steps(text)


@pytest.mark.parametrize("twin", ["Path", "PATH", "pat\u04bb"])
def test_an_argument_with_a_twin_cannot_be_told(twin: str) -> None:
    found = look_up({"inner": {"path": "/srv", twin: "/etc"}}, "/inner/path")
    assert (found is MISSING) is (twin.casefold() == "path")
