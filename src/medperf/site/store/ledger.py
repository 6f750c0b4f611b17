"""The ledger: every document that ever left this site, byte for byte, and who let it go.

A line is written, durably, before anything is sent; SQLite itself refuses to change or delete one.
How the sending ended is a line of its own.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from medperf.domain.clock import Clock
from medperf.domain.identifiers import format_time, parse_time
from medperf.provenance.canonical import digest_of
from medperf.site.store.connection import Component, Row, Store

TABLES = Component(
    "ledger",
    (
        """
CREATE TABLE ledger (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  kind TEXT NOT NULL,
  subject TEXT NOT NULL,
  digest TEXT NOT NULL,
  content BLOB NOT NULL,
  released_by TEXT NOT NULL,
  role TEXT NOT NULL,
  released_at TEXT NOT NULL
);
CREATE INDEX ledger_by_subject ON ledger (kind, subject);
CREATE TABLE ledger_answers (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  line INTEGER NOT NULL REFERENCES ledger (number),
  at TEXT NOT NULL,
  answer TEXT NOT NULL
);
CREATE INDEX ledger_answers_by_line ON ledger_answers (line);
CREATE TRIGGER ledger_keeps_lines BEFORE DELETE ON ledger
  BEGIN SELECT RAISE(ABORT, 'the ledger keeps its lines'); END;
CREATE TRIGGER ledger_keeps_words BEFORE UPDATE ON ledger
  BEGIN SELECT RAISE(ABORT, 'the ledger keeps its lines'); END;
CREATE TRIGGER ledger_answers_keep_lines BEFORE DELETE ON ledger_answers
  BEGIN SELECT RAISE(ABORT, 'the ledger keeps its lines'); END;
CREATE TRIGGER ledger_answers_keep_words BEFORE UPDATE ON ledger_answers
  BEGIN SELECT RAISE(ABORT, 'the ledger keeps its lines'); END;
""",
    ),
)


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """Something that was let go. ``answers`` says how sending it ended, each time it was tried."""

    number: int
    kind: str
    subject: str
    digest: str
    content: bytes
    released_by: str
    role: str
    released_at: datetime
    answers: tuple[tuple[datetime, str], ...] = ()


class Ledger:
    """What left this site."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def write(
        self, kind: str, subject: str, content: bytes, *, released_by: str, role: str
    ) -> LedgerLine:
        """Record, durably and before it is sent, exactly what is about to leave.

        Inside another transaction it joins that one, which must be a durable one. Writing the same
        content about the same subject again answers with the line there is.
        """
        digest = digest_of(content)
        with self._store.transaction(durable=True) as tx:
            row = tx.execute(
                "SELECT * FROM ledger WHERE kind = ? AND subject = ? AND digest = ?",
                (kind, subject, digest),
            ).fetchone()
            if row is not None:
                return _line(row)
            now = self._clock()
            number = tx.execute(
                "INSERT INTO ledger"
                " (kind, subject, digest, content, released_by, role, released_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (kind, subject, digest, content, released_by, role, format_time(now)),
            ).lastrowid
            return LedgerLine(number or 0, kind, subject, digest, content, released_by, role, now)

    def answered(self, line: LedgerLine, answer: str) -> None:
        """Record how sending a line ended: what the server made of it, or an error's code."""
        with self._store.transaction() as tx:
            tx.execute(
                "INSERT INTO ledger_answers (line, at, answer) VALUES (?, ?, ?)",
                (line.number, format_time(self._clock()), answer),
            )

    @contextmanager
    def answering(self, line: LedgerLine, answer: str) -> Iterator[None]:
        """As `answered`, in one transaction with what is inside."""
        with self._store.transaction():
            self.answered(line, answer)
            yield

    def find(self, kind: str, subject: str) -> LedgerLine | None:
        """The latest line of this kind about a subject."""
        row = self._store.row(
            "SELECT * FROM ledger WHERE kind = ? AND subject = ? ORDER BY number DESC",
            (kind, subject),
        )
        return _line(row) if row else None

    def lines(self, kind: str | None = None) -> list[LedgerLine]:
        """Everything that left, oldest first, with how it went."""
        where, values = ("WHERE kind = ?", (kind,)) if kind else ("", ())
        answers: dict[int, list[tuple[datetime, str]]] = {}
        for row in self._store.rows("SELECT * FROM ledger_answers ORDER BY number"):
            answers.setdefault(row["line"], []).append((parse_time(row["at"]), row["answer"]))
        rows = self._store.rows(f"SELECT * FROM ledger {where} ORDER BY number", values)  # noqa: S608
        return [_line(row, tuple(answers.get(row["number"], ()))) for row in rows]


def _line(row: Row, answers: tuple[tuple[datetime, str], ...] = ()) -> LedgerLine:
    return LedgerLine(
        row["number"],
        row["kind"],
        row["subject"],
        row["digest"],
        row["content"],
        row["released_by"],
        row["role"],
        parse_time(row["released_at"]),
        answers,
    )
