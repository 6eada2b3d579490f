"""What an agent's client answers in the middle of a call goes out only while the call's way out is open."""

from __future__ import annotations

from gateway.core.model import Answer, JsonObject
from gateway.errors import JournalError
from gateway.line.heeding import Heeding

QUESTION = "elicitation/create"


class Client:
    """Remembers what it was asked; while it answers, something may be read."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.closed = ""
        self.closes = ""
        """What the way out is closed by while it answers."""
        self.unreadable = False
        self.paused = 0

    def shut(self) -> str:
        if self.unreadable:
            raise JournalError("the disk is gone")
        return self.closed

    async def notify(self, method: str, params: JsonObject) -> None:
        self.asked.append(method)

    async def ask(self, method: str, params: JsonObject) -> Answer:
        self.asked.append(method)
        self.closed = self.closes
        return Answer({"action": "accept", "content": {"word": "s3cret"}})

    def pause(self) -> None:
        self.paused += 1


async def test_it_is_asked_and_answers_while_the_way_out_is_open() -> None:
    client = Client()
    answer = await Heeding(client, client.shut).ask(QUESTION, {})
    assert (answer.result, client.asked) == (
        {"action": "accept", "content": {"word": "s3cret"}},
        [QUESTION],
    )


async def test_what_it_answers_after_more_was_read_goes_nowhere() -> None:
    client = Client()
    client.closes = "private and untrusted data was read in this task"
    answer = await Heeding(client, client.shut).ask(QUESTION, {})
    assert answer.result is None and answer.error is not None
    assert "s3cret" not in repr(answer)
    assert "private" not in answer.error.message  # the server may be anybody's


async def test_nobody_is_asked_in_vain_or_in_doubt() -> None:
    closed, unreadable = Client(), Client()
    closed.closed, unreadable.unreadable = "private data was read in this task", True
    for client in (closed, unreadable):
        answer = await Heeding(client, client.shut).ask(QUESTION, {})
        assert (answer.result, client.asked) == (None, [])


async def test_notes_and_pauses_pass() -> None:
    client = Client()
    client.closed = "private data was read in this task"
    way = Heeding(client, client.shut)
    await way.notify("notifications/progress", {})
    assert way.pause is not None
    way.pause()
    assert (client.asked, client.paused) == (["notifications/progress"], 1)
