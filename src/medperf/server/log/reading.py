"""Answering about the log: proofs, tiles, and bundles of all that results rest on."""

from base64 import b64decode, b64encode
from collections.abc import Iterable

from sqlalchemy import Connection

from medperf.domain.errors import InvalidRequestError, NotFoundError
from medperf.provenance.tiles import Tile, write_entries
from medperf.server.call import Wire
from medperf.server.log import nodes, queries
from medperf.server.log.key_queries import SERVER_LEAVES
from medperf.server.log.node_queries import size_of
from medperf.server.log.signing import LogSigner


def inclusion(connection: Connection, signer: LogSigner, leaf: int) -> Wire:
    """Where a leaf is, with the proof and the checkpoint that it leads to.

    Raises:
        NotFoundError: if there is no such leaf.
    """
    note, checkpoint = signer.checkpoint(connection)
    entry = queries.entries(connection, leaf, 1)
    if not entry or leaf >= checkpoint.size:
        raise NotFoundError(f"the log has no leaf {leaf}")
    proof = nodes.ask(connection, checkpoint.size, lambda tree: tree.prove_inclusion(leaf))
    return {"leaf": entry[0], "index": leaf, "proof": _texts(proof), "checkpoint": note}


def leaf_of(connection: Connection, envelope_digest: str) -> int:
    """The first leaf that names this envelope.

    Raises:
        NotFoundError: if none does.
    """
    found = queries.leaf_naming(connection, envelope_digest)
    if found is None:
        raise NotFoundError(f"the log has no envelope {envelope_digest[:80]}")
    return found


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
    asked.require_in(size_of(connection))
    if asked.holds_entries:
        entries = queries.entries(connection, asked.first, asked.width)
        return write_entries([entry.encode() for entry in entries])
    start = nodes.number_of(8 * asked.level, asked.first)
    return b"".join(map(b64decode, queries.hashes(connection, start, asked.width)))


def bundle(connection: Connection, signer: LogSigner, subjects: Iterable[str]) -> Wire:
    """A bundle of every statement about these subjects, with proofs to one checkpoint.

    The successions of the server's key are in each: whoever trusts any of its keys can check it.
    """
    note, checkpoint = signer.checkpoint(connection)
    return _bundle(connection, {*subjects, SERVER_LEAVES}, note, checkpoint.size)


def successions(connection: Connection, signer: LogSigner, start: int) -> Wire:
    """Which keys signed the log, with the proof that it only grew since ``start`` leaves.

    Raises:
        InvalidRequestError: if the log was never that long.
    """
    note, checkpoint = signer.checkpoint(connection)
    if start > checkpoint.size:
        raise InvalidRequestError(
            f"the log has {checkpoint.size} leaves; there is no proof from {start}"
        )
    proof = nodes.ask(connection, checkpoint.size, lambda tree: tree.prove_consistency(start))
    found = _bundle(connection, {SERVER_LEAVES}, note, checkpoint.size)
    return {**found, "proof": _texts(proof)}


def _bundle(connection: Connection, subjects: set[str], note: str, size: int) -> Wire:
    rows = queries.leaves_about(connection, sorted(subjects), size)
    # Whoever signed with a key of their own: when it was enrolled, and whether it was revoked.
    keys = {each["keyid"] for row in rows for each in row["envelope"]["signatures"]}
    people = queries.people_with(connection, sorted(keys)) - subjects
    rows += queries.leaves_about(connection, sorted(people), size)
    proofs = nodes.ask(
        connection, size, lambda tree: [tree.prove_inclusion(row["leaf"]) for row in rows]
    )
    statements = [
        {
            "envelope": row["envelope"],
            "log": {"leaf": row["entry"], "index": row["leaf"], "proof": _texts(proof)},
        }
        for row, proof in zip(rows, proofs, strict=True)
    ]
    return {"format": "medperf-bundle-v1", "checkpoint": note, "statements": statements}


def _texts(hashes: Iterable[bytes]) -> list[str]:
    return [b64encode(each).decode() for each in hashes]
