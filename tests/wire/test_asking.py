"""Who may be asked what."""

from __future__ import annotations

from gateway.core.model import JsonObject
from gateway.wire.asking import undeclared


def test_a_capability_that_is_null_is_none() -> None:
    said: JsonObject = {"elicitation": None, "sampling": {}}
    assert undeclared("elicitation/create", said) == "elicitation"
    assert undeclared("sampling/createMessage", said) is None
