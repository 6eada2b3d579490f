"""bulkhead.yaml as operators write it, and as they get it wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.errors import Misconfigured
from gateway.settings import Settings, load
from tests.kubelet import Volume


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "bulkhead.yaml"
    path.write_text(text)
    return path


def loaded(tmp_path: Path, text: str) -> Settings:
    return load(written(tmp_path, text))


def test_paths_are_relative_to_the_file_not_to_where_the_gateway_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    text = "servers:\n  a: {command: [bin/tool, x/y], cwd: world}\n  b: {command: [tool]}\n"
    settings = loaded(tmp_path, text)
    assert settings.policy_dir == tmp_path / "policies"
    assert settings.state_dir == tmp_path / ".bulkhead"
    assert settings.servers["a"].command == (str(tmp_path / "bin/tool"), "x/y")
    assert settings.servers["a"].cwd == str(tmp_path / "world")
    assert settings.servers["b"].command == ("tool",)
    assert settings.servers["b"].cwd == str(tmp_path)


@pytest.mark.parametrize("within", ["", "conf/"])
def test_what_a_config_map_leads_to_is_found_after_it_changed(tmp_path: Path, within: str) -> None:
    volume = Volume(tmp_path / "node")
    text = "servers: {a: {command: [tool]}}\n"
    files = {f"{within}bulkhead.yaml": text, f"{within}policies/policy.csv": "# one\n"}
    volume.says(files)
    with volume.mounted(tmp_path / "pod") as pod:
        settings = load(pod / within / "bulkhead.yaml")
        volume.says({**files, f"{within}policies/policy.csv": "# two\n"})
        assert (settings.policy_dir / "policy.csv").read_text() == "# two\n"
        assert settings.servers["a"].cwd == str(pod / within)


def test_a_link_is_followed_to_where_the_file_is(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    link = tmp_path / "bulkhead.yaml"
    link.symlink_to(written(tmp_path / "far", "servers: {}\n"))
    assert load(link).policy_dir == tmp_path / "far" / "policies"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("servers: {}\nlsten: 127.0.0.1:1\n", 2, "lsten: unknown key"),
        ("servers:\n  a:\n    comand: [x]\n", 3, "servers.a.comand: unknown key"),
        ("servers:\n  Big: {command: [x]}\n", 2, "servers.Big: an id is"),
        ("servers:\n  a: {}\n", 2, "either command (stdio) or url"),
        ("servers:\n  a: {command: [x], url: 'http://h/'}\n", 2, "either command (stdio) or url"),
        ("servers:\n  a: {command: []}\n", 2, "command is empty"),
        ("servers:\n  a: {url: 'ftp://h/'}\n", 2, "url must start with"),
        ("servers:\n  a: {command: [x], destination: 'h:1'}\n", 2, "without a port"),
        ("servers:\n  a: {command: [x], destination: H.x}\n", 2, "in small letters"),
        ("servers:\n  a: {command: [x], destination: '127.1'}\n", 2, "no host in its plain form"),
        ("listen: nowhere\nservers: {}\n", 1, "is not HOST:PORT"),
        ("listen: 127.0.0.1:99999\nservers: {}\n", 1, "is not HOST:PORT"),
        ("listen: ::1:8811\nservers: {}\n", 1, "nor [IPv6]:PORT"),
        ("tenant: ''\nservers: {}\n", 1, "tenant: "),
        ("tenant: a b\nservers: {}\n", 1, "tenant: "),
        ("servers: {}\npublic_url: https://gate.example/x\n", 2, "public_url: "),
        ("servers: {}\npublic_url: https://gate.example?x\n", 2, "public_url: "),
        ("home: /\nservers: {}\n", 1, "home: unknown key"),
        ("servers: {}\nlimits:\n  max_body: '5'\n", 3, "limits.max_body"),
        ("servers: {}\nservers: {}\n", 2, 'duplicate key "servers"'),
        ("servers:\n  a: {command: [x], companion_of: b}\n", 2, "no server agents are offered"),
        ("servers:\n  a:\n    command: [x]\n    companion_of: a\n", 4, "no server agents"),
        (
            "servers:\n  a: {command: [x], companion_of: b}\n  b: {command: [y], companion_of: a}\n",
            2,
            "servers.a.companion_of: 'b' is no server agents are offered",
        ),
        (
            "servers:\n  a: {command: [x]}\n  b: {command: [y], companion_of: a}\n"
            "  c: {command: [z], companion_of: a}\n",
            4,
            "servers.c.companion_of: a has a companion already, b",
        ),
    ],
)
def test_a_mistake_is_one_line_at_its_place(
    tmp_path: Path, text: str, line: int, words: str
) -> None:
    path = written(tmp_path, text)
    with pytest.raises(Misconfigured) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}:{line}: ")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_key_that_is_there_twice_is_told_without_all_that_stands_below_it(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured) as caught:
        loaded(tmp_path, "servers:\n  a: {command: [x, s3cret]}\n  a: {command: [y]}\n")
    assert str(caught.value).endswith('bulkhead.yaml:3: found duplicate key "a"')


@pytest.mark.parametrize("listen", ["[::1]:8811", "127.0.0.1:0", "localhost:65535"])
def test_an_address_is_a_host_and_a_port(tmp_path: Path, listen: str) -> None:
    assert loaded(tmp_path, f"listen: '{listen}'\nservers: {{}}\n").listen == listen


def test_a_state_directory_that_anybody_could_change_is_refused(tmp_path: Path) -> None:
    state = tmp_path / ".bulkhead"
    state.mkdir()
    state.chmod(0o777)
    with pytest.raises(Misconfigured, match=r"\.bulkhead: mode is 0777: anybody"):
        loaded(tmp_path, "servers: {}\n")


def test_a_companion_is_offered_to_nobody(tmp_path: Path) -> None:
    text = "servers:\n  a: {command: [x]}\n  a-undo: {command: [y], companion_of: a}\n"
    settings = loaded(tmp_path, text)
    assert settings.offered == {"a"}
    assert settings.servers["a-undo"].companion_of == "a"


def test_the_origin_is_where_agents_reach_it(tmp_path: Path) -> None:
    plain = loaded(tmp_path, "listen: 127.0.0.1:9000\nservers: {}\n")
    public = loaded(tmp_path, "public_url: https://gate.example/\nservers: {}\n")
    assert (plain.origin, plain.host, plain.port) == ("http://127.0.0.1:9000", "127.0.0.1", 9000)
    assert public.origin == "https://gate.example"
