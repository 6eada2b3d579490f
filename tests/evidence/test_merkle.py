"""Against the vectors Certificate Transparency publishes, and every tree of a few leaves."""

from __future__ import annotations

import pytest

from gateway.evidence import merkle
from gateway.evidence.merkle import EMPTY_ROOT
from gateway.evidence.verify import (
    Checkpoint,
    Unsound,
    check_consistency,
    check_inclusion,
    leaf_hash,
    node_hash,
)

LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
INCLUSION = {
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    (1, 5): [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
CONSISTENCY = {
    (1, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}


def tree(leaves: list[bytes]) -> merkle.Node:
    hashes = [leaf_hash(leaf) for leaf in leaves]

    def node(level: int, index: int) -> bytes:
        if level == 0:
            return hashes[index]
        return node_hash(node(level - 1, 2 * index), node(level - 1, 2 * index + 1))

    return node


def test_the_published_roots() -> None:
    node = tree(LEAVES)
    assert merkle.root(0, node) == EMPTY_ROOT
    assert [merkle.root(size, node).hex() for size in range(1, 9)] == ROOTS


@pytest.mark.parametrize(("leaf", "path"), INCLUSION.items())
def test_the_published_inclusion_proofs(leaf: tuple[int, int], path: list[str]) -> None:
    assert [step.hex() for step in merkle.inclusion(*leaf, tree(LEAVES))] == path


@pytest.mark.parametrize(("sizes", "path"), CONSISTENCY.items())
def test_the_published_consistency_proofs(sizes: tuple[int, int], path: list[str]) -> None:
    assert [step.hex() for step in merkle.consistency(*sizes, tree(LEAVES))] == path


@pytest.mark.parametrize("size", range(1, 40))
def test_every_leaf_of_a_small_tree_is_proven_and_nothing_else_is(size: int) -> None:
    leaves = [b"%d" % number for number in range(size)]
    node = tree(leaves)
    root = merkle.root(size, node)
    for index, leaf in enumerate(leaves):
        path = merkle.inclusion(index, size, node)
        check_inclusion(leaf_hash(leaf), index, Checkpoint(size, root), path)
        wrong = [
            (leaf_hash(b"x"), index, size, path, root),
            (leaf_hash(leaf), index, size, [*path, root], root),
            (leaf_hash(leaf), index, size, path, leaf_hash(b"x")),
            (leaf_hash(leaf), size, size, path, root),
        ]
        if path:
            wrong += [
                (leaf_hash(leaf), index ^ 1, size, path, root),
                (leaf_hash(leaf), index, size, path[:-1], root),
                (leaf_hash(leaf), index, size, [leaf_hash(b"x"), *path[1:]], root),
            ]
        for claim in wrong:
            with pytest.raises(Unsound):
                check_inclusion(claim[0], claim[1], Checkpoint(claim[2], claim[4]), claim[3])


@pytest.mark.parametrize("size", range(1, 40))
def test_every_beginning_of_a_small_tree_is_proven_and_nothing_else_is(size: int) -> None:
    node = tree([b"%d" % number for number in range(size)])
    root = merkle.root(size, node)
    for old in range(1, size + 1):
        path, before = merkle.consistency(old, size, node), merkle.root(old, node)
        check_consistency(Checkpoint(old, before), Checkpoint(size, root), path)
        wrong = [
            (old, leaf_hash(b"x"), size, root, path),
            (old, before, size, leaf_hash(b"x"), path),
            (old, before, size, root, [*path, root]),
            (size + 1, before, size, root, path),
        ]
        if path:
            wrong.append((old, before, size, root, path[:-1]))
        for claim in wrong:
            with pytest.raises(Unsound):
                check_consistency(Checkpoint(*claim[:2]), Checkpoint(*claim[2:4]), claim[4])


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (0, 0)])
def test_there_is_no_proof_of_a_leaf_that_is_not_there(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="no leaf"):
        merkle.inclusion(index, size, tree(LEAVES))


@pytest.mark.parametrize(("old", "new"), [(0, 3), (4, 3)])
def test_there_is_no_proof_from_nothing_and_none_of_a_tree_that_shrank(old: int, new: int) -> None:
    with pytest.raises(ValueError, match="no tree"):
        merkle.consistency(old, new, tree(LEAVES))
