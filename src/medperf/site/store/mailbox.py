"""What a site without a network says to its server, and what a courier brought back.

``outbox`` holds every request that wants an answer, exactly as it was made and signed. ``carried``
holds the answers of the newest work bundle; each bundle replaces those of the last one.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from medperf.client.carrying import CarriedAnswer, CarriedRequest
from medperf.client.offline import Asked
from medperf.domain.clock import Clock
from medperf.domain.identifiers import format_time, parse_time
from medperf.site.store.connection import Component, Row, Store

TABLES = Component(
    "mailbox",
    (
        """
CREATE TABLE outbox (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  method TEXT NOT NULL,
  target TEXT NOT NULL,
  body BLOB NOT NULL,
  body_sha256 TEXT NOT NULL,
  authorization TEXT,
  idempotency_key TEXT NOT NULL UNIQUE,
  written_at TEXT NOT NULL,
  status INTEGER,
  answer BLOB,
  is_used INTEGER NOT NULL DEFAULT 0,
  is_spent INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX outbox_by_request ON outbox (target, body_sha256);
CREATE TABLE carried (
  method TEXT NOT NULL,
  target TEXT NOT NULL,
  body_sha256 TEXT NOT NULL,
  status INTEGER NOT NULL,
  answer BLOB NOT NULL,
  PRIMARY KEY (method, target, body_sha256)
);
CREATE TABLE wanted (target TEXT PRIMARY KEY);
CREATE TABLE intake (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  newest_at TEXT NOT NULL DEFAULT ''
);
INSERT INTO intake (id) VALUES (1);
""",
    ),
)


@dataclass(frozen=True, slots=True)
class Given:
    """An answer that was brought."""

    target: str
    status: int
    answer: bytes


class Mailbox:
    """The outbox, and what the newest work bundle brought."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    # --- what the site says ---

    def say(self, asked: Asked) -> Given | None:
        """The answer to a request, if one was brought; else the request waits in the outbox.

        The same request made again while it waits, or while its answer is in the newest bundle, is
        the same: a killed agent asks again. Made later than that it is another.
        """
        digest = _sha256(asked.body)
        with self._store.transaction(durable=True) as tx:
            row = tx.execute(
                "SELECT * FROM outbox WHERE method = ? AND target = ? AND body_sha256 = ?"
                " AND is_spent = 0 ORDER BY number DESC",
                (asked.method, asked.target, digest),
            ).fetchone()
            if row is None:
                tx.execute(
                    "INSERT INTO outbox (method, target, body, body_sha256, authorization,"
                    " idempotency_key, written_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (
                        asked.method,
                        asked.target,
                        asked.body,
                        digest,
                        asked.authorization,
                        asked.idempotency_key,
                        format_time(self._clock()),
                    ),
                )
                return None
            if row["status"] is None:
                return None
            tx.execute("UPDATE outbox SET is_used = 1 WHERE number = ?", (row["number"],))
            return Given(row["target"], row["status"], row["answer"])

    def want(self, target: str) -> None:
        """Remember what was asked for and is not here."""
        with self._store.transaction() as tx:
            tx.execute("INSERT OR IGNORE INTO wanted VALUES (?)", (target,))

    def outgoing(self) -> tuple[CarriedRequest, ...]:
        """Every request without an answer, in the order they were made."""
        rows = self._store.rows("SELECT * FROM outbox WHERE status IS NULL ORDER BY number")
        return tuple(_request(row) for row in rows)

    def wanted(self) -> tuple[str, ...]:
        """What was asked for and is not here."""
        return tuple(
            row["target"] for row in self._store.rows("SELECT target FROM wanted ORDER BY target")
        )

    # --- what was brought ---

    def carried(self, method: str, target: str) -> list[Given]:
        """Answers to this target, whatever the request's body was."""
        rows = self._store.rows(
            "SELECT * FROM carried WHERE method = ? AND target = ?", (method, target)
        )
        return [_given(row) for row in rows]

    def carried_below(self, path: str) -> list[Given]:
        """Answers to GETs of this path, whatever the query was."""
        rows = self._store.rows(
            "SELECT * FROM carried WHERE method = 'GET'"
            " AND (target = ? OR substr(target, 1, ?) = ?) ORDER BY target",
            (path, len(path) + 1, f"{path}?"),
        )
        return [_given(row) for row in rows]

    def newest(self) -> datetime | None:
        """When the server gave the newest answer that was taken in."""
        row = self._store.row("SELECT newest_at FROM intake")
        return parse_time(row["newest_at"]) if row and row["newest_at"] else None

    def waits_for(self, idempotency_key: str) -> CarriedRequest | None:
        """The request of this key, if it still waits for its answer."""
        row = self._store.row(
            "SELECT * FROM outbox WHERE idempotency_key = ? AND status IS NULL", (idempotency_key,)
        )
        return _request(row) if row else None

    def take_in(
        self,
        answers: Iterable[CarriedAnswer],
        awaited: Iterable[CarriedAnswer],
        newest_at: datetime,
    ) -> None:
        """Put what a bundle brought in the place of what the last one did; all or nothing."""
        with self._store.transaction(durable=True) as tx:
            tx.execute("UPDATE outbox SET is_spent = 1 WHERE is_used = 1")
            for each in awaited:
                tx.execute(
                    "UPDATE outbox SET status = ?, answer = ? WHERE idempotency_key = ?",
                    (each.status, each.body, each.idempotency_key),
                )
            tx.execute("DELETE FROM carried")
            tx.execute("DELETE FROM wanted")
            tx.executemany(
                "INSERT OR REPLACE INTO carried VALUES (?, ?, ?, ?, ?)",
                ((a.method, a.target, _sha256(a.request_body), a.status, a.body) for a in answers),
            )
            tx.execute("UPDATE intake SET newest_at = ?", (format_time(newest_at),))


def _request(row: Row) -> CarriedRequest:
    return CarriedRequest(
        method=row["method"],
        target=row["target"],
        body=row["body"],
        authorization=row["authorization"],
        idempotency_key=row["idempotency_key"],
    )


def _given(row: Row) -> Given:
    return Given(row["target"], row["status"], row["answer"])


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
