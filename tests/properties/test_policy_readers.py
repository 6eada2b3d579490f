"""Whatever an operator's slip makes of a policy file: it loads, or it is one clear line. Never a traceback."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Misconfigured
from gateway.policy import cases, load

STARTER: Final = Path(__file__).parents[2] / "policies"
FILES: Final = ("policy.csv", "tiers.yaml", "constraints.yaml", "tests.yaml")
SLIPS: Final = (
    *"*|&~/{}[]:-'\"#\n\t ,@%>?!",
    *(
        "null",
        "true",
        ".nan",
        "1e999",
        "!!python/object:x ",
        "&a ",
        "*a ",
        "<<: ",
        "- ",
        "? {a: b}: c\n",
    ),
    *("\x00", "\u202e", "\u00e9", "\ufeff", "~2", "allow", "role:", "9" * 30),
)

slip = st.tuples(st.floats(0, 1), st.sampled_from([0, 0, 1, 3, 20, 80]), st.sampled_from(SLIPS))


def slipped(text: str, slips: list[tuple[float, int, str]]) -> str:
    for place, length, new in slips:
        at = int(place * len(text))
        text = text[:at] + new + text[at + length :]
    return text


@given(st.sampled_from(FILES), st.lists(slip, min_size=1, max_size=4))
def test_a_slip_in_any_file_loads_or_is_one_clear_line(
    name: str, slips: list[tuple[float, int, str]]
) -> None:
    with tempfile.TemporaryDirectory() as home:
        directory = Path(home, "policies")
        directory.mkdir()
        for file in ("model.conf", *FILES):
            shutil.copyfile(STARTER / file, directory / file)
        (directory / name).write_text(slipped((STARTER / name).read_text(), slips))
        try:
            cases.require(load(directory, {}))
        except Misconfigured as error:
            assert error.where is not None
            assert "\n" not in str(error)


@pytest.mark.parametrize("bad", ["? {a: b}\n: c\n", "a: \x00\n", "a: &b [*b]\n", "[" * 1_000])
def test_what_breaks_the_yaml_library_is_the_operators_error(tmp_path: Path, bad: str) -> None:
    directory = tmp_path / "policies"
    shutil.copytree(STARTER, directory)
    (directory / "tiers.yaml").write_text(bad)
    with pytest.raises(Misconfigured):
        load(directory, {})
