"""Which policy is in force: the text of ``policy.cedar``, if it is the one that was put in force.

The folder has the text, where people read it. The store has each version with the site's signed
statement, so that a policy cannot change without a trace. Where the two differ, or there is none,
nothing is permitted and the reason is said.
"""

import threading
from dataclasses import dataclass
from pathlib import Path

from medperf.domain.clock import Clock
from medperf.policy.decision import Policy
from medperf.policy.templates import DEFAULT, compose
from medperf.provenance.envelope import sign
from medperf.provenance.keys import Signer
from medperf.provenance.predicates import Approval, PolicyPredicate
from medperf.provenance.statements import make_statement
from medperf.site.settings import replace_file
from medperf.site.store.connection import Store
from medperf.site.store.policies import PolicyVersion, PolicyVersions

_SET_IT = "'medperf policy set --file policy.cedar' puts it in force"


@dataclass(frozen=True, slots=True)
class InForce:
    """The policy to ask. While ``problem`` says something, everything is denied."""

    policy: Policy
    version: int | None
    problem: str = ""


class SitePolicy:
    """One site's policy: what is in force, and the way to change it."""

    def __init__(
        self, path: Path, store: Store, signer: Signer, *, site_id: int, clock: Clock
    ) -> None:
        self._path = path
        self._store = store
        self._signer = signer
        self._site_id = site_id
        self._clock = clock
        self._made: Policy | None = None
        self._lock = threading.Lock()
        self.versions = PolicyVersions(store)

    def current(self) -> InForce:
        """The policy in force now; a change by another process counts at once."""
        found = self._look()
        if not found.problem:
            return found
        # Another process may be putting one in force just now: see file and line of one moment.
        with self._store.transaction():
            return self._look()

    def _look(self) -> InForce:
        latest = self.versions.latest()
        if latest is None:
            return InForce(Policy(None), None, "no policy was ever put in force")
        try:
            text = self._path.read_bytes().decode()
        except FileNotFoundError:
            return InForce(Policy(None), None, "policy.cedar is missing")
        except (OSError, UnicodeDecodeError) as error:
            return InForce(Policy(None), None, f"policy.cedar cannot be read: {error}")
        policy = self._policy(text)
        if policy.digest != latest.digest:
            changed = f"policy.cedar is not version {latest.version} that was put in force"
            return InForce(Policy(None), None, f"{changed}; {_SET_IT}")
        faults = "; ".join(str(fault) for fault in policy.faults)
        return InForce(policy, latest.version, f"policy.cedar: {faults}" if faults else "")

    def put_in_force(self, text: str, approved_by: tuple[Approval, ...] = ()) -> PolicyVersion:
        """Put a policy in force; one that is in force already is answered as it is.

        Raises:
            MalformedFileError: it has faults; the message names each with its line.
        """
        policy = Policy(text)
        policy.demand_valid()
        # An agent decides in transactions of its own, so it sees the file and the line together.
        with self._store.transaction(durable=True):
            latest = self.versions.latest()
            if latest is not None and latest.digest == policy.digest:
                replace_file(self._path, text)
                return latest
            now = self._clock()
            predicate = PolicyPredicate(
                policy_version=latest.version + 1 if latest else 1,
                policy_digest=policy.digest,
                supersedes_digest=latest.digest if latest else None,
                site_id=self._site_id,
                approved_by=approved_by,
                in_force_at=now,
            )
            envelope = sign(make_statement(predicate.subjects(), predicate), self._signer)
            made = PolicyVersion(predicate.policy_version, text, policy.digest, envelope, now)
            self.versions.add(made)
            replace_file(self._path, text)
            return made

    def begin(self) -> None:
        """Put the default in force where none ever was: ask a person for everything."""
        if self.versions.latest() is None:
            self.put_in_force(compose(DEFAULT))

    def _policy(self, text: str) -> Policy:
        with self._lock:
            if self._made is None or self._made.text != text:
                self._made = Policy(text)
            return self._made
