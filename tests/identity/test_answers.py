"""What an issuer says of tokens: how long it is believed, how often it is asked, and an issuer that says nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import pytest

from gateway.errors import Refused
from gateway.identity import answers as module
from gateway.identity.answers import AT_ONCE, BAD, IN_LINE, TURN, UNSAID, Answers
from gateway.identity.keycache import Unfetched
from gateway.reasons import Reason

NOW = 1_800_000_000.0
TOKEN = "an-opaque-token"


@dataclass
class Issuer:
    """Remembers what it was asked; its tokens are those in `active`."""

    active: dict[str, Mapping[str, Any]] = field(
        default_factory=lambda: {TOKEN: {"exp": NOW + 600}}
    )
    down: Exception | None = None
    asked: list[str] = field(default_factory=list)
    now: float = 1_000.0
    gate: anyio.Event | None = None

    async def ask(self, token: str) -> Mapping[str, Any] | None:
        self.asked.append(token)
        if self.gate is not None:
            await self.gate.wait()
        if self.down is not None:
            raise self.down
        return self.active.get(token)

    def made(self, believed: float = 10) -> Answers:
        return Answers("test", self.ask, believed, lambda: self.now, lambda: NOW + self.now - 1_000)

    @asynccontextmanager
    async def answers(self, believed: float = 10) -> AsyncIterator[Answers]:
        """Tried, and kept."""
        made, gate, self.gate = self.made(believed), self.gate, None
        await made.look()
        self.asked.clear()
        self.gate = gate
        async with kept(made):
            yield made


@asynccontextmanager
async def kept(made: Answers) -> AsyncIterator[None]:
    keeping = asyncio.create_task(made.keep())
    await asyncio.sleep(0)
    try:
        with anyio.fail_after(20):
            yield
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)


def reason(answers: Answers, token: str = TOKEN) -> Reason | None:
    """Why it is not good; None: it is."""
    try:
        answers.of(token)
    except Refused as no:
        return no.reason
    return None


async def test_an_answer_is_believed_for_so_long_and_no_longer() -> None:
    issuer = Issuer()
    async with issuer.answers(believed=10) as answers:
        assert reason(answers) is Reason.ISSUER_SILENT
        assert await answers.asked(TOKEN)
        issuer.now += 9.9
        assert reason(answers) is None
        issuer.now += 0.2
        assert reason(answers) is Reason.ISSUER_SILENT


async def test_an_answer_is_not_believed_past_the_end_of_its_token() -> None:
    issuer = Issuer({TOKEN: {"exp": NOW + 3}})
    async with issuer.answers(believed=10) as answers:
        await answers.asked(TOKEN)
        issuer.now += 3.1
        assert reason(answers) is Reason.ISSUER_SILENT


@pytest.mark.parametrize("end", [NOW - 5, "soon", True, None, -1, 1e308])
async def test_an_answer_with_a_strange_end_is_there_to_be_refused(end: Any) -> None:
    """By claims.py, which says why; and not asked for again and again."""
    issuer = Issuer({TOKEN: {"exp": end}})
    async with issuer.answers(believed=10) as answers:
        await answers.asked(TOKEN)
        assert answers.of(TOKEN).claims == {"exp": end}
        issuer.now += 1.1
        assert reason(answers) is Reason.ISSUER_SILENT


async def test_an_answer_that_says_no_end_is_believed_as_any_other() -> None:
    """The JWT it is about has one."""
    issuer = Issuer({TOKEN: {}})
    async with issuer.answers(believed=10) as answers:
        await answers.asked(TOKEN)
        issuer.now += 9.9
        assert reason(answers) is None
        issuer.now += 0.2
        assert reason(answers) is Reason.ISSUER_SILENT


async def test_many_callers_of_one_token_are_one_question() -> None:
    issuer = Issuer(gate=anyio.Event())
    async with issuer.answers() as answers:
        waiting = [asyncio.create_task(answers.asked(TOKEN)) for _ in range(50)]
        await asyncio.sleep(0)
        assert issuer.gate is not None
        issuer.gate.set()
        assert all(await asyncio.gather(*waiting))
    assert issuer.asked == [TOKEN]


async def test_a_caller_who_leaves_ends_nobodys_question() -> None:
    issuer = Issuer(gate=anyio.Event())
    async with issuer.answers() as answers:
        first, second = (asyncio.create_task(answers.asked(TOKEN)) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        assert issuer.gate is not None
        issuer.gate.set()
        assert await second
        assert reason(answers) is None


async def test_a_token_that_is_not_active_is_asked_about_once_in_a_while() -> None:
    issuer = Issuer()
    async with issuer.answers() as answers:
        assert await answers.asked("nobodys")
        assert reason(answers, "nobodys") is Reason.BAD_TOKEN
        assert not await answers.asked("nobodys")
        issuer.now += BAD
        assert await answers.asked("nobodys")
    assert issuer.asked == ["nobodys", "nobodys"]


async def test_a_token_that_was_revoked_is_bad_from_the_next_answer_on() -> None:
    issuer = Issuer()
    async with issuer.answers(believed=10) as answers:
        await answers.asked(TOKEN)
        del issuer.active[TOKEN]
        issuer.now += 10
        await answers.asked(TOKEN)
        assert reason(answers) is Reason.BAD_TOKEN


@pytest.mark.parametrize("fault", [Unfetched("status 500"), RuntimeError(TOKEN)])
async def test_who_is_not_answered_for_is_not_believed_and_the_log_has_no_token(
    fault: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    issuer = Issuer()
    async with issuer.answers(believed=10) as answers:
        await answers.asked(TOKEN)
        issuer.now += 10
        issuer.down = fault
        assert await answers.asked(TOKEN)
        with pytest.raises(Refused) as caught:
            answers.of(TOKEN)
        assert caught.value.reason is Reason.ISSUER_SILENT
        assert TOKEN not in caught.value.detail + caplog.text
        assert not answers.alive
        assert not await answers.asked(TOKEN), "asked again at once"
        issuer.down, issuer.now = None, issuer.now + UNSAID
        assert await answers.asked(TOKEN)
        assert reason(answers) is None and answers.alive


async def test_a_flood_of_strange_tokens_does_not_shut_out_one_that_was_good(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "TURN", 0)
    issuer = Issuer()
    async with issuer.answers(believed=10) as answers:
        await answers.asked(TOKEN)
        issuer.now += 10
        issuer.asked.clear()
        issuer.gate = anyio.Event()
        flood = [asyncio.create_task(answers.asked(f"strange-{n}")) for n in range(IN_LINE + 50)]
        await asyncio.sleep(0)
        good = asyncio.create_task(answers.asked(TOKEN))
        await anyio.wait_all_tasks_blocked()
        assert len(issuer.asked) == AT_ONCE + 1
        issuer.gate.set()
        assert await good
        assert sum(await asyncio.gather(*flood)) == IN_LINE
        assert reason(answers) is None


async def test_agents_that_come_all_at_once_are_asked_about_in_turn() -> None:
    """As after a restart, when no token was good before."""
    names = [f"agent-{n}" for n in range(200)]
    issuer = Issuer({name: {"exp": NOW + 600} for name in names}, gate=anyio.Event())
    async with issuer.answers() as answers:
        waiting = [asyncio.create_task(answers.asked(name)) for name in names]
        await anyio.wait_all_tasks_blocked()
        assert issuer.asked == names[:AT_ONCE]
        assert issuer.gate is not None
        issuer.gate.set()
        began = anyio.current_time()
        assert all(await asyncio.gather(*waiting))
        assert anyio.current_time() - began >= TURN * (len(names) // AT_ONCE)
        assert not any(reason(answers, name) for name in names)


async def test_who_waits_for_a_turn_when_the_gateway_ends_waits_no_longer() -> None:
    issuer = Issuer(gate=anyio.Event())
    async with issuer.answers() as answers:
        waiting = [asyncio.create_task(answers.asked(f"strange-{n}")) for n in range(AT_ONCE + 9)]
        await anyio.wait_all_tasks_blocked()
    with anyio.fail_after(5):
        assert all(await asyncio.gather(*waiting))


async def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 3)
    issuer = Issuer()
    async with issuer.answers() as answers:
        await answers.asked(TOKEN)
        for n in range(9):
            await answers.asked(f"strange-{n}")
        assert reason(answers) is None, "a good one went for the bad ones"
        assert reason(answers, "strange-0") is Reason.ISSUER_SILENT
        assert reason(answers, "strange-8") is Reason.BAD_TOKEN


async def lie(token: str) -> Mapping[str, Any]:
    return {"exp": NOW + 600}


@pytest.mark.parametrize("looks", [True, False])
async def test_an_issuer_that_calls_everything_good_is_not_believed(
    looks: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Also where it said nothing when the gateway started."""
    issuer = Issuer(down=Unfetched("not up yet"))
    answers = issuer.made()
    with caplog.at_level(logging.ERROR):
        await answers.look()
        assert "that nobody has" not in caplog.text
        answers._ask = lie
        if looks:
            await answers.look()
        async with kept(answers):
            first, later = await answers.asked(TOKEN), await answers.asked("another")
            assert (first, later) == (not looks, False)
            assert reason(answers) is Reason.ISSUER_SILENT and not answers.alive
    assert caplog.text.count("that nobody has") == 1


async def test_an_issuer_that_was_not_there_at_start_is_tried_with_the_first_question() -> None:
    issuer = Issuer(down=Unfetched("not up yet"))
    answers = issuer.made()
    await answers.look()
    async with kept(answers):
        assert await answers.asked(TOKEN)
        assert reason(answers) is Reason.ISSUER_SILENT and TOKEN not in issuer.asked
        issuer.down, issuer.now = None, issuer.now + UNSAID
        assert await answers.asked(TOKEN)
        assert reason(answers) is None


async def test_before_it_is_kept_and_after_nobody_waits() -> None:
    issuer = Issuer()
    async with issuer.answers() as answers:
        pass
    with anyio.fail_after(5):
        assert not await answers.asked(TOKEN)
