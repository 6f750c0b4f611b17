"""Signing checkpoints, and never one that contradicts an earlier one.

The last checkpoint is kept in a file beside the database, not in it: a database that is put back to
an earlier state then contradicts the file, and the server refuses to sign what would be a fork.
"""

import threading
from pathlib import Path
from uuid import uuid4

from sqlalchemy import Connection

from medperf.domain.errors import LogForkError
from medperf.provenance.checkpoint import Checkpoint, claimed_checkpoint, sign_checkpoint
from medperf.provenance.succession import LogKeys
from medperf.server.log import nodes
from medperf.server.log.keys import ServerKeys
from medperf.server.log.node_queries import size_of

_NOTHING = 0


class LogSigner:
    """Signs the log's checkpoints with the key that is the server's at their size.

    Args:
        keys: the server's, which are the log's.
        seen: the file of the last checkpoint signed by any process; None keeps it in memory.
    """

    def __init__(self, keys: ServerKeys, seen: Path | None = None) -> None:
        self._keys = keys
        self._seen = seen
        self._lock = threading.Lock()
        self._last: tuple[str, Checkpoint] | None = None

    def checkpoint(self, connection: Connection) -> tuple[str, Checkpoint]:
        """The signed note of the log as it is committed now, and what it says.

        Raises:
            LogForkError: if the log does not continue what was signed before.
            UnavailableError: if this machine lacks the key that signs the log now.
        """
        with self._lock:
            # First what was signed and then what there is: other processes go on meanwhile.
            last = self._read() or self._last
            size = size_of(connection)
            if last is not None and last[1].size == size and last == self._last:
                return last
            keys = self._keys.history(connection)
            self._require_own(connection, size, keys, last)
            root = nodes.ask(connection, size, lambda tree: tree.root())
            checkpoint = Checkpoint(keys.name, size, root)
            signer = self._keys.having(keys.for_size(size).public)
            self._last = sign_checkpoint(checkpoint, signer), checkpoint
            self._write(self._last[0])
            return self._last

    def require_own(self, connection: Connection, keys: LogKeys) -> None:
        """Refuse a log that is not a continuation of what any process signed last.

        Raises:
            LogForkError: if it is none.
            SignatureError: if the last checkpoint is not signed with the key of its size.
        """
        self._require_own(connection, size_of(connection), keys, self._read())

    def _require_own(
        self,
        connection: Connection,
        size: int,
        keys: LogKeys,
        last: tuple[str, Checkpoint] | None,
    ) -> None:
        if last is not None:
            self._require_continues(connection, size, last[1])
            keys.read(last[0])

    def _require_continues(self, connection: Connection, size: int, seen: Checkpoint) -> None:
        if seen.size == _NOTHING:
            return
        if seen.size > size:
            raise LogForkError(
                f"a log of {seen.size} leaves was signed and the database has {size}:"
                " it was put back to an earlier state",
                hint="Restore the newest backup. Never go on from an older one: every site would"
                " see a fork.",
            )
        if nodes.ask(connection, size, lambda tree: tree.root(seen.size)) != seen.root:
            raise LogForkError(
                f"the database's first {seen.size} leaves are not those that were signed",
                hint="Restore the newest backup, and find out who changed the database.",
            )

    def _read(self) -> tuple[str, Checkpoint] | None:
        if self._seen is None:
            return None
        try:
            note = self._seen.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        return note, claimed_checkpoint(note)

    def _write(self, note: str) -> None:
        if self._seen is not None:
            # Process numbers repeat: each container on a shared folder counts its own.
            beside = self._seen.with_name(f".{self._seen.name}.{uuid4().hex}")
            beside.write_text(note, encoding="utf-8")
            beside.replace(self._seen)
