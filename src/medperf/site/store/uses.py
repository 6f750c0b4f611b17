"""How often this site's data was used: one line for each job that started or whose result left.

A line is written in the transaction that takes the job to its next state, and read in the
transaction that decides whether there may be another one. SQLite refuses to change or delete one.
"""

from medperf.domain.identifiers import format_time, parse_time
from medperf.policy.budget import Use, UseKind
from medperf.site.store.connection import Component, Row, Store

TABLES = Component(
    "uses",
    (
        """
CREATE TABLE uses (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  kind TEXT NOT NULL,
  job TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  model_id INTEGER NOT NULL,
  model_owner_id INTEGER NOT NULL,
  benchmark_id INTEGER NOT NULL,
  at TEXT NOT NULL,
  UNIQUE (kind, job)
);
CREATE INDEX uses_by_fingerprint ON uses (fingerprint);
CREATE INDEX uses_by_time ON uses (at);
CREATE TRIGGER uses_keep_lines BEFORE DELETE ON uses
  BEGIN SELECT RAISE(ABORT, 'a use that was recorded is kept'); END;
CREATE TRIGGER uses_keep_words BEFORE UPDATE ON uses
  BEGIN SELECT RAISE(ABORT, 'a use that was recorded is kept'); END;
""",
        "ALTER TABLE uses ADD COLUMN model_digest TEXT NOT NULL DEFAULT '';",
    ),
)


class Uses:
    """The uses of one site's datasets."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def about(self, fingerprint: str) -> list[Use]:
        """Every use of a dataset, and the latest use of any: it bounds the time from below."""
        rows = self._store.rows(
            "SELECT * FROM uses WHERE fingerprint = ?"
            " OR number = (SELECT number FROM uses ORDER BY at DESC LIMIT 1)",
            (fingerprint,),
        )
        return [_use(row) for row in rows]

    def record(self, use: Use) -> None:
        """Record a use; a job that starts again is the same use."""
        with self._store.transaction() as tx:
            tx.execute(
                "INSERT OR IGNORE INTO uses"
                " (kind, job, fingerprint, model_id, model_digest, model_owner_id, benchmark_id,"
                " at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    use.kind.value,
                    use.job,
                    use.fingerprint,
                    use.model_id,
                    use.model_digest,
                    use.model_owner_id,
                    use.benchmark_id,
                    format_time(use.at),
                ),
            )


def _use(row: Row) -> Use:
    return Use(
        kind=UseKind(row["kind"]),
        job=row["job"],
        fingerprint=row["fingerprint"],
        model_id=row["model_id"],
        model_digest=row["model_digest"],
        model_owner_id=row["model_owner_id"],
        benchmark_id=row["benchmark_id"],
        at=parse_time(row["at"]),
    )
