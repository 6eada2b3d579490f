"""`bulkhead token` as a person and a script use it."""

from __future__ import annotations

import json
import stat
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.cli.token import command
from gateway.core.model import Endpoint, Evidence, Tier, WorkloadIdentity
from gateway.errors import Misconfigured
from gateway.identity.jwt import JwtVerifier
from gateway.identity.local import LocalIssuer

ORIGIN = "http://127.0.0.1:8811"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "bulkhead.yaml"
    file.write_text("servers:\n  git:\n    command: [mcp-server-git]\n")
    return file


def run(config: Path, *words: str) -> Result:
    return CliRunner().invoke(command, ["--config", str(config), *words])


def believed(config: Path, token: str, endpoint: Endpoint) -> WorkloadIdentity:
    issuer = LocalIssuer.open(config.parent / ".bulkhead", ORIGIN)
    verifier = JwtVerifier([issuer.profile], ORIGIN)
    return verifier.verify(Evidence((f"Bearer {token}",), endpoint), int(time.time()))


def minted(config: Path, endpoint: Endpoint, *words: str) -> WorkloadIdentity:
    result = run(config, *words)
    assert result.exit_code == 0, result.output
    return believed(config, result.stdout.rstrip("\n"), endpoint)


def test_it_prints_the_token_and_nothing_else(config: Path) -> None:
    result = run(config, "--agent", "demo")
    assert result.stdout.count("\n") == 1
    assert result.stdout.count(".") == 2
    assert result.stderr == ""


def test_without_a_tier_it_is_for_data_and_tool_at_the_shared_endpoint(config: Path) -> None:
    identity = minted(config, Endpoint("all"), "--agent", "demo")
    assert identity.tiers == {Tier.DATA, Tier.TOOL}
    assert (identity.agent, identity.tenant, identity.intent) == ("agent:demo", "local", "general")


@pytest.mark.parametrize("tier", [Tier.DATA, Tier.TOOL])
def test_a_tier_names_its_endpoint(config: Path, tier: Tier) -> None:
    identity = minted(config, Endpoint("tier", tier), "--agent", "demo", "--tier", tier.value)
    assert identity.tiers == {tier}


def test_a_server_names_its_endpoint_and_tiers_narrow_it(config: Path) -> None:
    endpoint = Endpoint("server", server="git")
    wide = minted(config, endpoint, "--agent", "demo", "--server", "git")
    narrow = minted(config, endpoint, "--agent", "demo", "--server", "git", "--tier", "data")
    assert wide.tiers == {Tier.DATA, Tier.TOOL}
    assert narrow.tiers == {Tier.DATA}


def test_task_intent_tenant_and_life_are_taken(config: Path) -> None:
    words = "--agent demo --task T-42 --intent triage --tenant acme --ttl 90s".split()
    identity = minted(config, Endpoint("all"), *words)
    assert (identity.task, identity.intent, identity.tenant) == ("T-42", "triage", "acme")


def test_each_token_has_a_task_of_its_own(config: Path) -> None:
    one = minted(config, Endpoint("all"), "--agent", "demo")
    other = minted(config, Endpoint("all"), "--agent", "demo")
    assert one.task != other.task


def test_admin_is_not_minted_in_silence(config: Path) -> None:
    result = run(config, "--agent", "demo", "--tier", "admin")
    assert isinstance(result.exception, Misconfigured)
    assert "--yes" in str(result.exception)
    assert result.stdout == ""


def test_admin_is_minted_for_a_script_that_says_yes(config: Path) -> None:
    endpoint = Endpoint("tier", Tier.ADMIN)
    words = ["--agent", "demo", "--tier", "admin", "--yes"]
    assert minted(config, endpoint, *words).tiers == {Tier.ADMIN}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--server", "gti"], "no server 'gti'"),
        (["--server", "git", "--tier", "admin", "--yes"], "carries one or more of"),
        (["--tier", "data", "--tier", "tool"], "one endpoint"),
        (["--ttl", "2h"], "lives 1 to 3600"),
        (["--tier", "admin", "--yes", "--ttl", "16m"], "lives 1 to 900"),
        (["--intent", "a,b"], "intent"),
    ],
)
def test_a_wrong_wish_is_one_clear_error(config: Path, words: list[str], message: str) -> None:
    result = run(config, "--agent", "demo", *words)
    assert isinstance(result.exception, Misconfigured)
    assert message in str(result.exception)


@pytest.mark.parametrize("ttl", ["", "15", "15 m", "m", "-1s", "1d", "1.5h"])
def test_a_duration_is_a_number_and_its_unit(config: Path, ttl: str) -> None:
    result = run(config, "--agent", "demo", "--ttl", ttl)
    assert result.exit_code == (0 if ttl == "15" else 2)


@pytest.mark.parametrize("public", ["", "public_url: http://127.0.0.1:8811\n"])
def test_no_token_is_minted_for_a_gateway_beyond_loopback(config: Path, public: str) -> None:
    config.write_text(f"listen: 0.0.0.0:8811\n{public}" + config.read_text())
    result = run(config, "--agent", "demo")
    assert isinstance(result.exception, Misconfigured)
    assert "loopback only" in str(result.exception)


def test_json_says_all_of_it(config: Path) -> None:
    said = json.loads(run(config, "--agent", "demo", "--tier", "data", "--json").stdout)
    assert said["url"] == f"{ORIGIN}/data/mcp"
    assert said["tiers"] == ["data"]
    assert believed(config, said["token"], Endpoint("tier", Tier.DATA)).task == said["task"]


def test_the_state_it_makes_is_its_owners_alone(config: Path) -> None:
    run(config, "--agent", "demo")
    assert stat.S_IMODE((config.parent / ".bulkhead").stat().st_mode) == 0o700
