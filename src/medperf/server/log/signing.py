"""Signing checkpoints, and never one that contradicts an earlier one.

The last checkpoint is kept in a file beside the database, not in it: a database that is put back to
an earlier state then contradicts the file, and the server refuses to sign what would be a fork.
"""

import os
import threading
from pathlib import Path

from sqlalchemy import Connection

from medperf.domain.errors import LogForkError
from medperf.provenance.checkpoint import Checkpoint, log_key, read_checkpoint, sign_checkpoint
from medperf.provenance.keys import Signer
from medperf.server.log import nodes
from medperf.server.log.node_queries import size_of

_NOTHING = 0


class LogSigner:
    """Signs the log's checkpoints with the server's key.

    Args:
        signer: the server's key, which is the log's.
        seen: the file of the last checkpoint signed by any process; None keeps it in memory.
    """

    def __init__(self, signer: Signer, seen: Path | None = None) -> None:
        self.key = log_key(signer.public)
        self._signer = signer
        self._seen = seen
        self._lock = threading.Lock()
        self._last: tuple[str, Checkpoint] | None = None

    def checkpoint(self, connection: Connection) -> tuple[str, Checkpoint]:
        """The signed note of the log as it is committed now, and what it says.

        Raises:
            LogForkError: if the log does not continue what was signed before.
        """
        with self._lock:
            # First what was signed and then what there is: other processes go on meanwhile.
            last = self._read() or self._last
            size = size_of(connection)
            if last is not None and last[1].size == size and last == self._last:
                return last
            self.require_continues(connection, size, last and last[1])
            root = nodes.ask(connection, size, lambda tree: tree.root())
            checkpoint = Checkpoint(self.key.name, size, root)
            self._last = sign_checkpoint(checkpoint, self._signer), checkpoint
            self._write(self._last[0])
            return self._last

    def require_continues(self, connection: Connection, size: int, seen: Checkpoint | None) -> None:
        """Refuse a log that is not a continuation of a checkpoint.

        Raises:
            LogForkError: if it is none.
        """
        if seen is None or seen.size == _NOTHING:
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
        return note, read_checkpoint(note, self.key)

    def _write(self, note: str) -> None:
        if self._seen is not None:
            beside = self._seen.with_name(f".{self._seen.name}.{os.getpid()}")
            beside.write_text(note, encoding="utf-8")
            beside.replace(self._seen)
