"""Every policy that was ever in force at this site: its text and the signed statement about it.

A version is never changed or deleted; SQLite itself refuses.
"""

from dataclasses import dataclass
from datetime import datetime

from medperf.domain.identifiers import format_time, parse_time
from medperf.provenance.envelope import Envelope
from medperf.site.store.connection import Component, Row, Store

TABLES = Component(
    "policies",
    (
        """
CREATE TABLE policies (
  version INTEGER PRIMARY KEY,
  text TEXT NOT NULL,
  digest TEXT NOT NULL,
  envelope TEXT NOT NULL,
  in_force_at TEXT NOT NULL
);
CREATE TRIGGER policies_keep_versions BEFORE DELETE ON policies
  BEGIN SELECT RAISE(ABORT, 'a policy that was in force is kept'); END;
CREATE TRIGGER policies_keep_words BEFORE UPDATE ON policies
  BEGIN SELECT RAISE(ABORT, 'a policy that was in force is kept'); END;
""",
    ),
)


@dataclass(frozen=True, slots=True)
class PolicyVersion:
    """One version: the text, its digest, and the site's statement that put it in force."""

    version: int
    text: str
    digest: str
    envelope: Envelope
    in_force_at: datetime


class PolicyVersions:
    """The policies of one site, oldest first."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def latest(self) -> PolicyVersion | None:
        """The version that was put in force last."""
        row = self._store.row("SELECT * FROM policies ORDER BY version DESC LIMIT 1")
        return _version(row) if row else None

    def all(self) -> list[PolicyVersion]:
        """Every version."""
        return [_version(row) for row in self._store.rows("SELECT * FROM policies ORDER BY 1")]

    def text_of(self, digest: str) -> str | None:
        """The text that has this digest, if it was ever in force here."""
        row = self._store.row("SELECT text FROM policies WHERE digest = ?", (digest,))
        return row["text"] if row else None

    def add(self, version: PolicyVersion) -> None:
        """Keep one more version; its number must be new."""
        with self._store.transaction(durable=True) as tx:
            tx.execute(
                "INSERT INTO policies VALUES (?, ?, ?, ?, ?)",
                (
                    version.version,
                    version.text,
                    version.digest,
                    version.envelope.to_bytes().decode(),
                    format_time(version.in_force_at),
                ),
            )


def _version(row: Row) -> PolicyVersion:
    return PolicyVersion(
        row["version"],
        row["text"],
        row["digest"],
        Envelope.from_bytes(row["envelope"].encode()),
        parse_time(row["in_force_at"]),
    )
