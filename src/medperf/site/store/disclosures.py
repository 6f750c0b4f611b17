"""The cells of every document that left, and of those about to: what differencing is held against.

A document's cells are written when it is built, in the transaction that has it wait for people, so
two results that would give somebody away together cannot both be waiting. Once a document may have
left, its cells count for ever; SQLite refuses to change or delete a line. Cases are known by tags
under a key that is made here and stays here.
"""

import hashlib
import json
import secrets
from collections.abc import Mapping

from medperf.domain.clock import Clock
from medperf.domain.identifiers import format_time
from medperf.policy.cohorts import PATIENT_BYTES, Cell, Cohort, Release
from medperf.site.store.connection import Component, Row, Store

_TAG_BYTES = 2 * PATIENT_BYTES
_TABLES = ("disclosures", "disclosed_cells", "disclosed_cohorts", "disclosures_left", "tag_key")

TABLES = Component(
    "disclosures",
    (
        """
CREATE TABLE tag_key (key BLOB NOT NULL);
CREATE TABLE disclosures (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  job INTEGER NOT NULL,
  model TEXT NOT NULL,
  owner_id INTEGER NOT NULL,
  fingerprint TEXT NOT NULL,
  made_at TEXT NOT NULL
);
CREATE INDEX disclosures_by_model ON disclosures (model);
CREATE INDEX disclosures_by_owner ON disclosures (owner_id);
CREATE INDEX disclosures_by_job ON disclosures (job);
CREATE TABLE disclosed_cohorts (
  digest TEXT PRIMARY KEY,
  tags BLOB NOT NULL
);
CREATE TABLE disclosed_cells (
  disclosure INTEGER NOT NULL REFERENCES disclosures (number),
  metric TEXT NOT NULL,
  class_label TEXT,
  subgroup TEXT NOT NULL,
  n INTEGER NOT NULL,
  cohort TEXT REFERENCES disclosed_cohorts (digest)
);
CREATE INDEX disclosed_cells_by_disclosure ON disclosed_cells (disclosure);
CREATE TABLE disclosures_left (
  disclosure INTEGER PRIMARY KEY REFERENCES disclosures (number),
  at TEXT NOT NULL
);
"""
        + "".join(
            f"""
CREATE TRIGGER {table}_keep_lines BEFORE DELETE ON {table}
  BEGIN SELECT RAISE(ABORT, 'what was disclosed is kept'); END;
CREATE TRIGGER {table}_keep_words BEFORE UPDATE ON {table}
  BEGIN SELECT RAISE(ABORT, 'what was disclosed is kept'); END;
"""
            for table in _TABLES
        ),
    ),
)

_EARLIER = """
SELECT d.*, l.at AS left_at FROM disclosures d
  LEFT JOIN disclosures_left l ON l.disclosure = d.number
  LEFT JOIN jobs j ON j.number = d.job
WHERE (d.model = :model OR d.owner_id = :owner) AND (
  l.disclosure IS NOT NULL
  OR (d.job <> :job AND j.state IN ('waiting_to_release', 'releasing')
      AND d.number = (SELECT max(number) FROM disclosures WHERE job = d.job)))
ORDER BY d.number
"""


class Disclosures:
    """What left one site, cell by cell."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def key(self) -> bytes:
        """The secret under which cases are hashed; made when it is first asked for."""
        with self._store.transaction(durable=True) as tx:
            row = tx.execute("SELECT key FROM tag_key").fetchone()
            if row is not None:
                return bytes(row["key"])
            key = secrets.token_bytes(32)
            tx.execute("INSERT INTO tag_key VALUES (?)", (key,))
            return key

    def earlier(self, job: int, *, model: str, owner_id: int) -> list[Release]:
        """What left, or is about to, of a model or another one of its owner; oldest first.

        A job's own document counts once it may have left, not before.
        """
        values = {"job": job, "model": model, "owner": owner_id}
        cohorts: dict[str, frozenset[bytes]] = {}
        return [self._release(row, cohorts) for row in self._store.rows(_EARLIER, values)]

    def of_job(self, job: int) -> list[Release]:
        """What a job released or would release, oldest first."""
        rows = self._store.rows(
            "SELECT d.*, l.at AS left_at FROM disclosures d"
            " LEFT JOIN disclosures_left l ON l.disclosure = d.number WHERE d.job = ?",
            (job,),
        )
        return [self._release(row, {}) for row in rows]

    def keep(self, job: int, release: Release) -> None:
        """Keep the cells of a job's document, in the transaction that takes the job on."""
        with self._store.transaction() as tx:
            number = tx.execute(
                "INSERT INTO disclosures (job, model, owner_id, fingerprint, made_at)"
                " VALUES (?, ?, ?, ?, ?)",
                (
                    job,
                    release.model,
                    release.owner_id,
                    release.fingerprint,
                    format_time(self._clock()),
                ),
            ).lastrowid
            digests: dict[int, str] = {}
            for cell in release.cells:
                members = cell.cohort.members
                digest = None
                if members is not None:
                    digest = digests.get(id(members))
                if members is not None and digest is None:
                    tags = b"".join(sorted(members))
                    digest = digests[id(members)] = hashlib.sha256(tags).hexdigest()
                    tx.execute(
                        "INSERT OR IGNORE INTO disclosed_cohorts VALUES (?, ?)", (digest, tags)
                    )
                subgroup = json.dumps(dict(cell.subgroup))
                tx.execute(
                    "INSERT INTO disclosed_cells VALUES (?, ?, ?, ?, ?, ?)",
                    (number, cell.metric, cell.class_label, subgroup, cell.cohort.n, digest),
                )

    def left(self, job: int) -> None:
        """The job's document is about to be sent; from now on its cells count for ever."""
        with self._store.transaction() as tx:
            tx.execute(
                "INSERT OR IGNORE INTO disclosures_left"
                " SELECT number, ? FROM disclosures WHERE job = ? ORDER BY number DESC LIMIT 1",
                (format_time(self._clock()), job),
            )

    def _release(self, row: Row, cohorts: dict[str, frozenset[bytes]]) -> Release:
        cells = self._store.rows(
            "SELECT * FROM disclosed_cells WHERE disclosure = ? ORDER BY rowid", (row["number"],)
        )
        fate = f"left at {row['left_at'][:10]}" if row["left_at"] else "waiting to leave"
        return Release(
            name=f"job {row['job']}, {fate}",
            model=row["model"],
            owner_id=row["owner_id"],
            fingerprint=row["fingerprint"],
            cells=tuple(
                Cell(
                    cell["metric"],
                    cell["class_label"],
                    tuple(sorted(_table(cell["subgroup"]).items())),
                    Cohort(cell["n"], self._members(cell["cohort"], cohorts)),
                )
                for cell in cells
            ),
        )

    def _members(
        self, digest: str | None, cohorts: dict[str, frozenset[bytes]]
    ) -> frozenset[bytes] | None:
        if digest is None:
            return None
        if digest not in cohorts:
            row = self._store.row("SELECT tags FROM disclosed_cohorts WHERE digest = ?", (digest,))
            tags = bytes(row["tags"]) if row else b""
            cohorts[digest] = frozenset(
                tags[at : at + _TAG_BYTES] for at in range(0, len(tags), _TAG_BYTES)
            )
        return cohorts[digest]


def _table(text: str) -> Mapping[str, str]:
    found: dict[str, str] = json.loads(text)
    return found
