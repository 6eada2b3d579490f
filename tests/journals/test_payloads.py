"""Payloads at rest: each under its own key, bound to its line, and nothing to guess by."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest

from gateway.journals import form
from gateway.journals.payloads import REF, Keeper, Kept, Payload
from gateway.journals.sqlite import SqliteJournal, SqliteReader
from gateway.journals.vault import Vault
from tests.journals.calls import intent

KEEPER = Keeper(Vault(b"k" * 32))
SAID = b'{"arguments":{"n":1}}'


def sealed(payload: Payload) -> Kept:
    """One by itself."""
    return together([payload])[0]


def together(payloads: Sequence[Payload]) -> list[Kept]:
    """As a reader finds them."""
    return [Kept(REF, bytes(key), bytes(data)) for key, data in KEEPER.seal_all(payloads)]


def test_what_was_sealed_is_opened_by_who_has_the_key_and_the_line() -> None:
    payload = Payload.of(0, SAID)
    kept = sealed(payload)
    assert KEEPER.open(kept, payload.commitment) == SAID
    assert SAID not in kept.data + kept.key


def test_the_same_said_twice_is_committed_to_and_sealed_differently() -> None:
    one, other = Payload.of(0, SAID), Payload.of(0, SAID)
    assert one.commitment != other.commitment
    assert sealed(one).data != sealed(other).data


def test_payloads_sealed_together_share_no_key() -> None:
    """Or destroying one's key would not forget it."""
    payloads = [Payload.of(0, b'{"n":%d}' % n) for n in range(5)]
    kept = together(payloads)
    for payload, one in zip(payloads, kept, strict=True):
        assert KEEPER.salted(one) == payload.plain
    for one, other in pairwise(kept):
        with pytest.raises(ValueError, match="no key"):
            KEEPER.salted(Kept(one.ref, other.key, one.data))


@pytest.mark.parametrize(
    "spoilt",
    [
        lambda kept: Kept("another/1", kept.key, kept.data),
        lambda kept: Kept(kept.ref, kept.key[:-1] + bytes([kept.key[-1] ^ 1]), kept.data),
        lambda kept: Kept(kept.ref, kept.key, kept.data[:-1] + bytes([kept.data[-1] ^ 1])),
        lambda kept: Kept(kept.ref, b"", b""),
    ],
)
def test_a_spoilt_payload_is_not_opened(spoilt: object) -> None:
    payload = Payload.of(0, SAID)
    assert callable(spoilt)
    with pytest.raises(ValueError, match="no key"):
        KEEPER.open(spoilt(sealed(payload)), payload.commitment)


def test_another_lines_payload_and_another_installations_are_not_opened() -> None:
    one, other = Payload.of(0, SAID), Payload.of(0, SAID)
    with pytest.raises(ValueError, match="not its line's"):
        KEEPER.open(sealed(one), other.commitment)
    with pytest.raises(ValueError, match="no key"):
        Keeper(Vault(b"x" * 32)).open(sealed(one), one.commitment)


def test_a_line_and_its_payloads_say_what_the_line_says() -> None:
    line = intent("call-1")
    body, payloads = form.write(line, "run")
    stays = json.loads(body)
    assert stays["payloads"] == {"arguments": payloads[0].commitment}
    assert "arguments" not in stays["record"]
    assert "/srv/x" not in body
    assert b"/srv/x" in payloads[0].plain


async def test_swapped_payloads_are_not_believed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Who can write the file can exchange rows; each line still knows its own."""
    path = tmp_path / "journal.db"
    journal = await SqliteJournal.open(path)
    for name in ("call-1", "call-2"):
        await journal.append(intent(name)).sealed()
    await journal.aclose()
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE payload SET id = -id")
        db.execute("UPDATE payload SET id = 24 + id")
        db.commit()
    with closing(SqliteReader(path)) as reader:
        lost = [reader.lines(name)[0].lost for name in ("call-1", "call-2")]
    assert lost == [{"arguments"}, {"arguments"}]
    assert "not its line's" in caplog.text
