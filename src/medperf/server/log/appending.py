"""Appending to the log, in the transaction of the change that is recorded.

The writer's lock (`Database.writing`) lets one transaction write at a time on both databases, so
leaves are numbered without gaps and a change is in the log exactly if it happened.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert

from medperf.provenance.envelope import Envelope
from medperf.provenance.log_entry import LogEntry
from medperf.provenance.merkle import Tree, leaf_hash
from medperf.server.call import Call
from medperf.server.db.prepared import Prepared
from medperf.server.db.tables import log_leaves
from medperf.server.log import nodes
from medperf.server.log.node_queries import size_of

_ADD = Prepared(insert(log_leaves), ("leaf", "entry", "envelope", "envelope_digest", "subject"))


@dataclass(frozen=True, slots=True)
class Said:
    """A statement to be logged.

    Attributes:
        kind: of the statement, such as ``grant``.
        subject: what it is about at this server, such as ``execution:3``.
        envelope: the signed statement as it was received or made.
        about_digest: of the statement that this one answers.
    """

    kind: str
    subject: str
    envelope: Envelope
    about_digest: str | None = None


def append(call: Call, *said: Said) -> None:
    """Add leaves to the log, in order."""
    if not said:
        return
    connection = call.connection
    size = size_of(connection)
    known = nodes.to_extend(connection, size, len(said))
    tree = Tree(known, size)
    _ADD.many(connection, [_leaf(call, tree, each) for each in said])
    nodes.keep(connection, known)


def _leaf(call: Call, tree: Tree, said: Said) -> dict[str, Any]:
    entry = LogEntry(
        kind=said.kind,
        envelope_digest=said.envelope.digest,
        logged_at=call.now,
        about_digest=said.about_digest,
        payload_digest=said.envelope.payload_digest,
    )
    content = entry.to_bytes()
    return {
        "leaf": tree.append(leaf_hash(content)),
        "entry": content.decode(),
        "envelope": said.envelope.to_value(),
        "envelope_digest": entry.envelope_digest,
        "subject": said.subject,
    }
