import hashlib

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from medperf.domain.errors import InvalidRequestError, LogForkError, ProofError
from medperf.provenance.merkle import (
    EMPTY_ROOT,
    MemoryNodes,
    Tree,
    leaf_hash,
    node_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)

# The reference tree of Certificate Transparency: inputs, roots and proofs of
# github.com/google/certificate-transparency, python/ct/crypto/merkle_test.py.
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
    bytes.fromhex(text)
    for text in (
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    )
]
INCLUSION = {
    (0, 8): (
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ),
    (5, 8): (
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ),
    (2, 3): ("fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",),
    (1, 5): (
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ),
}
CONSISTENCY = {
    (1, 1): (),
    (1, 8): (
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ),
    (6, 8): (
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ),
    (2, 5): (
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ),
}


def tree_of(leaves):
    tree = Tree(MemoryNodes())
    for leaf in leaves:
        tree.append(leaf_hash(leaf))
    return tree


def naive_root(leaves):
    """MTH of RFC 6962, section 2.1, as it is written there."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaf_hash(leaves[0])
    k = split(len(leaves))
    return node_hash(naive_root(leaves[:k]), naive_root(leaves[k:]))


def naive_path(m, leaves):
    """PATH of RFC 6962, section 2.1.1."""
    if len(leaves) <= 1:
        return []
    k = split(len(leaves))
    if m < k:
        return [*naive_path(m, leaves[:k]), naive_root(leaves[k:])]
    return [*naive_path(m - k, leaves[k:]), naive_root(leaves[:k])]


def naive_proof(m, leaves, whole=True):
    """SUBPROOF of RFC 6962, section 2.1.2."""
    if m == len(leaves):
        return [] if whole else [naive_root(leaves)]
    k = split(len(leaves))
    if m <= k:
        return [*naive_proof(m, leaves[:k], whole), naive_root(leaves[k:])]
    return [*naive_proof(m - k, leaves[k:], whole=False), naive_root(leaves[:k])]


def split(n):
    return max(1 << i for i in range(n.bit_length()) if 1 << i < n)


leaf_lists = st.lists(st.binary(max_size=3), min_size=1, max_size=70)


@pytest.mark.parametrize("size", range(9))
def test_roots_are_those_of_the_reference_tree(size):
    assert tree_of(LEAVES[:size]).root() == ROOTS[size]
    assert tree_of(LEAVES).root(size) == ROOTS[size]
    assert root_of(map(leaf_hash, LEAVES[:size])) == ROOTS[size]


@pytest.mark.parametrize("place", INCLUSION)
def test_inclusion_proofs_are_those_of_the_reference_tree(place):
    assert [step.hex() for step in tree_of(LEAVES).prove_inclusion(*place)] == [*INCLUSION[place]]


@pytest.mark.parametrize("sizes", CONSISTENCY)
def test_consistency_proofs_are_those_of_the_reference_tree(sizes):
    proof = tree_of(LEAVES).prove_consistency(*sizes)
    assert [step.hex() for step in proof] == [*CONSISTENCY[sizes]]


@given(leaf_lists)
def test_roots_follow_the_definition(leaves):
    assert tree_of(leaves).root() == root_of(map(leaf_hash, leaves)) == naive_root(leaves)


@given(leaf_lists, st.data())
def test_inclusion_proofs_follow_the_definition_and_hold(leaves, data):
    size = data.draw(st.integers(1, len(leaves)))
    index = data.draw(st.integers(0, size - 1))
    proof = tree_of(leaves).prove_inclusion(index, size)
    assert proof == naive_path(index, leaves[:size])
    verify_inclusion(leaf_hash(leaves[index]), index, size, proof, naive_root(leaves[:size]))


@given(leaf_lists, st.data())
def test_consistency_proofs_follow_the_definition_and_hold(leaves, data):
    size = data.draw(st.integers(1, len(leaves)))
    old = data.draw(st.integers(1, size))
    proof = tree_of(leaves).prove_consistency(old, size)
    assert proof == naive_proof(old, leaves[:size])
    verify_consistency(old, naive_root(leaves[:old]), size, naive_root(leaves[:size]), proof)


@given(st.integers(1, 70), st.data())
def test_a_changed_inclusion_proof_does_not_hold(size, data):
    leaves = [str(number).encode() for number in range(size)]
    tree = tree_of(leaves)
    index = data.draw(st.integers(0, size - 1))
    steps = tree.prove_inclusion(index)
    place = data.draw(st.integers(0, len(steps)))
    changes = {
        "leaf": leaf_hash(b"other"),
        "index": data.draw(st.integers(-1, size)),
        "root": bytes(32),
        "proof": data.draw(
            st.sampled_from(
                [
                    [*steps, bytes(32)],
                    [*steps[:place], *steps[place + 1 :]],
                    [*steps[:place], bytes(32), *steps[place + 1 :]],
                ]
            )
        ),
    }
    claim = {
        "leaf": leaf_hash(leaves[index]),
        "index": index,
        "size": size,
        "proof": steps,
        "root": tree.root(),
    }
    part = data.draw(st.sampled_from(sorted(changes)))
    assume(claim[part] != changes[part])
    with pytest.raises(ProofError):
        verify_inclusion(**{**claim, part: changes[part]})


@given(leaf_lists, st.data())
def test_a_rewritten_log_cannot_prove_that_it_grew(leaves, data):
    old = data.draw(st.integers(1, len(leaves)))
    place = data.draw(st.integers(0, old - 1))
    rewritten = [*leaves[:place], leaves[place] + b"!", *leaves[place + 1 :]]
    tree = tree_of(rewritten)
    with pytest.raises(LogForkError, match="forked"):
        verify_consistency(
            old,
            naive_root(leaves[:old]),
            len(leaves),
            tree.root(),
            tree.prove_consistency(old),
        )


def test_a_log_that_shrank_is_a_fork():
    with pytest.raises(LogForkError, match="shrank from 3 to 2"):
        verify_consistency(3, ROOTS[3], 2, ROOTS[2], [])


def test_two_logs_of_one_size_that_differ_are_a_fork():
    with pytest.raises(LogForkError, match="two logs of 3 leaves differ"):
        verify_consistency(3, ROOTS[3], 3, ROOTS[4], [])


def test_every_log_grew_from_the_empty_one():
    verify_consistency(0, EMPTY_ROOT, 3, ROOTS[3], tree_of(LEAVES).prove_consistency(0, 3))
    with pytest.raises(LogForkError):
        verify_consistency(0, ROOTS[1], 3, ROOTS[3], [])


@pytest.mark.parametrize(
    ("old", "new", "proof"),
    [
        (3, 3, [bytes(32)]),
        (3, 8, []),
        (4, 8, []),
        (6, 8, [bytes.fromhex(step) for step in CONSISTENCY[6, 8][:-1]]),
        (6, 8, [bytes.fromhex(step) for step in (*CONSISTENCY[6, 8], CONSISTENCY[6, 8][0])]),
    ],
)
def test_a_consistency_proof_has_the_right_length(old, new, proof):
    with pytest.raises(ProofError, match="consistency proof"):
        verify_consistency(old, ROOTS[old], new, ROOTS[new], proof)


@pytest.mark.parametrize(("index", "size"), [(-1, 8), (8, 8), (3, 3), (0, 0), (0, 9)])
def test_there_is_no_proof_of_what_is_not_there(index, size):
    with pytest.raises(InvalidRequestError):
        tree_of(LEAVES).prove_inclusion(index, size)


@pytest.mark.parametrize(("old", "size"), [(-1, 8), (5, 4), (8, 9)])
def test_there_is_no_proof_of_growth_into_the_past(old, size):
    with pytest.raises(InvalidRequestError):
        tree_of(LEAVES).prove_consistency(old, size)


def test_a_tree_continues_from_its_stored_nodes_and_size():
    nodes = MemoryNodes()
    first = Tree(nodes)
    for leaf in LEAVES[:5]:
        first.append(leaf_hash(leaf))
    later = Tree(nodes, size=5)
    assert [later.append(leaf_hash(leaf)) for leaf in LEAVES[5:]] == [5, 6, 7]
    assert later.size == 8
    assert later.root() == ROOTS[8]


def test_no_stored_node_is_ever_written_again():
    class WriteOnce(MemoryNodes):
        def put(self, level, index, node):
            assert (level, index) not in self._nodes
            super().put(level, index, node)

    tree = Tree(WriteOnce())
    for number in range(300):
        tree.append(leaf_hash(str(number).encode()))
