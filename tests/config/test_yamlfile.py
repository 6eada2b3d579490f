"""An operator's file says what is written in it, or nothing."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from gateway.catalogue import pins
from gateway.config import yamlfile
from gateway.errors import Misconfigured
from gateway.policy import rules
from tests.kubelet import Volume


def rules_of(file: Path) -> object:
    return rules.read(file, [], [])


def pins_of(file: Path) -> object:
    return pins.load(file.parent.parent, ["git"])


def fault(tmp_path: Path, text: str) -> str:
    file = tmp_path / "tiers.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(Misconfigured) as caught:
        yamlfile.read(file)
    return str(caught.value).removeprefix(str(file))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\n1.10: {x: 1}\n", ":2: key 1.1 is not text"),
        ("a:\n  0x10: b\n", ":2: key 16 is not text"),
        ("a:\n  010: b\n", ":2: key 10 is not text"),
        ("a:\n  true: b\n", ":2: key True is not text"),
        ("a:\n  ~: b\n", "is not text"),
        ("a:\n  1: b\n  '1': c\n", ":2: key 1 is not text"),
        ("a:\n  ? [x, y]\n  : b\n", "is not text"),
        ("a:\n  !x b: c\n", "is not text"),
        ("a: 1\nb: !x c\n", ":2: is neither text"),
        ("a: 1\nb: !!str 5\n", ":2: is neither text"),
        ("a: 1\nb: !!binary aGVsbG8=\n", ":2: is neither text"),
        ("a: 1\nb: 2026-01-01\n", ":2: is neither text"),
        ("a: 1\nb: !x {c: d}\n", ":2: !x: tags"),
        ("a: 1\nb: !x [c]\n", ":2: !x: tags"),
        ("a:\n  - 1\n  - .nan\n", ":3: nan is not a number"),
        ("a: .inf\n", ":1: inf is not a number"),
        ("a: -.inf\n", ":1: -inf is not a number"),
        (f"a: 1\nb: 0x{'f' * 5000}\n", ":2: is too large a number"),
        ("a: &a\n  <<: *a\n", ": << merges a mapping into itself"),
        ('a: 1\nb: ["\\ud800"]\n', ":2: half a character"),
        (f"a: {'[' * 3000}{']' * 3000}\n", ": nested too deeply"),
        ("a: {b: 1, # x\u2028 c: 2,\n}\n", ":1: character 0x2028 is not allowed"),
        ("a: 1\n# x\u2029\n", ":2: character 0x2029"),
        ("a: 1\nb: x\x85\n", ":2: character 0x0085"),
        ("%YAML 1.1\n---\na: yes\n", "YAML 1.2"),
        ("%TAG ! tag:x,2000:\n---\na: b\n", "YAML 1.2"),
    ],
)
def test_what_would_become_something_else_is_refused_at_its_line(
    tmp_path: Path, text: str, said: str
) -> None:
    assert said in fault(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: {yes: no, on: off}\n", {"a": {"yes": "no", "on": "off"}}),
        ("a: ['2026-01-01', '010', \"1.10\"]\n", {"a": ["2026-01-01", "010", "1.10"]}),
        ("a: [true, null, 1, -2.5, 0x10]\n", {"a": [True, None, 1, -2.5, 16]}),
        ("a: &x {b: 1}\nc: *x\n", {"a": {"b": 1}, "c": {"b": 1}}),
        ("a: &x true\nb: |\n  two\n  lines\n", {"a": True, "b": "two\nlines\n"}),
        ("\ufeffa: 1\r\nb: 2\r\n", {"a": 1, "b": 2}),
        ("a: 'x%YAML'\n", {"a": "x%YAML"}),
    ],
)
def test_ordinary_yaml_is_read_as_it_stands(tmp_path: Path, text: str, value: Any) -> None:
    file = tmp_path / "tiers.yaml"
    file.write_bytes(text.encode())
    assert yamlfile.plain(yamlfile.read(file)) == value


def test_a_comment_that_cannot_be_kept_is_one_clear_line(tmp_path: Path) -> None:
    assert "put the comment above the key" in fault(tmp_path, "a: # x\n  c\n\nb: 1\n")


@pytest.mark.parametrize("read", [yamlfile.read, rules_of, pins_of])
@pytest.mark.parametrize(("file_mode", "directory_mode"), [(0o666, 0o755), (0o644, 0o777)])
def test_a_file_anybody_could_change_is_refused(
    tmp_path: Path, read: Callable[[Path], object], file_mode: int, directory_mode: int
) -> None:
    directory = tmp_path / "pins"
    directory.mkdir()
    file = directory / "git.json"
    file.write_text("{}")
    file.chmod(file_mode)
    directory.chmod(directory_mode)
    with pytest.raises(Misconfigured, match="anybody on this machine") as caught:
        read(file)
    assert "chmod" in str(caught.value)


@pytest.mark.parametrize(("file_mode", "directory_mode"), [(0o664, 0o775), (0o600, 0o1777)])
def test_a_group_and_a_sticky_directory_are_the_operators_own_affair(
    tmp_path: Path, file_mode: int, directory_mode: int
) -> None:
    file = tmp_path / "tiers.yaml"
    file.write_text("a: 1\n")
    file.chmod(file_mode)
    tmp_path.chmod(directory_mode)
    assert yamlfile.read(file) == {"a": 1}


def test_a_config_map_is_open_to_all_by_its_mode_alone(tmp_path: Path) -> None:
    volume = Volume(tmp_path / "node")
    volume.says({"git.json": "{}"})
    with pytest.raises(Misconfigured, match="anybody on this machine"):
        yamlfile.read(tmp_path / "node" / "git.json")
    with volume.mounted(tmp_path / "pins") as pod:
        assert yamlfile.read(pod / "git.json") == {}


def test_that_nobody_can_write_here_says_nothing_of_elsewhere(tmp_path: Path) -> None:
    """To a hardened service its own files are read-only, whoever may write them outside of it."""
    volume = Volume(tmp_path / "node")
    volume.says({"git.json": "{}"})
    data = tmp_path / "node" / "..data"
    with volume.mounted(tmp_path / "pins") as pod:
        os.chown(data, 12345, -1, follow_symlinks=False)
        with pytest.raises(Misconfigured, match="anybody on this machine"):
            yamlfile.read(pod / "git.json")
        data.unlink()
        (tmp_path / "node" / "plain.json").write_text("{}")
        with pytest.raises(Misconfigured, match="anybody on this machine"):
            yamlfile.read(pod / "plain.json")


def test_aliases_of_aliases_are_not_written_out(tmp_path: Path) -> None:
    each = [
        f"{key}: &{key} [{', '.join([f'*{before}'] * 9)}]"
        for before, key in pairwise("abcdefghijkl")
    ]
    assert "aliases" in fault(tmp_path, "\n".join(["a: &a [x]", *each, ""]))


def test_an_alias_is_read_as_what_it_stands_for(tmp_path: Path) -> None:
    file = tmp_path / "tiers.yaml"
    file.write_text("a: &a {tier: data}\n" + "".join(f"b{n}: *a\n" for n in range(1000)))
    assert yamlfile.plain(yamlfile.read(file))["b999"] == {"tier": "data"}


def test_bytes_that_are_no_text_are_named_by_their_line(tmp_path: Path) -> None:
    file = tmp_path / "tiers.yaml"
    file.write_bytes(b"a: 1\nb: \xff\n")
    with pytest.raises(Misconfigured, match=f"{file}:2: not UTF-8"):
        yamlfile.read(file)


@pytest.mark.parametrize("read", [yamlfile.read, rules_of, pins_of])
def test_a_link_to_itself_is_no_file(tmp_path: Path, read: Callable[[Path], object]) -> None:
    file = tmp_path / "pins" / "git.json"
    file.parent.mkdir()
    file.symlink_to(file.name)
    with pytest.raises(Misconfigured, match=f"{file}: cannot read"):
        read(file)


@pytest.mark.parametrize("read", [yamlfile.read, rules_of, pins_of])
def test_a_pipe_is_not_waited_for(tmp_path: Path, read: Callable[[Path], object]) -> None:
    (tmp_path / "pins").mkdir()
    file = tmp_path / "pins" / "git.json"
    os.mkfifo(file)
    with pytest.raises(Misconfigured, match="a pipe"):
        read(file)


def test_what_a_shell_hands_over_is_read(tmp_path: Path) -> None:
    """`-c <(sops -d bulkhead.enc.yaml)`: a pipe without a name, and somebody who writes."""
    reading, writing = os.pipe()
    os.write(writing, b"a: 1\n")
    os.close(writing)
    try:
        assert yamlfile.read(Path(f"/dev/fd/{reading}")) == {"a": 1}
    finally:
        os.close(reading)
