"""Is this a policy set that can be put in force? Every fault, with line and reason.

Beyond Cedar's own rules a set must hold at least one policy, each policy must carry an ``@id`` of
its own so that a decision can name it, and Cedar's slots (``?principal``) are refused, because a
policy with an open slot looks as if it did something and never does.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from medperf.policy import cedar
from medperf.policy.actions import Scope
from medperf.policy.positions import (
    Statement,
    find_quoted,
    find_syntax_error,
    place,
    statements,
)

MAX_TEXT = 250_000
MAX_DEPTH = 50
MAX_OPERATORS = 400
"""Cedar's parser calls itself for each bracket and operator, and a far larger policy would end the
whole process where its stack ends. Cedar refuses expressions of more than 100 levels anyway."""
_DEEPENING = frozenset({".", "&&", "||", "+", "-", "*", "!", "if"})
_BOILERPLATE = re.compile(r"^(?:Policy parse error: |cedarpy: |for policy `[^`]*`, )+")
_NO_ACTION = "unable to find an applicable action"
"""What Cedar adds when a name in a policy's head is unknown, which it has said already."""


@dataclass(frozen=True, slots=True)
class PolicyFault:
    """One reason why a text is not a policy, and where; both counts begin at 1."""

    line: int
    column: int
    message: str

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}: {self.message}"


def check(text: str, scope: Scope = Scope.SITE) -> list[PolicyFault]:
    """Find every fault of a policy set; an empty list means that it can be put in force."""
    if len(text) > MAX_TEXT:
        return [PolicyFault(1, 1, f"a policy has at most {MAX_TEXT} characters")]
    unreadable = next((i for i, char in enumerate(text) if "\ud800" <= char <= "\udfff"), None)
    if unreadable is not None:
        return [PolicyFault(*_at(text, unreadable), "this character is half of one; remove it")]
    cut = statements(text)
    if not cut:
        return [PolicyFault(1, 1, "there is no policy here, so nothing would ever be permitted")]
    found = _faults(text, cut, scope)
    faults = {PolicyFault(*_at(text, offset), message) for offset, message in found}
    return sorted(faults, key=lambda fault: (fault.line, fault.column, fault.message))


def _faults(text: str, cut: list[Statement], scope: Scope) -> Iterator[tuple[int, str]]:
    deep = [(offset, message) for s in cut for offset, message in _depth_faults(s)]
    if deep:
        yield from deep
        return
    try:
        parsed = cedar.parse(text)
    except ValueError as error:
        broken = [(s, fault) for s in cut if (fault := _syntax_fault(s.source(text)))]
        yield from (_located(text, *found) for found in broken or [(cut[0], str(error))])
        return
    if parsed.has_slots:
        slots = (s for s in cut if any(token.text == "?" for token in s.tokens))
        for statement in slots:
            offset = next(token.offset for token in statement.tokens if token.text == "?")
            yield offset, "a slot is not filled in; write the organization or dataset itself"
        return
    if len(cut) != len(parsed.rules):
        yield 0, f"{len(cut)} policies are written here, but Cedar reads {len(parsed.rules)}"
        return
    yield from _naming_faults(cut, parsed)
    violations = cedar.violations(text, scope)
    explained = {index for index, message in violations if _NO_ACTION not in message}
    for index, message in violations:
        if _NO_ACTION in message and index in explained:
            continue
        where = cut[index] if 0 <= index < len(cut) else cut[0]
        plain = _plain(message)
        yield find_quoted(where, plain), plain


def _located(text: str, statement: Statement, fault: str) -> tuple[int, str]:
    if fault == "unexpected end of input":
        return statement.tokens[-1].offset, "the policy does not end with a semicolon"
    return find_syntax_error(text, statement, fault, _syntax_fault), _plain(fault)


def _depth_faults(statement: Statement) -> Iterator[tuple[int, str]]:
    depth = operators = 0
    for token in statement.tokens:
        depth += (token.text in "([{") - (token.text in ")]}")
        operators += token.text in _DEEPENING
        if depth > MAX_DEPTH:
            yield token.offset, f"brackets are nested deeper than {MAX_DEPTH}"
            return
        if operators > MAX_OPERATORS:
            message = f"a policy has at most {MAX_OPERATORS} operators; make several of it"
            yield token.offset, message
            return


def _naming_faults(cut: list[Statement], parsed: cedar.Parsed) -> Iterator[tuple[int, str]]:
    seen: set[str] = set()
    for statement, rule in zip(cut, parsed.rules, strict=True):
        if not rule.id.strip():
            yield statement.start, 'this policy needs a name: put @id("...") before it'
        elif rule.id in seen:
            yield statement.start, f'another policy is called @id("{rule.id}") already'
        seen.add(rule.id)


def _syntax_fault(source: str) -> str | None:
    try:
        cedar.parse(source)
    except ValueError as error:
        return str(error)
    return None


def _plain(message: str) -> str:
    return _BOILERPLATE.sub("", message).replace('Unattended"', '"')


def _at(text: str, offset: int) -> tuple[int, int]:
    found = place(text, offset)
    return found.line, found.column
