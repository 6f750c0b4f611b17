"""The Merkle tree of RFC 6962, section 2.1: appending, proving and checking.

Nodes are numbered by level (0: leaves) and index. A node at (level, index) covers the leaves from
``index << level`` up to, not including, ``(index + 1) << level`` and is stored only once all of
them exist, so nothing stored ever changes. The tree itself holds no state but its size.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from medperf.domain.errors import InvalidRequestError, LogForkError, ProofError

EMPTY_ROOT = hashlib.sha256(b"").digest()
"""The root of the tree without leaves."""


class NodeStore(Protocol):
    """Where the hashes of complete subtrees are kept."""

    def get(self, level: int, index: int) -> bytes:
        """The hash stored there; KeyError if there is none."""
        ...

    def put(self, level: int, index: int, node: bytes) -> None:
        """Keep a hash; each place is written once."""
        ...


class MemoryNodes:
    """A `NodeStore` in memory."""

    def __init__(self) -> None:
        self._nodes: dict[tuple[int, int], bytes] = {}

    def get(self, level: int, index: int) -> bytes:
        """The hash stored there; KeyError if there is none."""
        return self._nodes[level, index]

    def put(self, level: int, index: int, node: bytes) -> None:
        """Keep a hash."""
        self._nodes[level, index] = node


def leaf_hash(data: bytes) -> bytes:
    """The hash of a leaf that records these bytes."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of a node above two others."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_of(leaf_hashes: Iterable[bytes]) -> bytes:
    """The root over these leaf hashes, without keeping a tree."""
    # The stack holds the perfect subtrees of the leaves so far, the largest first.
    stack: list[tuple[int, bytes]] = []
    for leaf in leaf_hashes:
        level, node = 0, leaf
        while stack and stack[-1][0] == level:
            level, node = level + 1, node_hash(stack.pop()[1], node)
        stack.append((level, node))
    return _fold_right([node for _, node in stack])


class Tree:
    """A tree of some size over stored nodes.

    Every question about an earlier size can be asked of a later tree too.
    """

    def __init__(self, nodes: NodeStore, size: int = 0) -> None:
        self._nodes = nodes
        self._size = size

    @property
    def size(self) -> int:
        """How many leaves there are."""
        return self._size

    def append(self, leaf: bytes) -> int:
        """Add a leaf hash and answer its index; stores 1 + log2(size) nodes at most."""
        index = position = self._size
        level, node = 0, leaf
        self._nodes.put(level, position, node)
        while position & 1:
            node = node_hash(self._nodes.get(level, position - 1), node)
            level, position = level + 1, position >> 1
            self._nodes.put(level, position, node)
        self._size += 1
        return index

    def root(self, size: int | None = None) -> bytes:
        """The root of the first `size` leaves, of all by default."""
        return self._range(0, self._checked(size))

    def prove_inclusion(self, index: int, size: int | None = None) -> list[bytes]:
        """The proof that leaf `index` is in the tree of the first `size` leaves (2.1.1).

        Raises:
            InvalidRequestError: if there is no such leaf or tree.
        """
        size = self._checked(size)
        if not 0 <= index < size:
            raise InvalidRequestError(f"there is no leaf {index} in a tree of {size} leaves")
        proof: list[bytes] = []
        start, end = 0, size
        while end - start > 1:
            middle = start + _split(end - start)
            if index < middle:
                proof.append(self._range(middle, end))
                end = middle
            else:
                proof.append(self._range(start, middle))
                start = middle
        return proof[::-1]

    def prove_consistency(self, old_size: int, size: int | None = None) -> list[bytes]:
        """The proof that the tree of `size` leaves begins with that of `old_size` (2.1.2).

        Raises:
            InvalidRequestError: if there is no such tree.
        """
        size = self._checked(size)
        if not 0 <= old_size <= size:
            raise InvalidRequestError(f"a tree of {old_size} leaves is not before one of {size}")
        if old_size in {0, size}:
            return []
        proof: list[bytes] = []
        start, end, whole = 0, size, True
        while end != old_size:
            middle = start + _split(end - start)
            if old_size <= middle:
                proof.append(self._range(middle, end))
                end = middle
            else:
                proof.append(self._range(start, middle))
                start, whole = middle, False
        # The checker knows the old root, so its own subtree is left out.
        if not whole:
            proof.append(self._range(start, end))
        return proof[::-1]

    def _checked(self, size: int | None) -> int:
        if size is None:
            return self._size
        if not 0 <= size <= self._size:
            raise InvalidRequestError(f"the tree has {self._size} leaves, not {size}")
        return size

    def _range(self, start: int, end: int) -> bytes:
        return _fold_right([self._nodes.get(*place) for place in _subtrees(start, end)])


def verify_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> None:
    """Answer if the leaf hash is at `index` of the tree of this size and root (RFC 9162, 2.1.3.2).

    Raises:
        ProofError: if the proof does not show it.
    """
    if not 0 <= index < size:
        raise ProofError(f"there is no leaf {index} in a tree of {size} leaves")
    position, last, node = index, size - 1, leaf
    for step in proof:
        if last == 0:
            raise ProofError("the inclusion proof is too long")
        if position & 1 or position == last:
            node = node_hash(step, node)
            # At the right edge a node without a sibling moves up unchanged.
            while not position & 1:
                position, last = position >> 1, last >> 1
        else:
            node = node_hash(node, step)
        position, last = position >> 1, last >> 1
    if last != 0:
        raise ProofError("the inclusion proof is too short")
    if node != root:
        raise ProofError(f"leaf {index} is not in the log: the inclusion proof does not hold")


def verify_consistency(
    old_size: int, old_root: bytes, size: int, root: bytes, proof: Sequence[bytes]
) -> None:
    """Answer if the tree grew from the old one by appending only (RFC 9162, 2.1.4.2).

    Raises:
        LogForkError: if it did not.
        ProofError: if the proof has the wrong length.
    """
    if old_size > size:
        raise LogForkError(f"the log shrank from {old_size} to {size} leaves")
    if old_size in {0, size}:
        if proof:
            raise ProofError("the consistency proof must be empty for these sizes")
        if old_root != (EMPTY_ROOT if old_size == 0 else root):
            raise LogForkError(f"two logs of {old_size} leaves differ: the log was forked")
        return
    steps = list(proof)
    if old_size & (old_size - 1) == 0:
        steps.insert(0, old_root)
    if not steps:
        raise ProofError("the consistency proof is too short")
    _replay_growth(old_size, old_root, size, root, steps)


def _replay_growth(
    old_size: int, old_root: bytes, size: int, root: bytes, steps: list[bytes]
) -> None:
    position, last = old_size - 1, size - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    old_node = node = steps[0]
    for step in steps[1:]:
        if last == 0:
            raise ProofError("the consistency proof is too long")
        if position & 1 or position == last:
            old_node, node = node_hash(step, old_node), node_hash(step, node)
            while position and not position & 1:
                position, last = position >> 1, last >> 1
        else:
            node = node_hash(node, step)
        position, last = position >> 1, last >> 1
    if last != 0:
        raise ProofError("the consistency proof is too short")
    if old_node != old_root or node != root:
        raise LogForkError(
            f"the log of {size} leaves does not begin with the one of {old_size} seen before:"
            " the log was forked or rewritten"
        )


def _split(width: int) -> int:
    """The largest power of two smaller than `width` (at least 2): k of RFC 6962."""
    return 1 << (width - 1).bit_length() - 1


def _subtrees(start: int, end: int) -> Iterator[tuple[int, int]]:
    """Level and index of the perfect subtrees over a range that RFC 6962's recursion cuts."""
    while start < end:
        level = (end - start).bit_length() - 1
        yield level, start >> level
        start += 1 << level


def _fold_right(nodes: Sequence[bytes]) -> bytes:
    if not nodes:
        return EMPTY_ROOT
    *rest, node = nodes
    for left in reversed(rest):
        node = node_hash(left, node)
    return node
