"""The Merkle tree's nodes in the database.

A question is asked of the tree twice: the first time only to learn which nodes it needs, the second
time with all of them, read by one statement.
"""

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable
from typing import TypeVar

from sqlalchemy import Connection, insert

from medperf.domain.errors import MedPerfError
from medperf.provenance.merkle import Tree
from medperf.server.db.prepared import Prepared
from medperf.server.db.tables import log_nodes
from medperf.server.log.node_queries import read_nodes

T = TypeVar("T")
_LEVEL_BITS = 48
_BLANK = bytes(32)
_KEEP = Prepared(insert(log_nodes), ("node", "hash"))


def ask(connection: Connection, size: int, question: Callable[[Tree], T]) -> T:
    """Ask something of the tree of the first ``size`` leaves."""
    wanted = _Wanted()
    question(Tree(wanted, size))
    return question(Tree(Known(_read(connection, wanted.numbers)), size))


def to_extend(connection: Connection, size: int, more: int) -> "Known":
    """The nodes that appending ``more`` leaves to a tree of ``size`` combines with new ones."""
    # Only below the highest level whose count changes are nodes ever combined.
    levels = (size ^ (size + more)).bit_length()
    peaks = [number_of(level, (size >> level) - 1) for level in range(levels) if size >> level & 1]
    return Known(_read(connection, peaks))


def keep(connection: Connection, nodes: "Known") -> None:
    """Write the nodes that an append made."""
    rows = [{"node": at, "hash": b64encode(node).decode()} for at, node in nodes.new.items()]
    _KEEP.many(connection, rows)


def number_of(level: int, index: int) -> int:
    """The number of a node: levels apart, neighbors of one level in a row."""
    return level << _LEVEL_BITS | index


class Known:
    """Nodes in memory, those that are new apart."""

    def __init__(self, stored: dict[int, bytes]) -> None:
        self._stored = stored
        self.new: dict[int, bytes] = {}

    def get(self, level: int, index: int) -> bytes:
        """The hash there.

        Raises:
            MedPerfError: if the database has lost it.
        """
        number = number_of(level, index)
        found = self.new.get(number) or self._stored.get(number)
        if found is None:
            raise MedPerfError(
                f"the log lacks the node of level {level} at {index}: the database is damaged",
                hint="Restore the server from its last backup.",
            )
        return found

    def put(self, level: int, index: int, node: bytes) -> None:
        """Add a new hash."""
        self.new[number_of(level, index)] = node


class _Wanted:
    """Notes what is asked for and answers blanks."""

    def __init__(self) -> None:
        self.numbers: set[int] = set()

    def get(self, level: int, index: int) -> bytes:
        self.numbers.add(number_of(level, index))
        return _BLANK

    def put(self, level: int, index: int, node: bytes) -> None:  # noqa: ARG002 - the store's protocol
        raise AssertionError("a proof writes nothing")


def _read(connection: Connection, numbers: Iterable[int]) -> dict[int, bytes]:
    return {at: b64decode(node) for at, node in read_nodes(connection, numbers).items()}
