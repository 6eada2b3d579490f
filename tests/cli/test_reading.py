"""What is on record and goes by no such id is exit status 1 in every command."""

from __future__ import annotations

import pytest

from tests.system.home import Home


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = Home.idle(tmp_path_factory.mktemp("reading") / "home")
    home.must("contain", "--task", "none", "--no-undo", "--as", "ada")  # makes the journal
    return home


@pytest.mark.parametrize(
    "words",
    [
        "journal show nobody",
        "journal forget --as ada --call nobody",
        "journal settle nobody",
        "policy explain nobody",
        "warrant nobody",
        "evidence prove nobody",
        "rollback nobody",
        "rollback --resume nobody",
        "held show nobody",
        "approvals show nobody",
        "approvals deny nobody --as ada",
        "break-glass close nobody --as ada",
        "grant show nobody",
        "fence lift --agent nobody --as ada",
        "task confirm nobody",
    ],
)
def test_an_id_that_nothing_goes_by_is_exit_status_1(home: Home, words: str) -> None:
    ran = home.run(*words.split())
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "nobody" in ran.stderr and ran.stderr.count("\n") == 1
