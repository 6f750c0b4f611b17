"""What the agent knows of its server: the work it offers, and since when it is away.

What it learns is stored, so that ``site status`` can say it from another process.
"""

import threading
from dataclasses import dataclass
from datetime import datetime

from medperf.domain.clock import Clock
from medperf.domain.identifiers import format_time, parse_time
from medperf.site.store.connection import Component, Store

TABLES = Component(
    "link",
    (
        """
CREATE TABLE link (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  heard_at TEXT,
  away_since TEXT,
  problem TEXT NOT NULL DEFAULT ''
);
INSERT INTO link (id) VALUES (1);
""",
    ),
)


@dataclass(frozen=True, slots=True)
class LinkState:
    """When the server was last heard, and since when it is not (with the error's sentence)."""

    heard_at: datetime | None
    away_since: datetime | None
    problem: str


class Link:
    """Whether the server answers."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()
        self._away_since = self.state().away_since

    def state(self) -> LinkState:
        """What is stored."""
        row = self._store.row("SELECT * FROM link")
        heard, away = (row["heard_at"], row["away_since"]) if row else (None, None)
        return LinkState(
            parse_time(heard) if heard else None,
            parse_time(away) if away else None,
            row["problem"] if row else "",
        )

    @property
    def away_since(self) -> datetime | None:
        """Since when the server does not answer."""
        return self._away_since

    def heard(self) -> bool:
        """The server answered; answers whether it had been away."""
        with self._lock:
            was_away, self._away_since = self._away_since is not None, None
            with self._store.transaction() as tx:
                tx.execute(
                    "UPDATE link SET heard_at = ?, away_since = NULL, problem = ''",
                    (format_time(self._clock()),),
                )
            return was_away

    def lost(self, problem: str) -> bool:
        """The server did not answer; answers whether that is news."""
        with self._lock:
            if self._away_since is not None:
                return False
            self._away_since = self._clock()
            with self._store.transaction() as tx:
                tx.execute(
                    "UPDATE link SET away_since = ?, problem = ?",
                    (format_time(self._away_since), problem),
                )
            return True
