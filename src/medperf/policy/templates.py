"""From a filled-in form to a policy, and back.

Each rule carries the template it came from and its parameters as annotations, so that a form can
show a policy again. A rule that was changed by hand no longer says what its annotations say; it is
then read back as text, never as a form that would hide the change.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from medperf.domain.errors import InvalidRequestError
from medperf.policy import cedar
from medperf.policy.actions import Scope
from medperf.policy.catalog import CATALOG, Role, Template
from medperf.policy.decision import Policy
from medperf.policy.parameters import Value, literal, read_all

_FIELD = re.compile(r"\{(\w+)\}")
_BASE = "ask"


@dataclass(frozen=True, slots=True)
class Choice:
    """A template and what was filled in."""

    template: str
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ShownRule:
    """One rule of a policy as a form shows it; ``choice`` is None for a rule written by hand."""

    id: str
    effect: str
    reason: str
    choice: Choice | None


DEFAULT = (Choice(_BASE),)
"""What a site starts with: ask a person for everything."""


def render(template: str, values: Mapping[str, Any], *, scope: Scope = Scope.SITE) -> str:
    """Write one template as one Cedar rule.

    Raises:
        InvalidRequestError: there is no such template, or a value does not fit.
    """
    return _render(Choice(template, values), template, scope)


def compose(choices: Iterable[Choice], *, scope: Scope = Scope.SITE) -> str:
    """Write several templates as one policy set.

    Without a base nothing would ever be permitted, so *ask a person for everything* is put first
    where no base was chosen. A template that is used again gets a number behind its name.

    Raises:
        InvalidRequestError: there is no such template, or a value does not fit.
    """
    chosen = list(choices)
    if not any(_template(choice.template, scope).role is Role.BASE for choice in chosen):
        chosen.insert(0, Choice(_BASE))
    used: dict[str, int] = {}
    rules = []
    for choice in chosen:
        used[choice.template] = count = used.get(choice.template, 0) + 1
        rule_id = choice.template if count == 1 else f"{choice.template}-{count}"
        rules.append(_render(choice, rule_id, scope))
    return "\n".join(rules)


def show(policy: Policy) -> tuple[ShownRule, ...]:
    """Read a policy back, rule by rule; a policy that is not valid has none."""
    return tuple(
        ShownRule(
            rule.id, rule.effect, rule.annotations.get("reason", ""), _choice(rule, policy.scope)
        )
        for rule in policy.rules
    )


def _choice(rule: cedar.Rule, scope: Scope) -> Choice | None:
    name, written = rule.annotations.get("template"), rule.annotations.get("parameters", "{}")
    try:
        choice = Choice(str(name), dict(json.loads(written)))
        again = cedar.parse(_render(choice, rule.id, scope)).rules[0]
    except (ValueError, TypeError, RecursionError, InvalidRequestError):
        return None
    same = again.shape == rule.shape and dict(again.annotations) == dict(rule.annotations)
    return choice if same else None


def _render(choice: Choice, rule_id: str, scope: Scope) -> str:
    template = _template(choice.template, scope)
    values = read_all(template.parameters, choice.values)
    annotations = {
        "id": rule_id,
        "reason": _fill(template.reason, template, values, in_words=True),
        "template": template.name,
        "parameters": json.dumps(values, sort_keys=True, ensure_ascii=False),
    }
    lines = [f"@{name}({literal(text)})" for name, text in annotations.items()]
    return "\n".join([*lines, _fill(template.cedar, template, values), ""])


def _fill(
    text: str, template: Template, values: Mapping[str, Value], *, in_words: bool = False
) -> str:
    by_name = {parameter.name: parameter for parameter in template.parameters}

    def put(match: re.Match[str]) -> str:
        parameter, value = by_name[match[1]], values[match[1]]
        return parameter.words(value) if in_words else parameter.cedar(value)

    return _FIELD.sub(put, text)


def _template(name: str, scope: Scope) -> Template:
    try:
        return CATALOG[scope][name]
    except KeyError:
        known = ", ".join(CATALOG[scope])
        raise InvalidRequestError(f"there is no template {name!r}; there are {known}") from None
