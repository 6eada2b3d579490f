"""Whose name an operator's command goes by, where the machine knows it and where it does not."""

from __future__ import annotations

import getpass

import click
import pytest
from click.testing import CliRunner

from gateway.cli.operators import operator_option


@click.command()
@operator_option
def command(operator: str) -> None:
    click.echo(operator)


def test_it_is_who_is_logged_in_unless_another_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: "ada")
    assert CliRunner().invoke(command).output == "operator:ada\n"
    assert CliRunner().invoke(command, ["--as", "eve"]).output == "operator:eve\n"


@pytest.mark.parametrize("none", [KeyError("getpwuid(): uid not found"), OSError("no username")])
def test_a_user_without_a_name_as_in_a_container_has_to_give_one(
    monkeypatch: pytest.MonkeyPatch, none: Exception
) -> None:
    def unknown() -> str:
        raise none

    monkeypatch.setattr(getpass, "getuser", unknown)
    ran = CliRunner().invoke(command)
    assert (ran.exit_code, "--as NAME" in ran.output) == (2, True)
    assert CliRunner().invoke(command, ["--as", "eve"]).output == "operator:eve\n"
