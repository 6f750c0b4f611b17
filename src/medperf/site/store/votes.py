"""What people said about a question, each of them once and for themselves.

A vote belongs to one asking of the question: when a job starts again, it is asked anew.
"""

from dataclasses import dataclass
from datetime import datetime

from medperf.domain.identifiers import format_time, parse_time
from medperf.site.store.connection import Component, Store

TABLES = Component(
    "votes",
    (
        """
CREATE TABLE votes (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  job INTEGER NOT NULL,
  asking INTEGER NOT NULL,
  digest TEXT NOT NULL,
  person TEXT NOT NULL,
  name TEXT NOT NULL,
  role TEXT NOT NULL,
  is_yes INTEGER NOT NULL,
  reason TEXT NOT NULL,
  at TEXT NOT NULL,
  UNIQUE (job, asking, digest, person)
);
CREATE TRIGGER votes_keep_lines BEFORE DELETE ON votes
  BEGIN SELECT RAISE(ABORT, 'a vote that was given is kept'); END;
CREATE TRIGGER votes_keep_words BEFORE UPDATE ON votes
  BEGIN SELECT RAISE(ABORT, 'a vote that was given is kept'); END;
""",
    ),
)


@dataclass(frozen=True, slots=True)
class Vote:
    """What one person said."""

    name: str
    role: str
    is_yes: bool
    reason: str
    at: datetime

    @property
    def person(self) -> str:
        """Who it was: the name however it is spaced or capitalized."""
        return same_person(self.name)


def same_person(name: str) -> str:
    """What two spellings of one name have in common."""
    return " ".join(name.casefold().split())


class Votes:
    """The votes at one site."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def of(self, job: int, digest: str) -> list[Vote]:
        """The votes about what was shown, since it was asked last; oldest first."""
        rows = self._store.rows(
            "SELECT * FROM votes WHERE job = ? AND asking = ? AND digest = ? ORDER BY number",
            (job, self._asking(job), digest),
        )
        return [
            Vote(r["name"], r["role"], bool(r["is_yes"]), r["reason"], parse_time(r["at"]))
            for r in rows
        ]

    def give(self, job: int, digest: str, vote: Vote) -> None:
        """Keep a vote; the person has not voted on this yet."""
        with self._store.transaction() as tx:
            tx.execute(
                "INSERT INTO votes"
                " (job, asking, digest, person, name, role, is_yes, reason, at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    job,
                    self._asking(job),
                    digest,
                    vote.person,
                    vote.name,
                    vote.role,
                    vote.is_yes,
                    vote.reason,
                    format_time(vote.at),
                ),
            )

    def _asking(self, job: int) -> int:
        row = self._store.row(
            "SELECT max(id) AS asking FROM job_history WHERE job = ? AND action = 'ask'", (job,)
        )
        return int(row["asking"] or 0) if row else 0
