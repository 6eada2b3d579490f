"""Every place for checkpoints keeps the promises of `anchoring.Anchor`. Adapters are found, not listed."""

from __future__ import annotations

import importlib
import os
import pkgutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import anyio
import httpx
import pytest

import gateway.evidence.anchors
from gateway.evidence.anchoring import Anchor, Unanchored
from gateway.evidence.anchors import sending
from gateway.evidence.anchors.bucket import BucketAnchor, Keys, signed
from gateway.evidence.anchors.directory import DirectoryAnchor
from gateway.evidence.anchors.push import PushAnchor

NOTE = "bulkhead/0011\n7\nqg==\n\n\u2014 bulkhead/0011 c2ln\n"
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
KEYS = Keys("AKIDEXAMPLE", "a secret", "eu-central-1")


@dataclass
class Store:
    """A collector and a bucket: what came, by its path. It answers what it is told to."""

    status: int = 200
    came: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    url: str = ""


@contextmanager
def serving() -> Iterator[Store]:
    store = Store()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): said for name, said in self.headers.items()}
            store.came.append((self.command, self.path, headers, body))
            self.send_response(store.status)
            self.send_header("content-length", "0")
            self.end_headers()

        do_PUT = do_POST

        def log_message(self, format: str, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    store.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield store
    finally:
        server.shutdown()
        server.server_close()


@dataclass(frozen=True)
class Place:
    """An anchor, what it has, and how it is made to fail."""

    anchor: Anchor
    kept: Callable[[], list[str]]
    break_it: Callable[[], None]


@asynccontextmanager
async def _directory(path: Path) -> AsyncIterator[Place]:
    place = path / "elsewhere"

    def broken() -> None:
        if place.exists():
            place.rename(path / "away")
        place.write_text("a file")

    yield Place(
        DirectoryAnchor(place), lambda: [one.read_text() for one in place.iterdir()], broken
    )


@asynccontextmanager
async def _http(made: Callable[[str, httpx.AsyncClient], Anchor]) -> AsyncIterator[Place]:
    async with httpx.AsyncClient() as client:
        with serving() as store:
            yield Place(
                made(store.url, client),
                lambda: [body.decode() for body in {path: body for _, path, _, body in store.came}.values()],
                lambda: setattr(store, "status", 403),
            )  # fmt: skip


def _pushed(path: Path) -> AbstractAsyncContextManager[Place]:
    return _http(PushAnchor)


def _locked(path: Path) -> AbstractAsyncContextManager[Place]:
    days = timedelta(days=400)
    return _http(lambda url, client: BucketAnchor(f"{url}/notes", KEYS, days, client))


PLACES: dict[type, Callable[[Path], AbstractAsyncContextManager[Place]]] = {
    DirectoryAnchor: _directory,
    PushAnchor: _pushed,
    BucketAnchor: _locked,
}


def adapters() -> list[type]:
    """Every class in gateway/evidence/anchors that has the port's method."""
    found = []
    for module in pkgutil.iter_modules(
        gateway.evidence.anchors.__path__, "gateway.evidence.anchors."
    ):
        for thing in vars(importlib.import_module(module.name)).values():
            ours = isinstance(thing, type) and thing.__module__ == module.name
            if ours and hasattr(thing, "put"):
                found.append(thing)
    return found


@pytest.fixture(params=adapters(), ids=lambda adapter: adapter.__name__)
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    async with PLACES[request.param](tmp_path) as one:
        yield one


async def test_what_it_took_is_there(place: Place) -> None:
    await place.anchor.put("checkpoint-7", NOTE)
    assert place.kept() == [NOTE]


async def test_the_same_again_is_no_error_and_nothing_more(place: Place) -> None:
    await place.anchor.put("checkpoint-7", NOTE)
    await place.anchor.put("checkpoint-7", NOTE)
    assert place.kept() == [NOTE]


async def test_a_place_that_does_not_take_it_says_so(place: Place) -> None:
    place.break_it()
    with pytest.raises(Unanchored):
        await place.anchor.put("checkpoint-7", NOTE)


def test_it_has_a_name_for_the_log(place: Place) -> None:
    assert place.anchor.name


async def test_a_file_that_says_something_else_is_not_written_over(tmp_path: Path) -> None:
    anchor = DirectoryAnchor(tmp_path)
    await anchor.put("checkpoint-7", NOTE)
    with pytest.raises(Unanchored, match="something else"):
        await anchor.put("checkpoint-7", "another history")
    assert [path.read_text() for path in tmp_path.iterdir()] == [NOTE]


async def test_a_file_that_is_no_text_is_not_written_over_either(tmp_path: Path) -> None:
    (tmp_path / "checkpoint-7").write_bytes(b"\xff")
    with pytest.raises(Unanchored, match="something else"):
        await DirectoryAnchor(tmp_path).put("checkpoint-7", NOTE)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"\xff"]


async def test_what_a_killed_gateway_left_of_one_is_in_nobodys_way(tmp_path: Path) -> None:
    """In a container every gateway has the same process id."""
    (tmp_path / f".checkpoint-7.{os.getpid()}").write_text("half of")
    await DirectoryAnchor(tmp_path).put("checkpoint-7", NOTE)
    assert (tmp_path / "checkpoint-7").read_text() == NOTE


async def test_a_bucket_is_asked_to_keep_it_whoever_asks_to_delete_it() -> None:
    days = timedelta(days=30)
    with serving() as store:
        async with httpx.AsyncClient() as client:
            bucket = BucketAnchor(f"{store.url}/notes", KEYS, days, client, lambda: NOW)
            await bucket.put("c-7", NOTE)
        [(verb, path, headers, body)] = store.came
    assert (verb, path, body.decode()) == ("PUT", "/notes/c-7", NOTE)
    assert headers["x-amz-object-lock-mode"] == "COMPLIANCE"
    assert headers["x-amz-object-lock-retain-until-date"] == "2026-12-24T12:00:00Z"
    named = headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0]
    assert {"content-md5", "x-amz-object-lock-mode", "x-amz-object-lock-retain-until-date"} <= {
        *named.split(";")
    }


async def test_a_place_whose_answer_never_ends_has_taken_it(tmp_path: Path) -> None:
    """What it says is not waited for: a witness that drips bytes kept its gateway from stopping."""

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x"

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=endless())

    with anyio.fail_after(10):
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
            await PushAnchor("http://witness/x", client).put("checkpoint-7", NOTE)


async def test_a_place_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "SECONDS", 0.05)

    async def silent(request: httpx.Request) -> httpx.Response:
        await anyio.sleep_forever()
        raise AssertionError

    with anyio.fail_after(10):
        async with httpx.AsyncClient(transport=httpx.MockTransport(silent)) as client:
            with pytest.raises(Unanchored, match="TimeoutError"):
                await PushAnchor("http://witness/x", client).put("checkpoint-7", NOTE)


def test_the_published_signature_of_a_put() -> None:
    """Amazon S3 API reference, signature version 4, example "PUT Object"."""
    headers = signed(
        "PUT",
        "https://examplebucket.s3.amazonaws.com/test%24file.text",
        {"date": "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY"},
        b"Welcome to Amazon S3.",
        Keys("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "us-east-1"),
        datetime(2013, 5, 24, tzinfo=UTC),
    )
    assert headers["authorization"].endswith(
        "Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"
    )
