from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from gateway.core.model import Tier
from gateway.errors import Misconfigured
from gateway.files import following
from gateway.policy.live import LivePolicies
from tests.kubelet import Volume
from tests.policy.written import ALLOW, READER, question, written

CASES = """\
cases:
  - tells: ann reads
    agent: agent:ann
    server: git
    tool: git_log
    expect: allow
    rule: P1
"""
GOOD = f"{ALLOW}\n{READER}\n"
BOTH = f"{GOOD}g, agent:bob, role:reader, local\n"
DENIES_ALL = f"{GOOD}p, D1, *, *, *, *, *, *, *, -, deny\n"


OFTEN = 0.01
"""Seconds between two looks here."""


@pytest.fixture(autouse=True)
def _looking_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "follow", partial(following.follow, every=OFTEN))


class Told(asyncio.Queue[str]):
    """Remembers what an operator would be told."""


@asynccontextmanager
async def watching(policies: LivePolicies) -> AsyncIterator[Told]:
    """The watch at work, ended and awaited at the end."""
    told = Told()
    task = asyncio.ensure_future(policies.watch(told.put_nowait))
    try:
        yield told
    finally:
        task.cancel()
        await asyncio.wait([task])


def replace(path: Path, text: str) -> None:
    """As editors do: a new file under the old name."""
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    os.replace(fresh, path)


async def test_a_good_new_version_is_taken_whole(tmp_path: Path) -> None:
    directory = written(tmp_path, GOOD, cases=CASES)
    policies = LivePolicies(directory, {})
    before = policies.current
    async with asyncio.timeout(20), watching(policies) as told:
        replace(directory / "policy.csv", BOTH)
        line = await told.get()
    assert "in force" in line
    assert policies.current.version != before.version
    assert policies.current.decide(question("agent:bob")).permitted
    assert not before.decide(question("agent:bob")).permitted


async def test_a_config_map_that_changes_is_taken(tmp_path: Path) -> None:
    directory = written(tmp_path, GOOD, cases=CASES)
    files = {file.name: file.read_text() for file in directory.iterdir()}
    volume = Volume(tmp_path / "node")
    volume.says(files)
    with volume.mounted(tmp_path / "pod") as pod:
        policies = LivePolicies(pod, {})
        async with asyncio.timeout(20), watching(policies) as told:
            volume.says({**files, "policy.csv": BOTH})
            assert "in force" in await told.get()
    assert policies.current.decide(question("agent:bob")).permitted


@pytest.mark.parametrize("name", ["policy.csv", "model.conf", "tests.yaml"])
async def test_a_pipe_in_a_files_place_stops_nothing(tmp_path: Path, name: str) -> None:
    directory = written(tmp_path, GOOD, cases=CASES)
    text = (directory / name).read_text()
    policies = LivePolicies(directory, {})
    async with asyncio.timeout(20), watching(policies) as told:
        (directory / name).unlink()
        os.mkfifo(directory / name)
        assert "not taken" in await told.get()
        (directory / name).unlink()
        replace(directory / name, text)
        replace(directory / "policy.csv", BOTH)
        while "in force," not in await told.get():
            pass
    assert policies.current.decide(question("agent:bob")).permitted


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("policy.csv", f"{GOOD}q, nonsense\n", "policy.csv:3: a line starts with p or g"),
        ("policy.csv", DENIES_ALL, "tests.yaml:2: ann reads: expected allow by P1, got deny by D1"),
        ("policy.csv", "# empty\n", "got deny by no_rule"),
        ("tiers.yaml", "servers: {git: {tools: {git_log: {tier: data}}}}", "tiers.yaml:1"),
        ("model.conf", "[matchers]\nm = True\n", "not the pinned model"),
        ("tests.yaml", "cases: [{}]", "tests.yaml:1"),
    ],
)
async def test_a_bad_version_never_replaces_a_good_one(
    tmp_path: Path, name: str, text: str, says: str
) -> None:
    directory = written(tmp_path, GOOD, cases=CASES)
    policies = LivePolicies(directory, {})
    good = policies.current
    async with asyncio.timeout(20), watching(policies) as told:
        replace(directory / name, text)
        line = await told.get()
        refused = policies.current
        replace(directory / name, (directory / name).read_text() + "\n# touched\n")
        await told.get()
    assert refused is good
    assert policies.current is good
    assert "not taken" in line
    assert says in line
    assert "\n" not in line


async def test_files_that_are_as_before_again_are_told(tmp_path: Path) -> None:
    directory = written(tmp_path, GOOD)
    policies = LivePolicies(directory, {})
    async with asyncio.timeout(20), watching(policies) as told:
        replace(directory / "policy.csv", "oops\n")
        refused = await told.get()
        replace(directory / "policy.csv", GOOD)
        back = await told.get()
    assert "not taken" in refused
    short = policies.current.version[:19]
    assert back == f"policy {short} is what the files say again, and is in force"


async def test_a_mode_put_right_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It changes no file: what an operator is told to do is seen to be done."""
    monkeypatch.setattr(following, "AGAIN", 1)
    directory = written(tmp_path, GOOD, cases=CASES)
    policies = LivePolicies(directory, {})
    async with asyncio.timeout(20), watching(policies) as told:
        directory.chmod(0o777)
        replace(directory / "policy.csv", BOTH)
        lines = [await told.get()]
        await asyncio.sleep(2 * OFTEN)
        directory.chmod(0o755)
        lines += [await told.get()]
    assert ["not taken" in line for line in lines] == [True, False]
    assert "chmod o-w" in lines[0]
    assert policies.current.decide(question("agent:bob")).permitted


async def test_a_version_put_right_is_taken_and_told_once(tmp_path: Path) -> None:
    directory = written(tmp_path, GOOD, cases=CASES)
    policies = LivePolicies(directory, {})
    told: list[str] = []
    (directory / "policy.csv").write_text("oops\n")
    with pytest.raises(Misconfigured):
        await policies.take(told.append)
    (directory / "policy.csv").write_text(BOTH)
    await policies.take(told.append)
    await policies.take(told.append)
    assert ["in force" in line for line in told] == [True]


async def test_a_vanished_directory_leaves_the_policy_in_force(tmp_path: Path) -> None:
    directory = written(tmp_path, GOOD)
    policies = LivePolicies(directory, {})
    directory.rename(tmp_path / "elsewhere")
    with pytest.raises(Misconfigured):
        await policies.take(print)
    assert policies.current.decide(question()).permitted


async def test_where_intents_are_gone_no_role_is_enough_that_was_not(tmp_path: Path) -> None:
    """The default would let stand what the file did not."""
    directory = written(tmp_path, GOOD)
    said = directory / "intents.yaml"
    said.write_text("standing: []\n")
    policies = LivePolicies(directory, {})
    said.unlink()
    with pytest.raises(Misconfigured, match=r"intents\.yaml: it is gone"):
        await policies.take(print)
    assert policies.current.intents.standing == frozenset()
    said.write_text("standing: [data]\n")
    await policies.take(print)
    assert policies.current.intents.standing == {Tier.DATA}


async def test_where_its_cases_are_gone_no_version_is_taken_that_they_might_refuse(
    tmp_path: Path,
) -> None:
    """As when a copy of the directory comes file by file, and stops half way."""
    directory = written(tmp_path, GOOD, cases=CASES)
    policies = LivePolicies(directory, {})
    (directory / "tests.yaml").unlink()
    replace(directory / "policy.csv", DENIES_ALL)
    with pytest.raises(Misconfigured, match=r"tests\.yaml: it is gone"):
        await policies.take(print)
    assert policies.current.decide(question()).permitted


@pytest.mark.parametrize("name", ["intents.yaml", "tests.yaml", "constraints.yaml"])
def test_a_link_that_leads_nowhere_is_not_taken_for_a_file_left_out(
    tmp_path: Path, name: str
) -> None:
    """Where intents are left out, a role alone is enough for data and tool; where cases are, all of them pass."""
    directory = written(tmp_path, GOOD)
    (directory / name).symlink_to(tmp_path / "not mounted" / name)
    with pytest.raises(Misconfigured, match=rf"{name}: cannot read: No such file"):
        LivePolicies(directory, {})


def test_a_policy_that_fails_its_own_cases_does_not_start(tmp_path: Path) -> None:
    directory = written(tmp_path, DENIES_ALL, cases=CASES)
    with pytest.raises(Misconfigured, match="expected allow by P1, got deny by D1") as caught:
        LivePolicies(directory, {})
    assert caught.value.where is not None
    assert (Path(caught.value.where.file).name, caught.value.where.line) == ("tests.yaml", 2)


async def test_a_version_that_breaks_the_reader_is_not_taken_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = written(tmp_path, GOOD)
    policies = LivePolicies(directory, {})

    def broken(*_: object) -> object:
        raise RuntimeError("a bug of ours")

    monkeypatch.setattr("gateway.policy.live.load", broken)
    (directory / "policy.csv").write_text(BOTH)
    async with asyncio.timeout(20), watching(policies) as told:
        assert "RuntimeError: a bug of ours" in await told.get()
    assert policies.current.decide(question()).permitted
