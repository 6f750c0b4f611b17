"""May this happen? Facts in; go ahead, ask a person, or deny out, with the rules that decided.

Whatever is wrong leads to *deny*: no policy, one that does not parse or fit the schema, facts that
do not fit it, and a rule that fails while it is evaluated. (Cedar itself skips a rule that fails,
and a skipped forbid would let things through.)
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from medperf.domain.errors import MalformedFileError
from medperf.policy import cedar
from medperf.policy.actions import Action, Answer, Scope, answer_of
from medperf.policy.checking import PolicyFault, check
from medperf.policy.facts import AnyFacts, AssociationFacts
from medperf.policy.request import request_of


@dataclass(frozen=True, slots=True)
class PolicyFinding:
    """One rule that decided: its ``@id``, what it does, its ``@reason``, and what it looked at."""

    policy_id: str
    effect: str
    """``permit`` or ``forbid``."""
    action: str
    """Which half of the pair: ``run`` or ``runUnattended``, and so on."""
    reason: str
    looks_at: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer, why, and under which policy (by digest; None if there is no valid one)."""

    action: Action
    answer: Answer
    findings: tuple[PolicyFinding, ...] = ()
    errors: tuple[str, ...] = ()
    policy_digest: str | None = None

    @property
    def policy_ids(self) -> tuple[str, ...]:
        """The names of the rules that decided, each once."""
        return tuple(dict.fromkeys(finding.policy_id for finding in self.findings))


class Policy:
    """A policy set, made ready once and asked often; it never changes."""

    def __init__(self, text: str | None, scope: Scope = Scope.SITE) -> None:
        """Read a policy set. A faulty or missing one (None) denies everything and says why."""
        self.text = text or ""
        self.scope = scope
        self.faults: tuple[PolicyFault, ...] = tuple(check(self.text, scope))
        encoded = self.text.encode(errors="surrogatepass")  # a faulty text has a digest, too
        self.digest = f"sha256:{hashlib.sha256(encoded).hexdigest()}"
        self._parsed = None if self.faults else cedar.parse(self.text)

    @property
    def is_valid(self) -> bool:
        """Whether it can be put in force."""
        return self._parsed is not None

    @property
    def rules(self) -> tuple[cedar.Rule, ...]:
        """Its rules, in the order of the text; none if it is not valid."""
        return self._parsed.rules if self._parsed else ()

    def demand_valid(self) -> None:
        """Refuse a policy that cannot be put in force.

        Raises:
            MalformedFileError: it has faults; the message names each with its line.
        """
        if self.faults:
            raise MalformedFileError("; ".join(str(fault) for fault in self.faults))

    def decide(self, action: Action, facts: AnyFacts) -> Decision:
        """Answer whether ``action`` may happen."""
        if action.scope is not self.scope:
            return _deny(action, f"a {self.scope} policy does not answer {action}")
        if isinstance(facts, AssociationFacts) is not (self.scope is Scope.SERVER):
            return _deny(action, f"these are not the facts for {action}")
        if self._parsed is None:
            return _deny(action, *(f"no valid policy: {fault}" for fault in self.faults))
        attended, unattended = cedar.evaluate(self._parsed, action, request_of(action, facts))
        errors = tuple(dict.fromkeys(attended.errors + unattended.errors))
        if errors:
            return _deny(action, *errors, digest=self.digest)
        answer = answer_of(attended.ruling, unattended.ruling, is_approved=facts.approvals.n > 0)
        findings = self._findings(action.value, attended.deciding)
        if answer is not Answer.DENY:
            findings += self._findings(action.unattended, unattended.deciding)
        return Decision(action, answer, findings, policy_digest=self.digest)

    def _findings(self, action: str, deciding: Iterable[int]) -> tuple[PolicyFinding, ...]:
        rules = (self.rules[index] for index in deciding)
        return tuple(
            PolicyFinding(
                policy_id=rule.id,
                effect=rule.effect,
                action=action,
                reason=rule.annotations.get("reason", ""),
                looks_at=rule.looks_at,
            )
            for rule in rules
        )


def _deny(action: Action, *errors: str, digest: str | None = None) -> Decision:
    return Decision(action, Answer.DENY, errors=errors, policy_digest=digest)
