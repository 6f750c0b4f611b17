"""Jobs: one model on one dataset for one benchmark, from the server's offer to the report.

`Jobs.transition` is the only way from one state to the next. It asks the lifecycle table, and
writes the state, what is to be remembered with it, and a line of history in one transaction; what
the new state means is acted on afterwards. Killed in between, the agent reads the state and acts.
"""

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from medperf.domain import lifecycle
from medperf.domain.clock import Clock
from medperf.domain.errors import NotFoundError, TransitionError
from medperf.domain.executions import WorkItem
from medperf.domain.identifiers import format_time, parse_time
from medperf.policy.disclosure import Finding
from medperf.site.store.connection import Component, Row, Store

TABLES = Component(
    "jobs",
    (
        """
CREATE TABLE jobs (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  benchmark_id INTEGER NOT NULL,
  model_id INTEGER NOT NULL,
  dataset_id INTEGER NOT NULL,
  priority INTEGER NOT NULL,
  state TEXT NOT NULL,
  waiting_for TEXT NOT NULL DEFAULT '',
  attempts INTEGER NOT NULL DEFAULT 0,
  next_attempt_at TEXT,
  execution_id INTEGER,
  grant_envelope TEXT,
  grant_expires_at TEXT,
  document BLOB,
  findings TEXT NOT NULL DEFAULT '[]',
  failure TEXT,
  failure_owed INTEGER NOT NULL DEFAULT 0,
  run_decision TEXT,
  release_decision TEXT,
  result_id INTEGER,
  created_at TEXT NOT NULL,
  changed_at TEXT NOT NULL
);
CREATE UNIQUE INDEX jobs_one_per_pair ON jobs (benchmark_id, model_id, dataset_id)
  WHERE state <> 'cancelled';
CREATE INDEX jobs_by_state ON jobs (state, priority);
CREATE INDEX jobs_by_execution ON jobs (execution_id);
CREATE TABLE job_history (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  job INTEGER NOT NULL REFERENCES jobs (number),
  at TEXT NOT NULL,
  action TEXT NOT NULL,
  source TEXT NOT NULL,
  target TEXT NOT NULL,
  actor TEXT NOT NULL,
  reason TEXT NOT NULL
);
CREATE INDEX job_history_by_job ON job_history (job);
""",
    ),
)

FINAL = frozenset({"reported", "rejected", "cancelled", "failed", "withheld"})
"""States that the agent does not leave by itself."""

AGENT = "agent"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a job ended without a result. ``detail`` stays at the site."""

    code: str
    step: str
    detail: str
    resources: dict[str, float]


@dataclass(frozen=True, slots=True)
class Decision:
    """How the site answered a question: by its policy (``allow``) or by people.

    Where the policy wanted several people, ``others`` holds those who said yes before.
    """

    action: str  # run, release
    answer: str  # allow, approved, rejected
    name: str
    role: str
    at: datetime
    reason: str = ""
    others: tuple["Decision", ...] = ()


@dataclass(frozen=True, slots=True)
class Job:
    """One job as the store has it."""

    number: int
    benchmark_id: int
    model_id: int
    dataset_id: int
    priority: int
    state: str
    waiting_for: str
    attempts: int
    next_attempt_at: datetime | None
    execution_id: int | None
    grant_envelope: str | None
    grant_expires_at: datetime | None
    document: bytes | None
    findings: tuple[Finding, ...]
    failure: Failure | None
    failure_owed: bool
    run_decision: Decision | None
    release_decision: Decision | None
    result_id: int | None
    created_at: datetime
    changed_at: datetime

    @property
    def pair(self) -> tuple[int, int, int]:
        """Benchmark, model, dataset."""
        return self.benchmark_id, self.model_id, self.dataset_id

    @property
    def is_final(self) -> bool:
        """Whether the agent is done with it."""
        return self.state in FINAL


@dataclass(frozen=True, slots=True)
class Agenda:
    """How many jobs wait to be decided, owe a failure, want a grant, run or may run steps."""

    queued: int
    owed: int
    ready: int
    heavy: int


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """One transition: what, from where to where, by whom, why."""

    at: datetime
    action: str
    source: str
    target: str
    actor: str
    reason: str


class Jobs:
    """The jobs of one store."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    # --- reading ---

    def get(self, number: int) -> Job:
        """One job.

        Raises:
            NotFoundError: there is none with this number.
        """
        row = self._store.row("SELECT * FROM jobs WHERE number = ?", (number,))
        if row is None:
            raise NotFoundError(
                f"this site has no job {number}", hint="'medperf site status' lists the jobs."
            )
        return _job(row)

    def in_states(self, *states: str) -> list[Job]:
        """Jobs in these states (in any, if none is named): urgent ones first, then oldest."""
        where = f"WHERE state IN ({', '.join('?' * len(states))})" if states else ""
        return [
            _job(row)
            for row in self._store.rows(
                f"SELECT * FROM jobs {where} ORDER BY priority DESC, number",  # noqa: S608
                states,
            )
        ]

    def counts(self) -> dict[str, int]:
        """How many jobs are in each state."""
        rows = self._store.rows("SELECT state, count(*) AS n FROM jobs GROUP BY state")
        return {row["state"]: row["n"] for row in rows}

    def of_execution(self, execution_id: int) -> Job | None:
        """The job that runs under this execution's grant."""
        row = self._store.row("SELECT * FROM jobs WHERE execution_id = ?", (execution_id,))
        return _job(row) if row else None

    def agenda(self, now: datetime) -> Agenda:
        """What there is to do, in one look."""
        row = self._store.row(
            "SELECT sum(state = 'queued') AS queued, sum(failure_owed) AS owed,"
            " sum(state = 'ready' AND (next_attempt_at IS NULL OR next_attempt_at <= ?)) AS ready,"
            " sum(state IN ('granted', 'inferring', 'evaluating')) AS heavy FROM jobs"
            " WHERE state NOT IN ('reported', 'rejected', 'cancelled') OR failure_owed = 1",
            (format_time(now),),
        )
        counts = tuple(row) if row else ()
        return Agenda(*(count or 0 for count in counts))

    def owing_failures(self) -> list[Job]:
        """Jobs whose failure the server has not heard of."""
        return [_job(row) for row in self._store.rows("SELECT * FROM jobs WHERE failure_owed = 1")]

    def history(self, number: int) -> list[HistoryLine]:
        """Everything that happened to a job, oldest first."""
        rows = self._store.rows("SELECT * FROM job_history WHERE job = ? ORDER BY id", (number,))
        return [
            HistoryLine(
                parse_time(row["at"]),
                row["action"],
                row["source"],
                row["target"],
                row["actor"],
                row["reason"],
            )
            for row in rows
        ]

    # --- writing ---

    def offer(self, items: Iterable[WorkItem], asked_at: datetime) -> int:
        """Remember work the server offers; answers how many jobs are new or queued again.

        A pair whose execution failed (or was withheld) and that is offered again was retried at the
        server, unless the server was asked before it could know of the failure. Pairs that are
        under way, reported or rejected here are left as they are.
        """
        asked = format_time(asked_at)
        known = {
            (row["benchmark_id"], row["model_id"], row["dataset_id"]): row
            for row in self._store.rows("SELECT * FROM jobs WHERE state <> 'cancelled'")
        }
        new, again = [], []
        for item in items:
            row = known.get((item.benchmark_id, item.model_id, item.dataset_id))
            if row is None:
                new.append(item)
            elif _was_retried(row, asked):
                again.append(row["number"])
        if not new and not again:
            return 0
        now = format_time(self._clock())
        with self._store.transaction() as tx:
            for item in new:
                tx.execute(
                    "INSERT OR IGNORE INTO jobs (benchmark_id, model_id, dataset_id, priority,"
                    " state, created_at, changed_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (
                        item.benchmark_id,
                        item.model_id,
                        item.dataset_id,
                        item.priority,
                        lifecycle.JOB.initial,
                        now,
                        now,
                    ),
                )
            for number in again:
                self.transition(number, "retry", actor="server", **RETRIED)
        return len(new) + len(again)

    def transition(
        self,
        number: int,
        action: str,
        *,
        actor: str = AGENT,
        reason: str = "",
        durable: bool = False,
        **remembered: Any,
    ) -> Job:
        """Take a job to its next state, with what is to be remembered, and answer the job.

        Args:
            number: which job.
            action: an act of the job's lifecycle table.
            actor: who does it.
            reason: why, if a person said.
            durable: survive a power failure too.
            **remembered: columns of the job that change with the state.

        Raises:
            TransitionError: the table does not allow it in the state the job is in now.
        """
        with self._store.transaction(durable=durable) as tx:
            select = "SELECT * FROM jobs WHERE number = ?"
            row = tx.execute(select, (number,)).fetchone()
            if row is None:
                raise TransitionError(f"this site has no job {number}")
            step = lifecycle.JOB.apply(row["state"], action)
            now = format_time(self._clock())
            fixed = {
                "state": step.target,
                "changed_at": now,
                "waiting_for": "",
                "attempts": 0,
                "next_attempt_at": None,
            }
            _update(tx, number, {**fixed, **remembered})
            tx.execute(
                "INSERT INTO job_history (job, at, action, source, target, actor, reason)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (number, now, action, step.source, step.target, actor, reason),
            )
            return _job(tx.execute(select, (number,)).fetchone())

    def remember(self, number: int, **columns: Any) -> None:
        """Change what is remembered of a job, in the state it is in."""
        with self._store.transaction() as tx:
            _update(tx, number, columns)

    def hurry(self) -> None:
        """Have every job that waits for another attempt try now."""
        with self._store.transaction() as tx:
            tx.execute("UPDATE jobs SET next_attempt_at = NULL WHERE next_attempt_at IS NOT NULL")

    def explain(self, reasons: dict[int, str]) -> None:
        """Say what jobs wait for; writes only what changed."""
        if not reasons:
            return
        marks = ", ".join("?" * len(reasons))
        rows = self._store.rows(
            f"SELECT number, waiting_for FROM jobs WHERE number IN ({marks})",  # noqa: S608
            tuple(reasons),
        )
        changed = [r["number"] for r in rows if r["waiting_for"] != reasons[r["number"]]]
        if changed:
            with self._store.transaction() as tx:
                for number in changed:
                    _update(tx, number, {"waiting_for": reasons[number]})


RETRIED: dict[str, Any] = {
    "failure": None,
    "findings": [],
    "document": None,
    "release_decision": None,
    "run_decision": None,
    "execution_id": None,
    "grant_envelope": None,
    "grant_expires_at": None,
}
"""What a job forgets when it starts again; steps that were completed are kept."""


def _was_retried(row: Row, asked: str) -> bool:
    # Times are written so that their texts sort as they do.
    return (
        row["state"] in {"failed", "withheld"}
        and row["execution_id"] is not None
        and not row["failure_owed"]
        and row["changed_at"] < asked
    )


def _update(tx: sqlite3.Connection, number: int, columns: dict[str, Any]) -> None:
    names = ", ".join(f"{name} = ?" for name in columns)  # names are ours, values are bound
    tx.execute(
        f"UPDATE jobs SET {names} WHERE number = ?",  # noqa: S608
        (*(_stored(value) for value in columns.values()), number),
    )


def _stored(value: Any) -> Any:
    if isinstance(value, datetime):
        return format_time(value)
    if isinstance(value, Failure):
        return json.dumps([value.code, value.step, value.detail, value.resources])
    if isinstance(value, Decision):
        return json.dumps(_decision_parts(value))
    if isinstance(value, list | tuple):
        return json.dumps([[f.code, f.path, f.message] for f in value])
    return value


def _time(text: str | None) -> datetime | None:
    return parse_time(text) if text else None


def _decision(text: str | None) -> Decision | None:
    return _decision_of(json.loads(text)) if text else None


def _decision_parts(decision: Decision) -> list[Any]:
    said = [decision.action, decision.answer, decision.name, decision.role]
    others = [_decision_parts(other) for other in decision.others]
    return [*said, format_time(decision.at), decision.reason, others]


def _decision_of(parts: list[Any]) -> Decision:
    action, answer, name, role, at, reason, *more = parts
    others = tuple(_decision_of(other) for other in (more[0] if more else ()))
    return Decision(action, answer, name, role, parse_time(at), reason, others)


def _job(row: Row) -> Job:
    return Job(
        number=row["number"],
        benchmark_id=row["benchmark_id"],
        model_id=row["model_id"],
        dataset_id=row["dataset_id"],
        priority=row["priority"],
        state=row["state"],
        waiting_for=row["waiting_for"],
        attempts=row["attempts"],
        next_attempt_at=_time(row["next_attempt_at"]),
        execution_id=row["execution_id"],
        grant_envelope=row["grant_envelope"],
        grant_expires_at=_time(row["grant_expires_at"]),
        document=row["document"],
        findings=tuple(Finding(*parts) for parts in json.loads(row["findings"])),
        failure=Failure(*json.loads(row["failure"])) if row["failure"] else None,
        failure_owed=bool(row["failure_owed"]),
        run_decision=_decision(row["run_decision"]),
        release_decision=_decision(row["release_decision"]),
        result_id=row["result_id"],
        created_at=parse_time(row["created_at"]),
        changed_at=parse_time(row["changed_at"]),
    )
