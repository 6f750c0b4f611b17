"""What is known of files that were read before, so that an unchanged file is not read twice.

A file counts as unchanged while its size, modification time, change time, device and inode are the
same. A file that was touched moments before it was read is not remembered: a second write within
one tick of the file system's clock would leave no trace (the "racy" case that version control knows
too). The cache only saves time, so a damaged one is thrown away and starts again.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from medperf.domain.clock import Clock, system_clock
from medperf.site.data_files import FileFacts
from medperf.site.store.connection import named_errors

T = TypeVar("T")

RACY_NS = 2_000_000_000
"""The coarsest clock among file systems in use ticks every two seconds."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS file_digests (
  root BLOB NOT NULL, path BLOB NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
  ctime_ns INTEGER NOT NULL, device TEXT NOT NULL, inode TEXT NOT NULL, digest BLOB NOT NULL,
  PRIMARY KEY (root, path)
) WITHOUT ROWID
"""


class FingerprintCache:
    """Digests of files, in an SQLite file of its own that processes may share."""

    def __init__(self, place: Path, clock: Clock = system_clock) -> None:
        self._place = place
        self._clock = clock

    def now_ns(self) -> int:
        """The time, to be asked before files are read."""
        return int(self._clock().timestamp() * 1e9)

    def load(self, root: bytes) -> dict[bytes, tuple[FileFacts, bytes]]:
        """Answer facts and digest of each file known below ``root``, by path."""

        def read(connection: sqlite3.Connection) -> dict[bytes, tuple[FileFacts, bytes]]:
            rows = connection.execute(
                "SELECT path, size, mtime_ns, ctime_ns, device, inode, digest"
                " FROM file_digests WHERE root = ?",
                (root,),
            )
            return {
                path: (FileFacts(size, mtime, ctime, int(device), int(inode)), digest)
                for path, size, mtime, ctime, device, inode, digest in rows
            }

        return self._use(read)

    def store(
        self, root: bytes, files: Mapping[bytes, tuple[FileFacts, bytes]], read_at_ns: int
    ) -> None:
        """Remember these files below ``root`` and forget all others below it.

        Args:
            root: the resolved folder.
            files: facts and digest by path.
            read_at_ns: when reading began; files touched within ``RACY_NS`` of it are left out.
        """
        rows = [
            # Device and inode numbers can need 64 bits without a sign, SQLite has 63.
            (
                root,
                path,
                facts.size,
                facts.mtime_ns,
                facts.ctime_ns,
                str(facts.device),
                str(facts.inode),
                digest,
            )
            for path, (facts, digest) in files.items()
            if max(facts.mtime_ns, facts.ctime_ns) < read_at_ns - RACY_NS
        ]

        def write(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM file_digests WHERE root = ?", (root,))
            connection.executemany("INSERT INTO file_digests VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)

        self._use(write)

    def forget(self, root: Path) -> None:
        """Forget every file below the resolved folder."""
        self.store(os.fsencode(root), {}, 0)

    def _use(self, action: Callable[[sqlite3.Connection], T]) -> T:
        with named_errors(self._place):
            try:
                with self._open() as connection:
                    return action(connection)
            except sqlite3.OperationalError:
                raise
            except sqlite3.DatabaseError:
                self._place.unlink(missing_ok=True)
                with self._open() as connection:
                    return action(connection)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        self._place.parent.mkdir(parents=True, exist_ok=True)
        self._place.touch(mode=0o600)  # it holds file names
        connection = sqlite3.connect(self._place, timeout=30)
        try:
            connection.execute(_SCHEMA)
            with connection:
                yield connection
        finally:
            connection.close()
