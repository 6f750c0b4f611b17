"""What steps left, so that nothing runs twice: steps of jobs, and predictions kept for reuse.

Predictions are named by what made them, the model's container and the dataset's fingerprint, so
that a new evaluator finds them again whichever job asks.
"""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from medperf.domain.clock import Clock
from medperf.domain.identifiers import format_time, parse_time
from medperf.site.store.connection import Component, Row, Store

TABLES = Component(
    "outputs",
    (
        """
CREATE TABLE steps (
  job INTEGER NOT NULL REFERENCES jobs (number),
  task TEXT NOT NULL,
  step_id TEXT NOT NULL,
  began_at TEXT NOT NULL,
  started_at TEXT,
  ended_at TEXT,
  runner TEXT,
  isolation TEXT,
  image_digest TEXT,
  peak_memory_bytes INTEGER,
  PRIMARY KEY (job, task)
);
CREATE TABLE predictions (
  key TEXT PRIMARY KEY,
  job INTEGER NOT NULL,
  digest TEXT NOT NULL,
  nonce TEXT NOT NULL,
  size_bytes INTEGER NOT NULL,
  started_at TEXT NOT NULL,
  ended_at TEXT NOT NULL,
  runner TEXT NOT NULL,
  isolation TEXT NOT NULL,
  made_at TEXT NOT NULL
);
""",
    ),
)


@dataclass(frozen=True, slots=True)
class StepRecord:
    """A step of a job; it is complete when ``ended_at`` is there, else it was interrupted."""

    job: int
    task: str
    step_id: str
    started_at: datetime | None
    ended_at: datetime | None
    runner: str | None
    isolation: Mapping[str, str]
    image_digest: str | None
    peak_memory_bytes: int | None

    @property
    def is_complete(self) -> bool:
        """Whether its outputs are whole."""
        return self.ended_at is not None


@dataclass(frozen=True, slots=True)
class Predictions:
    """What a model answered on a dataset. ``nonce`` blinds the digest where it is published."""

    key: str
    job: int
    digest: str
    nonce: str
    size_bytes: int
    started_at: datetime
    ended_at: datetime
    runner: str
    isolation: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class KeptPredictions:
    """Predictions on the disk: under which name, since when, how large."""

    key: str
    made_at: datetime
    size_bytes: int


class Outputs:
    """The steps and predictions of one store."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def begin(self, job: int, task: str) -> StepRecord:
        """Remember that a step is about to start, under a name of its own."""
        step_id = f"job{job}-{task}-{secrets.token_hex(4)}"
        with self._store.transaction() as tx:
            tx.execute(
                "INSERT OR REPLACE INTO steps (job, task, step_id, began_at) VALUES (?, ?, ?, ?)",
                (job, task, step_id, format_time(self._clock())),
            )
        return StepRecord(job, task, step_id, None, None, None, {}, None, None)

    def complete(self, record: StepRecord) -> None:
        """Remember that a step's outputs are whole."""
        if record.started_at is None or record.ended_at is None:
            raise AssertionError("a complete step has its times")
        with self._store.transaction() as tx:
            tx.execute(
                "UPDATE steps SET started_at = ?, ended_at = ?, runner = ?, isolation = ?,"
                " image_digest = ?, peak_memory_bytes = ? WHERE job = ? AND task = ?",
                (
                    format_time(record.started_at),
                    format_time(record.ended_at),
                    record.runner,
                    json.dumps(dict(record.isolation)),
                    record.image_digest,
                    record.peak_memory_bytes,
                    record.job,
                    record.task,
                ),
            )

    def step(self, job: int, task: str) -> StepRecord | None:
        """What is known of a step."""
        row = self._store.row("SELECT * FROM steps WHERE job = ? AND task = ?", (job, task))
        return _step(row) if row else None

    def interrupted(self) -> list[StepRecord]:
        """Steps that were begun and not completed; after a start these were killed."""
        return [
            _step(row) for row in self._store.rows("SELECT * FROM steps WHERE ended_at IS NULL")
        ]

    def forget(self, job: int, task: str) -> None:
        """Have a step run again."""
        with self._store.transaction() as tx:
            tx.execute("DELETE FROM steps WHERE job = ? AND task = ?", (job, task))

    def keep_predictions(
        self, key: str, record: StepRecord, *, digest: str, size_bytes: int
    ) -> Predictions:
        """Remember predictions that are whole and in their place, and that their step is."""
        now = self._clock()
        kept = Predictions(
            key=key,
            job=record.job,
            digest=digest,
            nonce=secrets.token_hex(16),
            size_bytes=size_bytes,
            started_at=record.started_at or now,
            ended_at=record.ended_at or now,
            runner=record.runner or "",
            isolation=dict(record.isolation),
        )
        with self._store.transaction() as tx:
            self.complete(record)
            tx.execute(
                "INSERT OR REPLACE INTO predictions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    kept.key,
                    kept.job,
                    kept.digest,
                    kept.nonce,
                    kept.size_bytes,
                    format_time(kept.started_at),
                    format_time(kept.ended_at),
                    kept.runner,
                    json.dumps(kept.isolation),
                    format_time(now),
                ),
            )
        return kept

    def predictions(self, key: str) -> Predictions | None:
        """Predictions that are kept under a name."""
        row = self._store.row("SELECT * FROM predictions WHERE key = ?", (key,))
        if row is None:
            return None
        return Predictions(
            row["key"],
            row["job"],
            row["digest"],
            row["nonce"],
            row["size_bytes"],
            parse_time(row["started_at"]),
            parse_time(row["ended_at"]),
            row["runner"],
            json.loads(row["isolation"]),
        )

    def all_predictions(self) -> list[KeptPredictions]:
        """Everything that is kept for reuse."""
        rows = self._store.rows("SELECT key, made_at, size_bytes FROM predictions ORDER BY made_at")
        return [
            KeptPredictions(row["key"], parse_time(row["made_at"]), row["size_bytes"])
            for row in rows
        ]

    def forget_predictions(self, key: str) -> None:
        """Have a model run again on a dataset."""
        with self._store.transaction() as tx:
            tx.execute("DELETE FROM predictions WHERE key = ?", (key,))


def _step(row: Row) -> StepRecord:
    return StepRecord(
        job=row["job"],
        task=row["task"],
        step_id=row["step_id"],
        started_at=parse_time(row["started_at"]) if row["started_at"] else None,
        ended_at=parse_time(row["ended_at"]) if row["ended_at"] else None,
        runner=row["runner"],
        isolation=json.loads(row["isolation"]) if row["isolation"] else {},
        image_digest=row["image_digest"],
        peak_memory_bytes=row["peak_memory_bytes"],
    )
