"""What the package promises to those who import it."""

from __future__ import annotations

from importlib import metadata, resources

import gateway
from tests.house.source import ROOT


def test_the_version_is_one_and_the_changelog_knows_it() -> None:
    assert gateway.__version__ == metadata.version("bulkhead") == "0.1.0"
    assert f"## [{gateway.__version__}]" in (ROOT / "CHANGELOG.md").read_text()


def test_the_package_is_typed() -> None:
    assert resources.files("gateway").joinpath("py.typed").is_file()


def test_the_command_is_bulkhead() -> None:
    (script,) = (
        point
        for point in metadata.entry_points(group="console_scripts")
        if point.name == "bulkhead"
    )
    assert script.value == "gateway.__main__:main"
