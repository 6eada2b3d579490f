"""Processes and their ends. Real ones: what is killed is looked for in the process table."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from gateway.errors import Misconfigured
from gateway.settings import EnvironmentRule, ServerSettings
from gateway.wire.servers import process
from gateway.wire.servers.process import Command, Process
from gateway.wire.servers.stdio_lines import Overlong
from tests.servers.clients import command, command_of

PATIENCE = 20.0
DETACHED = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
print(child.pid, flush=True)
sys.stdin.read()
"""
ORPHANED = """
import subprocess, sys
job = "import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], \
stdout=2, process_group=0).pid)"
print(subprocess.run([sys.executable, "-c", job], stdout=-1).stdout.decode(), flush=True)
sys.stdin.read()
"""
GATEWAY = """
import asyncio, sys
from gateway.settings import ServerSettings
from gateway.wire.servers.stdio import StdioServer
async def main():
    server = StdioServer("tried", ServerSettings(command=tuple(sys.argv[1:])))
    await server.start()
    print(server.describe()["pid"], flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""


def python(code: str) -> Command:
    return Command("tried", (sys.executable, "-c", code), {}, None)


async def started(what: Command, lines: list[bytes | Overlong] | None = None) -> Process:
    return await process.start(
        what, 1_000_000, lambda _: (lines if lines is not None else []).append
    )


def gone(*pids: int) -> bool:
    """Whether all of them end within the patience."""
    alive = []
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            alive.append(psutil.Process(pid))
    return not psutil.wait_procs(alive, timeout=PATIENCE)[1]


async def test_lines_come_in_order_and_the_last_one_before_the_end() -> None:
    lines: list[bytes | Overlong] = []
    async with asyncio.timeout(PATIENCE):
        it = await started(python("for i in range(1000): print(i)"), lines)
        how = await it.ended
        await it.stop()
    assert lines == [b"%d" % i for i in range(1_000)]
    assert how == "its process ended, exit status 0"


@pytest.mark.parametrize("turns", range(1, 6))
async def test_a_start_that_is_cut_off_leaves_no_process_and_no_pipe_open(turns: int) -> None:
    starting = asyncio.create_task(started(python("input()")))
    for _ in range(turns):
        await asyncio.sleep(0)
    starting.cancel()
    [made] = await asyncio.gather(starting, return_exceptions=True)
    if isinstance(made, Process):
        await made.stop()
    children = psutil.Process().children()
    assert [child.pid for child in children if command_of(child)[-1:] == ["input()"]] == []
    gc.collect()  # a pipe nobody closed is a warning, and that is a failure


async def test_a_signal_is_told_apart_from_an_exit_status() -> None:
    async with asyncio.timeout(PATIENCE):
        it = await started(python("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"))
        how = await it.ended
        await it.stop()
    assert how == f"its process ended, killed by signal {signal.SIGSEGV}"


async def test_closing_its_output_is_an_end_though_it_lives_on() -> None:
    async with asyncio.timeout(PATIENCE):
        it = await started(python("import os, time; os.close(1); time.sleep(600)"))
        how = await it.ended
        await it.stop(patience=0.1)
    assert how == "it closed its standard output"
    assert gone(it.pid)


async def test_closing_its_input_is_an_end_too_as_nothing_reaches_it_any_more() -> None:
    async with asyncio.timeout(PATIENCE):
        it = await started(python("import os, time; os.close(0); time.sleep(600)"))
        how = await it.ended
        await it.stop(patience=0.1)
    assert how == "it closed its standard input"
    assert gone(it.pid)


async def test_it_inherits_no_descriptor_of_the_gateway(tmp_path: Path) -> None:
    lines: list[bytes | Overlong] = []
    with (tmp_path / "secret").open("w") as secret:
        os.set_inheritable(secret.fileno(), True)
        async with asyncio.timeout(PATIENCE):
            it = await started(
                python("import os; print(sorted(os.listdir('/proc/self/fd')))"), lines
            )
            await it.ended
            await it.stop()
    # The fourth is the directory being listed.
    assert lines == [b"['0', '1', '2', '3']"]


async def test_only_the_last_words_are_kept_and_none_can_move_the_cursor() -> None:
    code = (
        "import sys\nfor i in range(500): print(f'\\x1b[2J\\r{i}' + 'x' * 10_000, file=sys.stderr)"
    )
    async with asyncio.timeout(PATIENCE):
        it = await started(python(code))
        await it.ended
        await it.stop()
    words = it.last_words.splitlines()
    assert words[-1].startswith(r"\x1b[2J\r499") and max(map(len, words)) < 1_000


async def test_of_a_long_traceback_both_ends_are_told_one_of_which_is_the_error() -> None:
    code = "import sys\nfor n in range(15): print(f'  File {n}' + '.' * 60, file=sys.stderr)\nsys.exit('why')"
    async with asyncio.timeout(PATIENCE):
        it = await started(python(code))
        await it.ended
        await it.stop()
    words = it.last_words.splitlines()
    assert words[0].startswith("  File 0.") and words[-1] == "why" and "..." in words
    assert len(it.last_words) < 400


async def test_writing_to_one_that_ended_says_that_nothing_was_written() -> None:
    async with asyncio.timeout(PATIENCE):
        it = await started(python("pass"))
        assert it.write(b"x\n") in (True, False)
        await it.ended
        await it.room()
        written = it.write(b"x\n")
        await it.stop()
    assert written is False


async def test_a_polite_server_leaves_when_its_input_is_closed() -> None:
    async with asyncio.timeout(PATIENCE):
        it = await started(python("import sys; sys.stdin.read(); print('bye')"))
        await it.stop()
        assert await it.ended == "its process ended, exit status 0"


async def test_a_stubborn_server_and_its_stubborn_child_are_killed(tmp_path: Path) -> None:
    pid_file = tmp_path / "child"
    argv = command("--stubborn", "--child", str(pid_file))
    lines: list[bytes | Overlong] = []
    async with asyncio.timeout(PATIENCE):
        it = await started(Command("tried", argv, {}, None), lines)
        it.write(b'{"jsonrpc":"2.0","id":1,"method":"ping"}\n')
        while not lines:
            await asyncio.sleep(0.01)
        await it.stop(patience=0.2)
    assert gone(it.pid, int(pid_file.read_text()))


@pytest.mark.parametrize("code", [DETACHED, ORPHANED])
async def test_a_child_that_left_the_group_is_killed_too(code: str) -> None:
    """Also one whose parent is gone, as long as it is of the session."""
    lines: list[bytes | Overlong] = []
    async with asyncio.timeout(PATIENCE):
        it = await started(python(code), lines)
        while not lines:
            await asyncio.sleep(0.01)
        await it.stop(patience=0.2)
    assert isinstance(lines[0], bytes)
    assert gone(it.pid, int(lines[0]))


def test_when_the_gateway_is_killed_its_servers_and_their_children_die(tmp_path: Path) -> None:
    pid_file = tmp_path / "child"
    argv = command("--stubborn", "--child", str(pid_file))
    with subprocess.Popen(
        [sys.executable, "-c", GATEWAY, *argv],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[3],
        text=True,
    ) as gateway:
        assert gateway.stdout is not None
        server = int(gateway.stdout.readline())
        child = int(pid_file.read_text())
        assert psutil.pid_exists(server) and psutil.pid_exists(child)
        gateway.kill()
    assert gone(server, child)


def test_a_file_that_is_not_executable_is_no_command(tmp_path: Path) -> None:
    script = tmp_path / "server"
    script.write_text("#!/bin/sh\n")
    with pytest.raises(Misconfigured, match=r"servers\.git\.command"):
        process.command("git", ServerSettings(command=(str(script),)))
    script.chmod(0o755)
    assert process.command("git", ServerSettings(command=(str(script),))).argv == (str(script),)


def test_a_relative_command_is_looked_for_in_the_servers_directory(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin" / "server"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    settings = ServerSettings(command=("bin/server", "-v"), cwd=str(tmp_path))
    assert process.command("git", settings).argv == (str(script), "-v")


def test_a_command_is_looked_for_on_the_path_the_server_will_have(tmp_path: Path) -> None:
    script = tmp_path / "server"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    rule = EnvironmentRule(set={"PATH": str(tmp_path)})
    settings = ServerSettings(command=("server",), environment=rule)
    assert process.command("git", settings).argv == (str(script),)
    with pytest.raises(Misconfigured, match="not an executable here"):
        process.command("git", ServerSettings(command=("server",)))


def test_a_missing_directory_is_named() -> None:
    settings = ServerSettings(command=("true",), cwd="/no/such/place")
    with pytest.raises(Misconfigured, match=r"servers\.git\.cwd: '/no/such/place'"):
        process.command("git", settings)
