from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.evidence import merkle
from gateway.evidence.merkle import EMPTY_ROOT
from gateway.evidence.tiles import Tiles
from gateway.evidence.verify import Checkpoint, leaf_hash
from gateway.journals.tilefile import TileFile
from tests.evidence.test_merkle import tree


@settings(max_examples=15, deadline=None)
@given(st.lists(st.sampled_from([1, 2, 255, 256, 257, 700]), min_size=1, max_size=6))
def test_the_log_on_disk_has_the_root_of_the_tree_whatever_came_at_once(
    tmp_path_factory: pytest.TempPathFactory, batches: list[int]
) -> None:
    path = tmp_path_factory.mktemp("log") / "evidence.db"
    leaves: list[bytes] = []
    for batch in batches:
        fresh = [b"%d" % number for number in range(len(leaves), len(leaves) + batch)]
        leaves += fresh
        file = TileFile(path)
        log = Tiles(file)
        log.append([leaf_hash(leaf) for leaf in fresh])
        assert log.root() == Checkpoint(len(leaves), merkle.root(len(leaves), tree(leaves)))
        file.close()


def test_a_log_crosses_from_one_level_of_tiles_to_the_next(tmp_path: Path) -> None:
    leaves = [b"%d" % number for number in range(256 * 256 + 3)]
    log = Tiles(TileFile(tmp_path / "evidence.db"))
    hashes = [leaf_hash(leaf) for leaf in leaves]
    for start in range(0, len(hashes), 5000):
        log.append(hashes[start : start + 5000])
    size = len(leaves)
    assert log.root().root == merkle.root(size, tree(leaves))
    for index in (0, 255, 256, 65_535, 65_536, size - 1):
        assert merkle.inclusion(index, size, log.node) == merkle.inclusion(
            index, size, tree(leaves)
        )


def test_an_empty_log_is_of_size_nought(tmp_path: Path) -> None:
    log = Tiles(TileFile(tmp_path / "evidence.db"))
    log.append([])
    assert log.root() == Checkpoint(0, EMPTY_ROOT)


def test_a_subtree_that_is_not_complete_has_no_hash(tmp_path: Path) -> None:
    log = Tiles(TileFile(tmp_path / "evidence.db"))
    log.append([leaf_hash(b"a")] * 3)
    with pytest.raises(KeyError):
        log.node(2, 0)
