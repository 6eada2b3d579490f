"""The bridge from a stateless tool server to an agent of the sessions era.

What the server asks as an `input_required` result (MRTR, 2026-07-28 patterns/mrtr) is put to the agent
as requests on its own stream, and the call goes on with the answers: the same call, the same permit,
another round.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from gateway.core.model import Answer, JsonObject, Outcome, RpcError
from gateway.core.record import Permit
from gateway.ports import Channel, Outbound, ToolServer
from gateway.values import replace

MAX_ROUNDS: Final = 16
MAX_QUESTIONS: Final = 32
"""In one round."""
PAUSE: Final = (0.1, 2.0)
"""First and longest pause, in seconds, before a call that got only a state goes on."""
UNANSWERED: Final = 1006
"""Our own code, outside JSON-RPC's reserved range."""


class Rounds:
    """The calls of sessions agents to one server that is not known to be of their era."""

    def __init__(self, server: ToolServer) -> None:
        self._server = server

    async def call(self, permit: Permit, message: Outbound, channel: Channel) -> Outcome:
        """See `ports.ToolServer`. At most `MAX_ROUNDS` rounds of questions."""
        outcome = await self._server.call(permit, message, channel)
        pause = PAUSE[0]
        for _ in range(MAX_ROUNDS):
            asked = _asked(outcome)
            if asked is None:
                return outcome
            questions, state = asked
            answers = await _put(questions, channel)
            if isinstance(answers, RpcError):
                return Outcome("rejected", error=answers)
            if not questions:
                await asyncio.sleep(pause)
                pause = min(pause * 2, PAUSE[1])
            onward: JsonObject = {**message.params, "inputResponses": answers}
            if state is not None:
                onward["requestState"] = state
            outcome = await self._server.call(permit, replace(message, params=onward), channel)
        too_many = RpcError(UNANSWERED, f"The tool server asked more than {MAX_ROUNDS} rounds")
        return Outcome("rejected", error=too_many)


def _asked(outcome: Outcome) -> tuple[dict[str, Any], Any] | None:
    """The questions and the state of an `input_required` result; None for any other outcome."""
    result = outcome.result
    if outcome.kind != "ok" or result is None or result.get("resultType") != "input_required":
        return None
    questions = result.get("inputRequests") or {}
    return (questions if isinstance(questions, dict) else {}), result.get("requestState")


async def _put(questions: dict[str, Any], channel: Channel) -> JsonObject | RpcError:
    """All questions at once; the answers by key, or why there are none."""
    if len(questions) > MAX_QUESTIONS or not all(map(_well_formed, questions.values())):
        return RpcError(UNANSWERED, "The tool server asked questions that cannot be put")
    got = await asyncio.gather(
        *(channel.ask(one["method"], one.get("params") or {}) for one in questions.values())
    )
    answers: JsonObject = {}
    for key, answer in zip(questions, got, strict=True):
        if answer.result is None:
            return _unanswered(questions[key]["method"], answer)
        answers[key] = answer.result
    return answers


def _well_formed(question: Any) -> bool:
    return (
        isinstance(question, dict)
        and isinstance(question.get("method"), str)
        and isinstance(question.get("params", {}), dict)
    )


def _unanswered(method: str, answer: Answer) -> RpcError:
    said = answer.error.message if answer.error else "nothing"
    return RpcError(UNANSWERED, f"The tool server asked {method}; the agent's client said: {said}")
