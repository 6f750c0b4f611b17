"""The datasets of this site: what they are made from, how far they are, what they became.

A dataset moves through `lifecycle.PREPARATION`. Every change writes the state, what is to be
remembered with it, and a line of history in one transaction. Its files lie in a folder that is
named by its number, so that the site's folder can be moved.
"""

import json
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from unicodedata import normalize

from medperf.domain.clock import Clock
from medperf.domain.container_records import Container
from medperf.domain.errors import ConflictError, DuplicateError, NotFoundError
from medperf.domain.identifiers import format_time, parse_time, require_name
from medperf.domain.lifecycle import PREPARATION
from medperf.site.data_files import holds_files
from medperf.site.store.connection import Component, Row, Store

TABLES = Component(
    "datasets",
    (
        """
CREATE TABLE datasets (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  description TEXT NOT NULL,
  preparator TEXT NOT NULL,
  raw_data_path TEXT,
  raw_labels_path TEXT,
  state TEXT NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  step_id TEXT,
  fingerprint TEXT,
  n_cases INTEGER,
  statistics TEXT,
  prepared_at TEXT,
  dataset_id INTEGER UNIQUE,
  created_at TEXT NOT NULL,
  changed_at TEXT NOT NULL
);
CREATE INDEX datasets_by_state ON datasets (state);
CREATE TABLE dataset_history (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  dataset INTEGER NOT NULL REFERENCES datasets (number),
  at TEXT NOT NULL,
  action TEXT NOT NULL,
  source TEXT NOT NULL,
  target TEXT NOT NULL,
  actor TEXT NOT NULL,
  reason TEXT NOT NULL
);
CREATE INDEX dataset_history_by_dataset ON dataset_history (dataset);
""",
    ),
)


@dataclass(frozen=True, slots=True)
class DatasetFolder:
    """Where the files of a dataset lie."""

    root: Path
    has_separate_labels: bool = True
    """Whether the preparator writes labels apart; older ones leave them with the data."""

    @property
    def data_path(self) -> Path:
        """What models see."""
        return self.root / "data"

    @property
    def labels_path(self) -> Path:
        """What evaluators compare with."""
        return self.root / "labels" if self.has_separate_labels else self.data_path

    @property
    def metadata_path(self) -> Path:
        """What else the preparator keeps; often empty."""
        return self.root / "metadata"

    @property
    def report_path(self) -> Path:
        """The preparation report."""
        return self.root / "report" / "report.yaml"

    @property
    def statistics_path(self) -> Path:
        """What describes the dataset when it is registered."""
        return self.root / "statistics" / "statistics.yaml"

    @property
    def logs(self) -> Path:
        """What the preparator printed, one file for each attempt. It stays here."""
        return self.root / "logs"

    @property
    def lock(self) -> Path:
        """Held by whoever prepares it now."""
        return self.root / "lock"

    @property
    def roots(self) -> Mapping[str, Path]:
        """The folders that the fingerprint covers, by name."""
        found = {"data": self.data_path}
        if self.has_separate_labels:
            found["labels"] = self.labels_path
        if holds_files(self.metadata_path):
            found["metadata"] = self.metadata_path
        return found


@dataclass(frozen=True, slots=True)
class LocalDataset:
    """A dataset of this site. Without raw paths it was imported from another machine of the site.

    ``dataset_id`` is its number at the server, None until it is registered.
    """

    number: int
    name: str
    description: str
    preparator: Container
    raw_data_path: Path | None
    raw_labels_path: Path | None
    folder: DatasetFolder
    state: str
    attempts: int
    step_id: str | None
    fingerprint: str | None
    n_cases: int | None
    statistics: dict[str, Any] | None
    prepared_at: datetime | None
    dataset_id: int | None
    created_at: datetime
    changed_at: datetime

    @property
    def data_path(self) -> Path:
        """What models see."""
        return self.folder.data_path

    @property
    def labels_path(self) -> Path:
        """What evaluators compare with."""
        return self.folder.labels_path

    @property
    def roots(self) -> Mapping[str, Path]:
        """The folders that the fingerprint covers, by name."""
        return self.folder.roots


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """One thing that happened to a dataset."""

    at: datetime
    action: str
    source: str
    target: str
    actor: str
    reason: str


class Datasets:
    """The datasets of one store; their files lie below ``folder``."""

    def __init__(self, store: Store, folder: Path, clock: Clock) -> None:
        self._store = store
        self._folder = folder
        self._clock = clock

    def add(
        self,
        name: str,
        preparator: Container,
        *,
        raw_data_path: Path,
        raw_labels_path: Path,
        description: str = "",
    ) -> LocalDataset:
        """Begin a dataset from raw data, which stays where it is and is only read.

        Raises:
            InvalidRequestError: it cannot be called so.
            DuplicateError: there is a dataset of this name here.
        """
        raw = (str(raw_data_path.absolute()), str(raw_labels_path.absolute()))
        return self._insert(
            name, description, preparator, {"raw_data_path": raw[0], "raw_labels_path": raw[1]}
        )

    def add_prepared(
        self,
        name: str,
        preparator: Container,
        *,
        description: str,
        fingerprint: str,
        n_cases: int,
        statistics: dict[str, Any],
        prepared_at: datetime,
        dataset_id: int | None,
        bring: Callable[[DatasetFolder], None],
    ) -> LocalDataset:
        """Take in a dataset that another machine of this site prepared.

        ``bring`` puts the files into the folder; when it fails, there is no dataset.

        Raises:
            DuplicateError: there is a dataset of this name or server number here.
        """
        columns = {
            "state": "registered" if dataset_id else "prepared",
            "fingerprint": fingerprint,
            "n_cases": n_cases,
            "statistics": statistics,
            "prepared_at": prepared_at,
            "dataset_id": dataset_id,
        }
        with self._store.transaction(durable=True):
            dataset = self._insert(name, description, preparator, columns)
            bring(dataset.folder)
        return dataset

    def get(self, number: int) -> LocalDataset:
        """The dataset of this local number.

        Raises:
            NotFoundError: there is none.
        """
        return self._one("number = ?", number, f"there is no dataset {number} at this site")

    def named(self, name: str) -> LocalDataset:
        """The dataset of this name.

        Raises:
            NotFoundError: there is none.
        """
        return self._one(
            "name = ?", normalize("NFC", name), f"there is no dataset {name!r} at this site"
        )

    def of_server(self, dataset_id: int) -> LocalDataset:
        """The dataset that the server knows under this number.

        Raises:
            NotFoundError: it is not on this machine.
        """
        missing = f"dataset {dataset_id} of the server is not on this machine"
        return self._one("dataset_id = ?", dataset_id, missing)

    def all(self, *, state: str | None = None) -> tuple[LocalDataset, ...]:
        """Every dataset, or those in one state, in the order they were begun."""
        where, values = ("WHERE state = ?", (state,)) if state else ("", ())
        rows = self._store.rows(f"SELECT * FROM datasets {where} ORDER BY number", values)  # noqa: S608  (no outside text)
        return tuple(self._dataset(row) for row in rows)

    def act(
        self, number: int, action: str, *, actor: str, reason: str = "", **remembered: Any
    ) -> LocalDataset:
        """Perform an act of the lifecycle, and remember what came of it.

        Raises:
            TransitionError: the dataset's state does not allow it.
        """
        with self._store.transaction(durable=True) as tx:
            state = self.get(number).state
            transition = PREPARATION.apply(state, action)
            _update(tx, number, self._clock(), {"state": transition.target, **remembered})
            self._write_history(tx, number, action, (state, transition.target), actor, reason)
        return self.get(number)

    def discard(self, number: int, *, actor: str, reason: str = "") -> LocalDataset:
        """Remember that it is gone, and forget what described it; its name becomes free.

        Raises:
            TransitionError: it was discarded before.
        """
        forgotten = dict.fromkeys(
            ("step_id", "fingerprint", "n_cases", "statistics", "prepared_at", "dataset_id")
        )
        with self._store.transaction(durable=True):
            name = f"{self.get(number).name} (discarded {number})"
            while self._store.row("SELECT 1 FROM datasets WHERE name = ?", (name,)) is not None:
                name += "*"
            return self.act(number, "discard", actor=actor, reason=reason, name=name, **forgotten)

    def remember(self, number: int, **remembered: Any) -> LocalDataset:
        """Remember something that changes no state."""
        with self._store.transaction() as tx:
            _update(tx, number, self._clock(), remembered)
        return self.get(number)

    def point_to(self, number: int, *, data: Path | None, labels: Path | None) -> LocalDataset:
        """Read raw data from elsewhere, as when a path was mistyped; None leaves one as it is.

        Raises:
            ConflictError: it is prepared, so raw data are no longer read.
        """
        places = {"raw_data_path": data, "raw_labels_path": labels}
        wanted = {key: str(path.absolute()) for key, path in places.items() if path is not None}
        with self._store.transaction(durable=True) as tx:
            dataset = self.get(number)
            changed = {k: p for k, p in wanted.items() if p != str(getattr(dataset, k))}
            if changed and dataset.prepared_at is not None:
                raise ConflictError(
                    f"{dataset.name!r} is prepared already, from other raw data",
                    hint="Prepare other raw data under another name.",
                )
            if changed:
                _update(tx, number, self._clock(), changed)
        return self.get(number)

    def history(self, number: int) -> tuple[HistoryLine, ...]:
        """Everything that happened to a dataset, oldest first."""
        rows = self._store.rows(
            "SELECT at, action, source, target, actor, reason FROM dataset_history"
            " WHERE dataset = ? ORDER BY id",
            (number,),
        )
        return tuple(HistoryLine(parse_time(row["at"]), *tuple(row)[1:]) for row in rows)

    def _insert(
        self, name: str, description: str, preparator: Container, columns: dict[str, Any]
    ) -> LocalDataset:
        now = format_time(self._clock())
        values = {
            "state": PREPARATION.initial,
            **columns,
            "name": require_name(name),
            "description": description,
            "preparator": preparator.model_dump_json(),
            "created_at": now,
            "changed_at": now,
        }
        names, marks = ", ".join(values), ", ".join("?" * len(values))
        with self._store.transaction(durable=True) as tx:
            try:
                number = tx.execute(
                    f"INSERT INTO datasets ({names}) VALUES ({marks})",  # noqa: S608  (our names)
                    tuple(_stored(value) for value in values.values()),
                ).lastrowid
            except sqlite3.IntegrityError as error:
                column = "name" if "datasets.name" in str(error) else "dataset_id"
                raise DuplicateError(
                    f"there is a dataset with the {column} {values[column]!r} at this site already"
                ) from error
        return self.get(int(number or 0))

    def _one(self, where: str, value: Any, missing: str) -> LocalDataset:
        row = self._store.row(f"SELECT * FROM datasets WHERE {where}", (value,))  # noqa: S608  (ours)
        if row is None:
            raise NotFoundError(missing, hint="See 'medperf dataset ls' at this site.")
        return self._dataset(row)

    def _dataset(self, row: Row) -> LocalDataset:
        preparator = Container.model_validate_json(row["preparator"])
        return LocalDataset(
            number=row["number"],
            name=row["name"],
            description=row["description"],
            preparator=preparator,
            raw_data_path=_path(row["raw_data_path"]),
            raw_labels_path=_path(row["raw_labels_path"]),
            folder=DatasetFolder(self._folder / str(row["number"]), preparator.has_separate_labels),
            state=row["state"],
            attempts=row["attempts"],
            step_id=row["step_id"],
            fingerprint=row["fingerprint"],
            n_cases=row["n_cases"],
            statistics=json.loads(row["statistics"]) if row["statistics"] else None,
            prepared_at=parse_time(row["prepared_at"]) if row["prepared_at"] else None,
            dataset_id=row["dataset_id"],
            created_at=parse_time(row["created_at"]),
            changed_at=parse_time(row["changed_at"]),
        )

    def _write_history(
        self,
        tx: sqlite3.Connection,
        number: int,
        action: str,
        states: tuple[str, str],
        actor: str,
        reason: str,
    ) -> None:
        tx.execute(
            "INSERT INTO dataset_history (dataset, at, action, source, target, actor, reason)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (number, format_time(self._clock()), action, *states, actor, reason),
        )


def _update(tx: sqlite3.Connection, number: int, now: datetime, columns: Mapping[str, Any]) -> None:
    changed = {**columns, "changed_at": now}
    names = ", ".join(f"{name} = ?" for name in changed)
    tx.execute(
        f"UPDATE datasets SET {names} WHERE number = ?",  # noqa: S608  (our names, bound values)
        (*(_stored(value) for value in changed.values()), number),
    )


def _stored(value: Any) -> Any:
    if isinstance(value, datetime):
        return format_time(value)
    return json.dumps(value) if isinstance(value, dict) else value


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None
