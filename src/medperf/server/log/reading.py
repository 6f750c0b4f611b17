"""Answering about the log: proofs, tiles, and bundles of all that results rest on."""

from base64 import b64encode
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, select

from medperf.domain.errors import InvalidRequestError, NotFoundError
from medperf.provenance.tiles import Tile, write_entries
from medperf.server.call import Wire
from medperf.server.db.tables import log_leaves
from medperf.server.log import nodes
from medperf.server.log.signing import LogSigner

_AT_ONCE = 500
_BY_SUBJECT = select(log_leaves.c.leaf, log_leaves.c.entry, log_leaves.c.envelope).where(
    log_leaves.c.subject.in_(bindparam("subjects", expanding=True))
)


def receipt(connection: Connection, signer: LogSigner, leaf: int) -> Wire:
    """Where a leaf is, with the proof and the checkpoint that it leads to.

    Raises:
        NotFoundError: if there is no such leaf.
    """
    note, checkpoint = signer.checkpoint(connection)
    entry = _entries(connection, leaf, 1)
    if not entry or leaf >= checkpoint.size:
        raise NotFoundError(f"the log has no leaf {leaf}")
    proof = nodes.ask(connection, checkpoint.size, lambda tree: tree.prove_inclusion(leaf))
    return {"leaf": entry[0], "index": leaf, "proof": _texts(proof), "checkpoint": note}


def leaf_of(connection: Connection, envelope_digest: str) -> int:
    """The first leaf that names this envelope.

    Raises:
        NotFoundError: if none does.
    """
    found = connection.execute(
        select(log_leaves.c.leaf)
        .where(log_leaves.c.envelope_digest == envelope_digest)
        .order_by(log_leaves.c.leaf)
        .limit(1)
    ).scalar()
    if found is None:
        raise NotFoundError(f"the log has no envelope {envelope_digest[:80]}")
    return int(found)


def growth(connection: Connection, signer: LogSigner, start: int, end: int | None) -> Wire:
    """The proof that the log of ``end`` leaves, now by default, begins with that of ``start``.

    Raises:
        InvalidRequestError: if the log was never that long.
    """
    note, checkpoint = signer.checkpoint(connection)
    size = checkpoint.size if end is None else end
    if not 0 <= start <= size <= checkpoint.size:
        raise InvalidRequestError(
            f"the log has {checkpoint.size} leaves; there is no proof from {start} to {size}"
        )
    proof = nodes.ask(connection, size, lambda tree: tree.prove_consistency(start))
    return {"checkpoint": note, "proof": _texts(proof)}


def tile(connection: Connection, path: str) -> bytes:
    """The content of one of the log's files.

    Raises:
        NotFoundError: if the log does not have it.
    """
    asked = Tile.from_path(path)
    asked.require_in(nodes.size_of(connection))
    if asked.holds_entries:
        entries = _entries(connection, asked.first, asked.width)
        return write_entries([entry.encode() for entry in entries])
    return nodes.range_of(connection, 8 * asked.level, asked.first, asked.width)


def bundle(connection: Connection, signer: LogSigner, subjects: Iterable[str]) -> Wire:
    """A bundle of every statement about these subjects, with proofs to one checkpoint."""
    note, checkpoint = signer.checkpoint(connection)
    rows = _about(connection, sorted(set(subjects)), checkpoint.size)
    proofs = nodes.ask(
        connection,
        checkpoint.size,
        lambda tree: [tree.prove_inclusion(row["leaf"]) for row in rows],
    )
    statements = [
        {
            "envelope": row["envelope"],
            "log": {"leaf": row["entry"], "index": row["leaf"], "proof": _texts(proof)},
        }
        for row, proof in zip(rows, proofs, strict=True)
    ]
    return {"format": "medperf-bundle-v1", "checkpoint": note, "statements": statements}


def _about(connection: Connection, subjects: Sequence[str], size: int) -> list[Wire]:
    found: list[Wire] = []
    for start in range(0, len(subjects), _AT_ONCE):
        given = {"subjects": subjects[start : start + _AT_ONCE]}
        rows = connection.execute(_BY_SUBJECT, given)
        found += [dict(row._mapping) for row in rows if row.leaf < size]  # noqa: SLF001
    return sorted(found, key=lambda row: row["leaf"])


def _entries(connection: Connection, first: int, width: int) -> list[str]:
    column: Any = log_leaves.c.leaf
    found = connection.execute(
        select(log_leaves.c.entry).where(column >= first, column < first + width).order_by(column)
    )
    return list(found.scalars())


def _texts(hashes: Iterable[bytes]) -> list[str]:
    return [b64encode(each).decode() for each in hashes]
