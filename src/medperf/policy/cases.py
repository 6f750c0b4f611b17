"""Tests of a policy: facts and the answer they must get, in a file beside the policy.

A file names only the facts that matter; all others come from an example that nothing special is
true of. ``facts`` of the file hold for every case, ``facts`` of a case override them::

    facts: {dataset: {n_cases: 400}}
    cases:
    - name: a vendor without agreement is denied
      action: run
      facts: {model: {owner_id: 9}}
      expect: deny
      because: only-under-agreement
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from medperf.domain.errors import MalformedFileError
from medperf.policy.actions import Action, Answer, Scope
from medperf.policy.decision import Decision, Policy
from medperf.policy.facts import AnyFacts, AssociationFacts, Facts
from medperf.policy.facts_json import load_facts

_DIGEST = "sha256:" + "0" * 64
_BENCHMARK = {
    "id": 1,
    "digest": _DIGEST,
    "clinical_task": "an example",
    "owner_id": 3,
    "preparator_digest": _DIGEST,
    "evaluator_digest": _DIGEST,
}
EXAMPLES: Mapping[Action, Mapping[str, Any]] = {
    Action.RUN: {
        "model": {"id": 1, "digest": _DIGEST, "owner_id": 2},
        "benchmark": _BENCHMARK,
        "dataset": {"id": 1, "fingerprint": _DIGEST, "n_cases": 100, "owner_id": 1},
        "isolation": {
            "runner": "docker",
            "has_network": False,
            "has_read_only_root": True,
            "has_capabilities": False,
            "is_root": False,
        },
        "now": "2026-01-01T00:00:00Z",
    },
    Action.ASSOCIATE: {
        "kind": "dataset",
        "organization_id": 1,
        "benchmark": _BENCHMARK,
        "digest": _DIGEST,
        "n_cases": 100,
        "now": "2026-01-01T00:00:00Z",
    },
}
"""What a case starts from."""
_DOCUMENT = {"size_bytes": 1_000, "n_suppressed": 0}
_FILE_KEYS = {"facts", "cases"}
_CASE_KEYS = {"name", "action", "facts", "expect", "because"}


@dataclass(frozen=True, slots=True)
class Case:
    """One test; ``because`` names a rule that must be among those that decide."""

    name: str
    action: Action
    facts: AnyFacts
    expected: Answer
    because: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a test; ``complaint`` is empty if it passed."""

    case: Case
    decision: Decision
    complaint: str

    @property
    def has_passed(self) -> bool:
        """Whether the policy answered as expected."""
        return not self.complaint


def read_cases(document: Any, scope: Scope = Scope.SITE) -> tuple[Case, ...]:
    """Read the parsed content of a file of cases.

    Raises:
        MalformedFileError: a key, a fact or an answer is unknown; the message names the case.
    """
    _only(document, _FILE_KEYS, "the file")
    entries = document.get("cases")
    if not isinstance(entries, list) or not entries:
        raise MalformedFileError("the file has no list of cases")
    shared = document.get("facts", {})
    return tuple(_case(entry, shared, scope, f"case {n}") for n, entry in enumerate(entries, 1))


def run_cases(policy: Policy, cases: tuple[Case, ...]) -> tuple[Outcome, ...]:
    """Ask the policy each case."""
    return tuple(_outcome(case, policy.decide(case.action, case.facts)) for case in cases)


def _outcome(case: Case, decision: Decision) -> Outcome:
    complaint = ""
    if decision.answer is not case.expected:
        complaint = f"expected {case.expected}, the policy says {decision.answer}"
    elif case.because is not None and case.because not in decision.policy_ids:
        decided = ", ".join(decision.policy_ids) or "no rule"
        complaint = f"expected {case.because} to decide, but {decided} did"
    return Outcome(case, decision, complaint)


def _case(entry: Any, shared: Any, scope: Scope, where: str) -> Case:
    _only(entry, _CASE_KEYS, where)
    name = entry.get("name")
    if not isinstance(name, str) or not name.strip():
        raise MalformedFileError(f"{where} needs a name")
    where = f"{where} ({name})"
    actions = [action.value for action in Action if action.scope is scope]
    if entry.get("action") not in actions:
        raise MalformedFileError(f"{where}: action is one of {', '.join(actions)}")
    answers = [answer.value for answer in Answer]
    if entry.get("expect") not in answers:
        raise MalformedFileError(f"{where}: expect is one of {', '.join(answers)}")
    action = Action(entry["action"])
    because = entry.get("because")
    if because is not None and not isinstance(because, str):
        raise MalformedFileError(f"{where}: because is the @id of a rule")
    return Case(
        name=name,
        action=action,
        facts=_facts(action, shared, entry.get("facts", {}), where),
        expected=Answer(entry["expect"]),
        because=because,
    )


def _facts(action: Action, shared: Any, own: Any, where: str) -> AnyFacts:
    base = EXAMPLES[Action.ASSOCIATE if action is Action.ASSOCIATE else Action.RUN]
    if action is Action.RELEASE:
        base = {**base, "document": _DOCUMENT}
    for facts in (shared, own):
        if not isinstance(facts, Mapping):
            raise MalformedFileError(f"{where}: facts is a table of names and values")
        base = _merged(base, facts)
    try:
        if action is Action.ASSOCIATE:
            return load_facts(base, AssociationFacts)
        return load_facts(base, Facts)
    except MalformedFileError as error:
        raise MalformedFileError(f"{where}: {error.detail}") from error


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        known = merged.get(key)
        if isinstance(known, Mapping) and isinstance(value, Mapping):
            value = _merged(known, value)  # noqa: PLW2901  (the same entry, completed)
        merged[key] = value
    return merged


def _only(table: Any, keys: set[str], where: str) -> None:
    if not isinstance(table, Mapping):
        raise MalformedFileError(f"{where} is a table of {', '.join(sorted(keys))}")
    unknown = sorted(str(key) for key in table if key not in keys)
    if unknown:
        expected = ", ".join(sorted(keys))
        raise MalformedFileError(f"{where}: {', '.join(unknown)} is unknown; it has {expected}")
