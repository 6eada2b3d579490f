from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from gateway.errors import Misconfigured
from gateway.export.sinks import Event, FileSink, HttpSink, Undelivered
from gateway.stories.stage import free_port


def numbered(*numbers: int) -> list[Event]:
    return [{"metadata": {"sequence": number}} for number in numbers]


def test_a_file_knows_how_far_it_came(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    assert FileSink(path).reached().number == 0
    FileSink(path).deliver(numbered(1, 2))
    assert FileSink(path).reached().number == 2
    FileSink(path).deliver(numbered(3))
    assert [json.loads(text)["metadata"]["sequence"] for text in path.read_text().splitlines()] == [
        1,
        2,
        3,
    ]


def test_a_file_that_begins_with_the_last_line_of_another_goes_on_from_there(
    tmp_path: Path,
) -> None:
    """As the page says a file is rotated."""
    old, new = tmp_path / "events.jsonl.1", tmp_path / "events.jsonl"
    FileSink(old).deliver(numbered(1, 2, 3))
    new.write_text(old.read_text().splitlines(keepends=True)[-1])
    assert FileSink(new).reached().number == 3


@pytest.mark.parametrize(("torn", "reached"), [('{"metadata": {"seq', 2), ("", 2)])
def test_a_half_written_event_is_taken_off_and_comes_again(
    tmp_path: Path, torn: str, reached: int
) -> None:
    path = tmp_path / "events.jsonl"
    FileSink(path).deliver(numbered(1, 2))
    with path.open("a") as file:
        file.write(torn)
    assert FileSink(path).reached().number == reached
    assert path.read_text().endswith("}}\n")


def test_a_file_that_is_nothing_but_torn_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text('{"activity_id":3,"cate')
    assert (FileSink(path).reached().number, path.read_text()) == (0, "")


@pytest.mark.parametrize(
    "held",
    [
        "dear diary\n",
        "dear diary\n\n",
        "dear diary",
        "dear diary\nand no end",
        '{"servers": {}}',
        '{"metadata": {"version": 1}}\n',
        "7\n",
    ],
)
def test_another_kind_of_file_is_left_as_it_is_to_the_last_byte(tmp_path: Path, held: str) -> None:
    path = tmp_path / "bulkhead.yaml"
    path.write_text(held)
    with pytest.raises(Misconfigured, match="not a file of exported events"):
        FileSink(path).reached()
    assert path.read_text() == held


def test_a_directory_is_no_file_to_export_to(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="Is a directory"):
        FileSink(tmp_path).reached()


def test_a_file_that_cannot_be_written_has_not_taken_them(tmp_path: Path) -> None:
    with pytest.raises(Undelivered):
        FileSink(tmp_path / "nowhere" / "events.jsonl").deliver(numbered(1))


class Collector:
    """Remembers what it took; answers as it is told."""

    def __init__(self) -> None:
        self.took: list[int] = []
        self.status = 200

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.status == 200:
            lines = request.content.splitlines()
            self.took += [json.loads(line)["metadata"]["sequence"] for line in lines]
        return httpx.Response(self.status)


def http(collector: Collector, tmp_path: Path) -> HttpSink:
    client = httpx.Client(transport=httpx.MockTransport(collector))
    return HttpSink("http://collector/x", tmp_path / "cursor", client)


def test_why_a_collector_was_not_reached_is_told(tmp_path: Path) -> None:
    with httpx.Client() as client, pytest.raises(Undelivered, match="refused"):
        HttpSink(f"http://127.0.0.1:{free_port()}/x", tmp_path / "cursor", client).deliver(
            numbered(1)
        )


@pytest.mark.parametrize("status", [500, 302, 401])
def test_a_collector_that_says_no_gets_the_same_events_again(tmp_path: Path, status: int) -> None:
    collector = Collector()
    http(collector, tmp_path).deliver(numbered(1, 2))
    collector.status = status
    with pytest.raises(Undelivered, match=str(status)):
        http(collector, tmp_path).deliver(numbered(3))
    assert http(collector, tmp_path).reached().number == 2
    collector.status = 200
    http(collector, tmp_path).deliver(numbered(3))
    assert (collector.took, http(collector, tmp_path).reached().number) == ([1, 2, 3], 3)


def test_what_a_collector_says_beside_its_status_is_not_read(tmp_path: Path) -> None:
    said = list[bytes]()

    def endless() -> Iterator[bytes]:
        while len(said) < 1_000:
            said.append(b"and so on")
            yield said[-1]

    client = httpx.Client(
        transport=httpx.MockTransport(lambda _: httpx.Response(202, content=endless()))
    )
    sink = HttpSink("http://collector/x", tmp_path / "cursor", client)
    sink.deliver(numbered(1))
    assert (sink.reached().number, said) == (1, [])


def test_a_cursor_of_before_it_named_its_event_is_read(tmp_path: Path) -> None:
    (tmp_path / "cursor").write_text("41")
    assert http(Collector(), tmp_path).reached() == (41, "")


def test_a_cursor_that_is_none_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "cursor").write_text("far")
    with pytest.raises(Misconfigured, match="not a cursor"):
        http(Collector(), tmp_path).reached()
