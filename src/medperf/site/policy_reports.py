"""Telling the server's log which policy is in force: number and digest of each version, no text.

The statement is the one that the site signed when it put the version in force. So nobody, the site
included, can say later that another policy was in force when a result was measured.
"""

from typing import Any

from medperf.client.api import ServerClient
from medperf.domain.errors import (
    AwaitingCourierError,
    ConflictError,
    ForbiddenError,
    InvalidRequestError,
    UntrustedError,
)
from medperf.site.store.connection import Component, Store
from medperf.site.store.policies import PolicyVersions

TABLES = Component(
    "policy_reports",
    (
        """
CREATE TABLE policy_reports (
  version INTEGER PRIMARY KEY,
  answer TEXT NOT NULL
);
""",
    ),
)

_REFUSALS = (UntrustedError, InvalidRequestError, ConflictError, ForbiddenError)


class PolicyReports:
    """Which versions of a site's policy the server's log has."""

    def __init__(self, store: Store, client: ServerClient, log: Any) -> None:
        self._store = store
        self._client = client
        self._log = log
        self._versions = PolicyVersions(store)

    def send(self) -> None:
        """Have every version logged that is not yet, oldest first.

        A refusal is kept and not asked for again: a version that was signed with a key that is
        revoked by now can never be logged.

        Raises:
            AwaitingCourierError: some wait for a courier.
            UnavailableError: the server is away; sending again later sends the same statements.
        """
        known = {row["version"] for row in self._store.rows("SELECT version FROM policy_reports")}
        latest = self._versions.latest()
        if latest is None or latest.version in known:
            return
        waiting: AwaitingCourierError | None = None
        for version in self._versions.all():
            if version.version in known:
                continue
            answer = "logged"
            try:
                self._client.sites.log_policy(version.envelope.to_value())
            except AwaitingCourierError as error:
                waiting = error  # the later ones travel with it
                continue
            except _REFUSALS as error:
                answer = error.code
                self._log.warning("policy_not_logged", code=error.code)
            with self._store.transaction() as tx:
                tx.execute(
                    "INSERT OR REPLACE INTO policy_reports VALUES (?, ?)",
                    (version.version, answer),
                )
        if waiting is not None:
            raise waiting
