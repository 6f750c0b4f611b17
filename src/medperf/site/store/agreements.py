"""Agreements of this site's organization whose signatures were verified here, with their proof.

What is kept holds without the server: a term that ends here ends work at once, online or not. An
agreement is never deleted, so that a decision can say which one is over, and since when.
"""

import json
from dataclasses import dataclass
from datetime import datetime

from medperf.domain.identifiers import format_time, parse_time
from medperf.policy.facts import AgreementFacts
from medperf.site.store.connection import Component, Row, Store

TABLES = Component(
    "agreements",
    (
        """
CREATE TABLE agreements (
  agreement_id INTEGER PRIMARY KEY,
  kind TEXT NOT NULL,
  title TEXT NOT NULL,
  document_digest TEXT NOT NULL,
  party_ids TEXT NOT NULL,
  benchmark_id INTEGER,
  dataset_id INTEGER,
  model_id INTEGER,
  starts_at TEXT NOT NULL,
  ends_at TEXT NOT NULL,
  terminated_at TEXT,
  bundle TEXT NOT NULL,
  verified_at TEXT NOT NULL
);
CREATE TRIGGER agreements_keep_lines BEFORE DELETE ON agreements
  BEGIN SELECT RAISE(ABORT, 'an agreement that was verified is kept'); END;
CREATE TABLE agreements_heard (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  version INTEGER NOT NULL
);
INSERT INTO agreements_heard VALUES (1, -1);
""",
    ),
)


@dataclass(frozen=True, slots=True)
class KnownAgreement:
    """An agreement as its parties signed it; ``bundle`` is the JSON text that proves it."""

    agreement_id: int
    kind: str
    title: str
    document_digest: str
    party_ids: frozenset[int]
    benchmark_id: int | None
    dataset_id: int | None
    model_id: int | None
    starts_at: datetime
    ends_at: datetime
    terminated_at: datetime | None
    bundle: str
    verified_at: datetime

    def covers(self, *, benchmark_id: int, dataset_id: int, model_id: int) -> bool:
        """Whether it holds for this: what it is not limited in, it holds for."""
        return (
            self.benchmark_id in {None, benchmark_id}
            and self.dataset_id in {None, dataset_id}
            and self.model_id in {None, model_id}
        )

    def facts(self) -> AgreementFacts:
        """What a policy may look at."""
        return AgreementFacts(
            id=self.agreement_id,
            kind=self.kind,
            digest=self.document_digest,
            party_ids=self.party_ids,
            starts_at=self.starts_at,
            ends_at=self.ends_at,
            terminated_at=self.terminated_at,
        )


class Agreements:
    """The agreements that one site knows."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def all(self) -> list[KnownAgreement]:
        """Every one, in force or not, by number."""
        return [_known(row) for row in self._store.rows("SELECT * FROM agreements ORDER BY 1")]

    def version(self) -> int:
        """What the server's agreements were heard at; -1 before they ever were."""
        row = self._store.row("SELECT version FROM agreements_heard")
        return row["version"] if row else -1

    def keep(self, agreement: KnownAgreement) -> None:
        """Keep an agreement, or what became of a known one."""
        with self._store.transaction(durable=True) as tx:
            tx.execute(
                "INSERT INTO agreements VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (agreement_id) DO UPDATE SET"
                " terminated_at = coalesce(terminated_at, excluded.terminated_at),"
                " bundle = excluded.bundle, verified_at = excluded.verified_at",
                (
                    agreement.agreement_id,
                    agreement.kind,
                    agreement.title,
                    agreement.document_digest,
                    json.dumps(sorted(agreement.party_ids)),
                    agreement.benchmark_id,
                    agreement.dataset_id,
                    agreement.model_id,
                    format_time(agreement.starts_at),
                    format_time(agreement.ends_at),
                    agreement.terminated_at and format_time(agreement.terminated_at),
                    agreement.bundle,
                    format_time(agreement.verified_at),
                ),
            )

    def heard(self, version: int) -> None:
        """Everything that the server had at this version is here."""
        with self._store.transaction() as tx:
            tx.execute("UPDATE agreements_heard SET version = ?", (version,))


def _known(row: Row) -> KnownAgreement:
    ended = row["terminated_at"]
    return KnownAgreement(
        agreement_id=row["agreement_id"],
        kind=row["kind"],
        title=row["title"],
        document_digest=row["document_digest"],
        party_ids=frozenset(json.loads(row["party_ids"])),
        benchmark_id=row["benchmark_id"],
        dataset_id=row["dataset_id"],
        model_id=row["model_id"],
        starts_at=parse_time(row["starts_at"]),
        ends_at=parse_time(row["ends_at"]),
        terminated_at=parse_time(ended) if ended else None,
        bundle=row["bundle"],
        verified_at=parse_time(row["verified_at"]),
    )
