"""Was it as the story says? Pure: from what was expected and what was observed to what is wrong, in words.

Besides what a story asks for, three laws are held to at every step: a refusal changes nothing in the
world, an agent never hears more than `reasons.told`, and it never hears a rule, a file or a line.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.core.record import State
from gateway.ports import CallRow
from gateway.reasons import Reason, told
from gateway.stories.agents import Heard
from gateway.stories.stage import Ran
from gateway.stories.story import Expected, Step


def of_call(step: Step, heard: Heard, rows: Sequence[CallRow]) -> list[str]:
    """What is wrong about a call."""
    expected = step.expect
    assert expected is not None
    if expected.http is not None:
        return _of_wire(expected, heard, rows)
    # A caller that was turned away is on record without a wait, so its line may come a step late.
    rows = [row for row in rows if row.record.agent] or rows
    if len(rows) != 1:
        return [f"{len(rows)} records in the journal, not one; heard: {heard.text}"]
    row = rows[0]
    if expected.allowed is not None:
        problems = _of_permit(expected, heard, row)
    else:
        problems = _of_refusal(expected, heard, row)
    if expected.tier is not None and row.record.tier != expected.tier:
        problems.append(f"tier is {row.record.tier or 'unknown'}, not {expected.tier}")
    return problems + _of_words(expected, heard.text)


def of_list(expected: Expected, heard: Heard) -> list[str]:
    """What is wrong about a list."""
    shown = set(heard.names)
    problems = [f"{name} is missing" for name in expected.shows if name not in shown]
    problems += [f"{name} is shown" for name in expected.hides if name in shown]
    if expected.exactly is not None and shown != set(expected.exactly):
        problems.append(f"shown: {', '.join(sorted(shown)) or 'nothing'}")
    return problems


def of_operator(expected: Expected, ran: Ran) -> list[str]:
    """What is wrong about an operator's command."""
    problems = _of_words(expected, ran.output)
    if ran.status != expected.exit:
        problems.append(f"exit status is {ran.status}: {ran.output.strip()}")
    return problems


def is_refusal(step: Step) -> bool:
    """True if this step must leave the world alone."""
    return step.expect is not None and step.expect.form in ("refused", "http", "list")


def _of_wire(expected: Expected, heard: Heard, rows: Sequence[CallRow]) -> list[str]:
    problems = []
    if heard.status != expected.http:
        problems.append(f"HTTP status is {heard.status}, not {expected.http}: {heard.text}")
    forwarded = [row for row in rows if row.state is not State.REFUSED]
    if forwarded:
        problems.append("it was forwarded all the same")
    return problems + _of_words(expected, heard.text)


def _of_permit(expected: Expected, heard: Heard, row: CallRow) -> list[str]:
    if row.state is State.REFUSED:
        reason, detail = row.outcome.get("reason"), row.outcome.get("detail")
        return [f"refused: {reason} {detail} ({row.record.where or 'no line'})"]
    problems = []
    if row.record.rule != expected.allowed:
        problems.append(f"allowed by {row.record.rule}, not {expected.allowed}")
    wanted = State.HELD if expected.held else State.APPLIED
    if row.state is not wanted or heard.error or heard.is_error:
        problems.append(f"the call is {row.state}: {heard.text}")
    return problems


def _of_refusal(expected: Expected, heard: Heard, row: CallRow) -> list[str]:
    if row.state is not State.REFUSED:
        return [f"it was allowed by {row.record.rule} ({row.record.where})"]
    problems = []
    reason = Reason(row.outcome["reason"])
    if reason is not expected.refused:
        problems.append(f"refused as {reason}, not {expected.refused}: {row.outcome.get('detail')}")
    if expected.rule is not None and row.record.rule != expected.rule:
        problems.append(f"refused by {row.record.rule or 'no rule'}, not {expected.rule}")
    return problems + _of_told(heard, row, reason)


def _of_told(heard: Heard, row: CallRow, reason: Reason) -> list[str]:
    """The agent heard the public reason and the call's id, and nothing of the policy."""
    data = (heard.error or {}).get("data") or {}
    answer = f"{heard.text} {data}"
    problems = []
    if told(reason) not in answer or row.record.call_id not in answer:
        problems.append(f"the agent heard neither {told(reason)} nor the call's id: {answer}")
    secrets = [secret for secret in (row.record.rule, row.record.where) if secret]
    return problems + [f"the agent heard {secret}" for secret in secrets if secret in answer]


def _of_words(expected: Expected, text: str) -> list[str]:
    if expected.says is None or expected.says in text:
        return []
    return [f"no {expected.says!r} in: {text.strip()}"]
