"""What the policy said about each job, with the facts that it looked at.

From the facts and the policy of that digest every decision can be made again, years later.
"""

import json
from dataclasses import dataclass, replace
from datetime import datetime

from medperf.domain.identifiers import format_time, parse_time
from medperf.policy.actions import Action, Answer
from medperf.policy.decision import Decision
from medperf.policy.facts import Facts
from medperf.policy.facts_json import dump_facts, load_facts
from medperf.site.store.connection import Component, Row, Store

TABLES = Component(
    "rulings",
    (
        """
CREATE TABLE rulings (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  job INTEGER NOT NULL,
  action TEXT NOT NULL,
  answer TEXT NOT NULL,
  policy_digest TEXT,
  rules TEXT NOT NULL,
  errors TEXT NOT NULL,
  facts TEXT NOT NULL,
  at TEXT NOT NULL
);
CREATE INDEX rulings_by_job ON rulings (job, action);
CREATE TRIGGER rulings_keep_lines BEFORE DELETE ON rulings
  BEGIN SELECT RAISE(ABORT, 'a decision that was made is kept'); END;
CREATE TRIGGER rulings_keep_words BEFORE UPDATE ON rulings
  BEGIN SELECT RAISE(ABORT, 'a decision that was made is kept'); END;
""",
    ),
)


@dataclass(frozen=True, slots=True)
class RecordedRuling:
    """One decision about one job. ``policy_digest`` is None where no policy was in force."""

    number: int
    job: int
    action: Action
    answer: Answer
    policy_digest: str | None
    rules: tuple[str, ...]
    errors: tuple[str, ...]
    facts: Facts
    at: datetime


class Rulings:
    """The decisions of one site's policy."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def keep(self, job: int, decision: Decision, facts: Facts) -> None:
        """Keep a decision; one that says what the job's last one said is not written again."""
        with self._store.transaction() as tx:
            last = self.latest(job, decision.action)
            made = RecordedRuling(
                number=last.number if last else 0,
                job=job,
                action=decision.action,
                answer=decision.answer,
                policy_digest=decision.policy_digest,
                rules=decision.policy_ids,
                errors=decision.errors,
                facts=facts,
                at=facts.now,
            )
            if last is not None and _is_old_news(last, made):
                return
            tx.execute(
                "INSERT INTO rulings"
                " (job, action, answer, policy_digest, rules, errors, facts, at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    job,
                    made.action.value,
                    made.answer.value,
                    made.policy_digest,
                    json.dumps(made.rules),
                    json.dumps(made.errors),
                    json.dumps(dump_facts(facts)),
                    format_time(made.at),
                ),
            )

    def latest(self, job: int, action: Action | None = None) -> RecordedRuling | None:
        """The last decision about a job, of this action if one is named."""
        row = self._store.row(
            "SELECT * FROM rulings WHERE job = ? AND action = coalesce(?, action)"
            " ORDER BY number DESC LIMIT 1",
            (job, action.value if action else None),
        )
        return _ruling(row) if row else None

    def of_job(self, job: int) -> list[RecordedRuling]:
        """Every decision about a job, oldest first."""
        rows = self._store.rows("SELECT * FROM rulings WHERE job = ? ORDER BY number", (job,))
        return [_ruling(row) for row in rows]

    def all(self) -> list[RecordedRuling]:
        """Every decision, oldest first."""
        return [_ruling(row) for row in self._store.rows("SELECT * FROM rulings ORDER BY number")]


def _is_old_news(last: RecordedRuling, made: RecordedRuling) -> bool:
    # Time passes all the while; everything else that differs is news.
    return replace(last, at=made.at, facts=replace(last.facts, now=made.facts.now)) == made


def _ruling(row: Row) -> RecordedRuling:
    return RecordedRuling(
        number=row["number"],
        job=row["job"],
        action=Action(row["action"]),
        answer=Answer(row["answer"]),
        policy_digest=row["policy_digest"],
        rules=tuple(json.loads(row["rules"])),
        errors=tuple(json.loads(row["errors"])),
        facts=load_facts(json.loads(row["facts"]), Facts),
        at=parse_time(row["at"]),
    )
