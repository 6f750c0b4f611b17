"""The one place that talks to Cedar: parse, validate against the schema, evaluate.

The library is loaded when the first policy is read, so that commands without a policy stay fast.
"""

import dataclasses
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from medperf.policy.actions import Action, Ruling, Scope
from medperf.policy.request import Request
from medperf.policy.schema import SCHEMAS

if TYPE_CHECKING:
    import cedarpy

_POSITION = re.compile(r"policy(\d+)$")


@dataclass(frozen=True, slots=True)
class Rule:
    """One policy of a set, as its text says it."""

    id: str
    effect: str
    """``permit`` or ``forbid``."""
    annotations: Mapping[str, str]
    looks_at: tuple[str, ...]
    """The facts its conditions name, such as ``context.counts.executions``."""
    shape: Any
    """Its syntax tree without annotations: equal for rules that say the same."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """A policy set that parsed; ``rules`` are in the order of the text."""

    handle: "cedarpy.PolicySet"
    rules: tuple[Rule, ...]
    has_slots: bool
    """Some policies are templates in Cedar's sense, which permit and forbid nothing."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What the rules say about one half of a pair, which of them decided, and what went wrong."""

    ruling: Ruling
    deciding: tuple[int, ...]
    errors: tuple[str, ...]


def parse(text: str) -> Parsed:
    """Parse a policy set.

    Raises:
        ValueError: it does not parse; the message is Cedar's own.
    """
    import cedarpy  # noqa: PLC0415  (loaded with the first policy)

    handle = cedarpy.PolicySet.from_str(text)
    tree = handle.to_pst()
    ordered = sorted(tree.static_policies.items(), key=lambda item: position_of(item[0]))
    rules = tuple(
        Rule(
            id=policy.annotations.get("id", ""),
            effect=policy.effect,
            annotations=dict(policy.annotations),
            looks_at=tuple(dict.fromkeys(_paths(policy.clauses))),
            shape=dataclasses.replace(policy, id="", annotations={}),
        )
        for _, policy in ordered
    )
    return Parsed(handle, rules, has_slots=bool(tree.templates))


def position_of(policy_id: str) -> int:
    """Cedar numbers policies in the order of the text; answers -1 for anything else."""
    found = _POSITION.search(policy_id)
    return int(found[1]) if found else -1


def violations(text: str, scope: Scope) -> list[tuple[int, str]]:
    """Check types and names against the schema: which policy, and Cedar's own message."""
    import cedarpy  # noqa: PLC0415  (loaded with the first policy)

    result = cedarpy.validate_policies(text, _schema(scope))
    if result.validation_passed:
        return []
    return [(position_of(error.policy_id), error.error) for error in result.errors]


def evaluate(parsed: Parsed, action: Action, request: Request) -> tuple[Evaluation, Evaluation]:
    """Ask for both halves of a pair at once: the action, and the action unattended."""
    import cedarpy  # noqa: PLC0415  (loaded with the first policy)

    requests = [
        {
            "principal": request.principal,
            "action": {"type": "Action", "id": name},
            "resource": request.resource,
            "context": request.context,
        }
        for name in (action.value, action.unattended)
    ]
    answers = cedarpy.is_authorized_batch(
        requests, parsed.handle, request.entities, _schema(action.scope)
    )
    attended, unattended = (_evaluation(answer) for answer in answers)
    return attended, unattended


def _evaluation(answer: "cedarpy.AuthzResult") -> Evaluation:
    deciding = tuple(sorted(position_of(reason) for reason in answer.diagnostics.reasons))
    errors = tuple(answer.diagnostics.errors)
    if answer.allowed:
        return Evaluation(Ruling.PERMITTED, deciding, errors)
    return Evaluation(Ruling.FORBIDDEN if deciding else Ruling.NOT_PERMITTED, deciding, errors)


@cache
def _schema(scope: Scope) -> "cedarpy.Schema":
    import cedarpy  # noqa: PLC0415  (loaded with the first policy)

    return cedarpy.Schema.from_str(SCHEMAS[scope])


def _paths(node: Any) -> Iterator[str]:
    """Yield the facts that an expression names, each as its longest dotted path."""
    path = _path(node)
    if path is not None:
        yield path
        return
    if isinstance(node, tuple):
        children: Any = node
    elif isinstance(node, Mapping):
        children = node.values()
    elif dataclasses.is_dataclass(node) and not isinstance(node, type):
        children = (getattr(node, field.name) for field in dataclasses.fields(node))
    else:
        return
    for child in children:
        yield from _paths(child)


def _path(node: Any) -> str | None:
    import cedarpy.pst  # noqa: PLC0415  (loaded with the first policy)

    if isinstance(node, cedarpy.pst.Var):
        return str(node.name)
    if isinstance(node, cedarpy.pst.GetAttr):
        base = _path(node.base)
        return None if base is None else f"{base}.{node.attr}"
    return None
