from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from policy import policy_world as world

from medperf.domain.errors import InvalidRequestError
from medperf.policy.actions import Action, Answer, Scope
from medperf.policy.catalog import CATALOG
from medperf.policy.decision import Policy
from medperf.policy.facts import AgreementFacts, ApprovalFacts
from medperf.policy.parameters import literal
from medperf.policy.templates import DEFAULT, Choice, compose, render, show

VALUES = {
    "organizations": [2, 7],
    "benchmarks": [1],
    "purposes": ["benchmarking"],
    "end": "2027-01-31",
    "most": 3,
    "what": "dataset",
}
DENY, ASK, GO = Answer.DENY, Answer.ASK, Answer.GO_AHEAD


def filled(template):
    names = {parameter.name for parameter in template.parameters}
    return {name: value for name, value in VALUES.items() if name in names}


def answer(choices, facts, action=Action.RUN):
    return Policy(compose(choices)).decide(action, facts).answer


EVERY = [(scope, template) for scope in Scope for template in CATALOG[scope].values()]


@pytest.mark.parametrize(
    ("scope", "template"), EVERY, ids=[f"{scope}-{template.name}" for scope, template in EVERY]
)
def test_every_template_makes_a_valid_policy_that_a_form_can_show(scope, template):
    values = filled(template)
    policy = Policy(render(template.name, values, scope=scope), scope)
    assert policy.faults == ()
    (rule,) = show(policy)
    assert rule.choice is not None
    assert rule.choice.template == template.name
    assert set(rule.choice.values) == {parameter.name for parameter in template.parameters}
    assert "{" not in rule.reason
    assert rule.reason.endswith(".")


def test_templates_combine_and_repeat_under_names_of_their_own():
    policy = Policy(compose([Choice("most-per-model", {"most": n}) for n in (5, 3)]))
    assert [rule.id for rule in show(policy)] == ["ask", "most-per-model", "most-per-model-2"]


@settings(max_examples=40)
@given(st.lists(world.limits | world.eases, max_size=4))
def test_what_was_filled_in_is_read_back(choices):
    text = compose([*DEFAULT, *choices])
    shown = [rule.choice for rule in show(Policy(text))]
    assert [choice.template for choice in shown] == ["ask", *(c.template for c in choices)]
    assert compose(shown) == text


def test_a_rule_changed_by_hand_is_not_shown_as_a_form():
    text = compose([Choice("most-per-model", {"most": 3})])
    assert show(Policy(text.replace(">= 3", ">= 30")))[1].choice is None
    assert show(Policy(text.replace("dataset 3 times", "dataset 30 times")))[1].choice is None
    assert show(Policy(text.replace('"{\\"most\\": 3}"', '"[3]"')))[1].choice is None
    assert show(Policy(text.replace("@template", "@other")))[1].choice is None


@settings(max_examples=60)
@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=30))
def test_a_text_cannot_end_the_literal_it_stands_in(text):
    policy = Policy(f'@id("a") @reason({literal(text)}) permit (principal, action, resource);')
    assert policy.rules[0].annotations == {"id": "a", "reason": text}
    rule = f"when {{ context.purpose == {literal(text)} }};"
    compared = Policy(f'@id("a") permit (principal, action == Action::"run", resource) {rule}')
    assert compared.decide(Action.RUN, replace(world.FACTS, purpose=text)).answer is ASK
    assert compared.decide(Action.RUN, replace(world.FACTS, purpose=text + "x")).answer is DENY


@pytest.mark.parametrize(
    ("template", "values", "message"),
    [
        ("nothing", {}, "there is no template"),
        ("ask", {"most": 1}, "there is no such field"),
        ("most-per-model", {}, "most .* is needed"),
        ("most-per-model", {"most": -1}, "at least 0"),
        ("most-per-model", {"most": 2**63}, "at least 0"),
        ("most-per-model", {"most": True}, "whole number"),
        ("most-per-model", {"most": "3; permit"}, "whole number"),
        ("only-model-owners", {"organizations": []}, "between 1"),
        ("only-model-owners", {"organizations": ['3"]']}, "whole number"),
        ("only-model-owners", {"organizations": [0]}, "at least 1"),
        ("only-purposes", {"purposes": ["a\nb"]}, "one line"),
        ("only-purposes", {"purposes": [" "]}, "one line"),
        ("until", {"end": "tomorrow"}, "2027-03-31"),
        ("until", {"end": "2027-01-01T00:00:00"}, "with its zone"),
        ("until", {"end": 7}, "2027-03-31"),
        ("only-under-agreement", {"kind": "handshake"}, "data_use, membership"),
        ("minimum-isolation", {"attested": "yes"}, "yes or no"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_by_name(template, values, message):
    with pytest.raises(InvalidRequestError, match=message):
        render(template, values)


def test_only_these_vendors_and_benchmarks_and_purposes():
    assert answer([Choice("only-model-owners", {"organizations": ["2"]})], world.FACTS) is ASK
    assert answer([Choice("only-model-owners", {"organizations": [3]})], world.FACTS) is DENY
    assert answer([Choice("only-benchmarks", {"benchmarks": 1})], world.FACTS) is ASK
    assert answer([Choice("only-benchmarks", {"benchmarks": [2]})], world.FACTS) is DENY
    assert answer([Choice("only-purposes", {})], world.FACTS) is ASK
    assert answer([Choice("only-purposes", {})], replace(world.FACTS, purpose="ads")) is DENY


def test_until_a_date_for_runs_and_releases():
    choices = [Choice("until", {"end": "2026-01-02"})]
    for action in (Action.RUN, Action.RELEASE):
        last = world.LATER - timedelta(milliseconds=1)
        assert answer(choices, replace(world.FACTS, now=last), action) is ASK
        assert answer(choices, replace(world.FACTS, now=world.LATER), action) is DENY


@pytest.mark.parametrize(
    ("template", "count", "action"),
    [
        ("most-per-model", "executions_of_model", Action.RUN),
        ("most-per-model-owner", "executions_of_model_owner", Action.RUN),
        ("most-per-benchmark", "executions_of_benchmark", Action.RUN),
        ("most-in-total", "executions", Action.RUN),
        ("most-releases-per-model", "releases_of_model", Action.RELEASE),
    ],
)
def test_at_most_n(template, count, action):
    choices = [Choice(template, {"most": 2})]
    answers = [
        answer(
            choices, replace(world.FACTS, counts=replace(world.FACTS.counts, **{count: n})), action
        )
        for n in range(4)
    ]
    assert answers == [ASK, ASK, DENY, DENY]


def test_only_under_an_agreement_that_both_signed_and_that_is_in_force():
    choices = [Choice("only-under-agreement", {"kind": "data_use"})]
    signed = AgreementFacts(
        id=1,
        kind="data_use",
        digest=world.FACTS.model.digest,
        party_ids=frozenset({1, 2}),
        starts_at=world.NOW,
        ends_at=world.LATER,
    )

    def under(agreement, now=world.NOW):
        return answer(choices, replace(world.FACTS, agreements=(agreement,), now=now))

    assert answer(choices, world.FACTS) is DENY
    assert under(signed) is ASK
    assert under(replace(signed, kind="membership")) is DENY
    assert under(replace(signed, party_ids=frozenset({2, 3}))) is DENY  # not with this site
    assert under(replace(signed, party_ids=frozenset({1, 3}))) is DENY  # not with the owner
    assert under(signed, world.LATER) is DENY
    assert under(signed, world.NOW - timedelta(seconds=1)) is DENY


def test_minimum_isolation_and_cohort():
    isolated = world.FACTS.isolation

    def on(values, **changes):
        facts = replace(world.FACTS, isolation=replace(isolated, **changes))
        return answer([Choice("minimum-isolation", values)], facts)

    assert on({}) is ASK
    assert on({}, has_network=True) is DENY
    assert on({}, has_read_only_root=False) is DENY
    assert on({}, has_capabilities=True) is DENY
    assert on({"attested": True}) is DENY
    assert on({"attested": True}, is_attested=True) is ASK
    assert answer([Choice("minimum-cohort", {"least": 100})], world.FACTS) is ASK
    assert answer([Choice("minimum-cohort", {"least": 101})], world.FACTS) is DENY


def test_unattended_for_listed_benchmarks_only():
    for template, action in (
        ("unattended-run", Action.RUN),
        ("unattended-release", Action.RELEASE),
    ):
        assert answer([Choice(template, {"benchmarks": [1, 2]})], world.FACTS, action) is GO
        assert answer([Choice(template, {"benchmarks": [2]})], world.FACTS, action) is ASK


@given(st.integers(0, 4), st.booleans(), st.integers(1, 3), st.booleans(), st.booleans())
@settings(max_examples=60)
def test_several_people_release(n, includes_starter, people, starter_counts, unattended):
    assume(n > 0 or not includes_starter)
    choices = [
        Choice("several-people-release", {"people": people, "starter_counts": starter_counts})
    ]
    if unattended:
        choices.append(Choice("unattended-release", {"benchmarks": [1]}))
    approvals = ApprovalFacts(n=n, includes_starter=includes_starter)
    counted = n if starter_counts else n - includes_starter
    expected = GO if counted >= people else ASK
    facts = replace(world.FACTS, approvals=approvals)
    assert answer(choices, facts, Action.RELEASE) is expected
