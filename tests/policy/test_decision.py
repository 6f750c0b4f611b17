from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from policy import policy_world as world

from medperf.domain.errors import MalformedFileError
from medperf.policy.actions import Action, Answer, Scope
from medperf.policy.decision import Policy
from medperf.policy.facts import ApprovalFacts
from medperf.policy.templates import DEFAULT, Choice, compose

ORDER = [Answer.DENY, Answer.ASK, Answer.GO_AHEAD]
site_actions = st.sampled_from([Action.RUN, Action.RELEASE])
PERMIT_ALL = '@id("all") @reason("Everything.") permit (principal, action, resource);\n'


def rank(answer):
    return ORDER.index(answer)


def test_the_default_asks_a_person_and_names_the_rule():
    decision = Policy(compose(DEFAULT)).decide(Action.RUN, world.FACTS)
    assert decision.answer is Answer.ASK
    (finding,) = decision.findings
    assert (finding.policy_id, finding.effect, finding.action) == ("ask", "permit", "run")
    assert finding.reason.startswith("Every run")
    assert decision.policy_digest == Policy(compose(DEFAULT)).digest


def test_a_persons_yes_goes_ahead_where_no_rule_permits_unattended():
    approved = replace(world.FACTS, approvals=ApprovalFacts(n=1))
    assert Policy(compose(DEFAULT)).decide(Action.RUN, approved).answer is Answer.GO_AHEAD


@pytest.mark.parametrize(
    "text", [None, "", "// nothing", "permit", "permit(principal, action, x);"]
)
def test_a_missing_or_faulty_policy_denies_and_says_why(text):
    policy = Policy(text)
    decision = policy.decide(Action.RUN, world.FACTS)
    assert decision.answer is Answer.DENY
    assert decision.errors
    assert decision.errors[0].startswith("no valid policy: line 1")
    assert decision.policy_digest is None
    with pytest.raises(MalformedFileError, match="line 1"):
        policy.demand_valid()


@settings(max_examples=30)
@given(world.facts, site_actions, st.lists(world.limits | world.eases, max_size=4))
def test_without_a_permit_everything_is_denied(facts, action, choices):
    rules = [rule for rule in compose(choices).split("\n\n") if "\npermit" not in f"\n{rule}"]
    policy = Policy("\n".join(rules))
    assert policy.decide(action, facts).answer is Answer.DENY


@settings(max_examples=30)
@given(world.facts, site_actions, st.lists(world.limits | world.eases, max_size=4))
def test_a_forbid_wins_over_every_permit(facts, action, choices):
    forbid = f'@id("no") forbid (principal, action == Action::"{action}", resource);'
    policy = Policy(PERMIT_ALL + compose(choices) + forbid)
    decision = policy.decide(action, facts)
    assert decision.answer is Answer.DENY
    assert "no" in decision.policy_ids


@settings(max_examples=30)
@given(world.facts, site_actions, st.lists(world.limits, max_size=3), world.limits, world.eases)
def test_a_limit_never_permits_more_and_an_ease_never_less(facts, action, some, limit, ease):
    before = Policy(compose(some)).decide(action, facts).answer
    limited = Policy(compose([*some, limit])).decide(action, facts).answer
    eased = Policy(compose([*some, ease])).decide(action, facts).answer
    assert rank(limited) <= rank(before) <= rank(eased)


@settings(max_examples=30)
@given(world.facts, site_actions)
def test_all_facts_fit_the_schema(facts, action):
    decision = Policy(PERMIT_ALL).decide(action, facts)
    assert decision.errors == ()
    assert decision.answer is Answer.GO_AHEAD


@settings(max_examples=30)
@given(world.facts, world.times, st.timedeltas(min_value=world.LATER - world.NOW))
def test_what_is_over_stays_over(facts, end, later):
    policy = Policy(compose([Choice("until", {"end": end})]))
    at_end = replace(facts, now=end)
    assert policy.decide(Action.RUN, at_end).answer is Answer.DENY
    try:
        after = replace(facts, now=end + later)
    except OverflowError:
        return
    assert policy.decide(Action.RUN, after).answer is Answer.DENY


def test_a_rule_that_fails_denies_although_cedar_would_skip_it():
    overflow = (
        '@id("overflow") forbid (principal, action, resource)\n'
        "when { context.counts.executions + 9223372036854775807 > 0 };"
    )
    counts = replace(world.FACTS.counts, executions=1)
    policy = Policy(PERMIT_ALL + overflow)
    assert policy.is_valid
    decision = policy.decide(Action.RUN, replace(world.FACTS, counts=counts))
    assert decision.answer is Answer.DENY
    assert "overflow" in decision.errors[0]


@pytest.mark.parametrize(
    "facts",
    [
        replace(world.FACTS, counts=replace(world.FACTS.counts, executions=2**63)),
        replace(world.FACTS, purpose=3),
        replace(world.FACTS, document=None),
    ],
)
def test_facts_outside_the_schema_deny(facts):
    decision = Policy(PERMIT_ALL).decide(Action.RELEASE, facts)
    assert decision.answer is Answer.DENY
    assert decision.errors


def test_a_policy_answers_only_for_its_own_scope_and_facts():
    site, server = Policy(PERMIT_ALL), Policy(PERMIT_ALL, Scope.SERVER)
    assert site.decide(Action.ASSOCIATE, world.ASKING).answer is Answer.DENY
    assert server.decide(Action.RUN, world.FACTS).answer is Answer.DENY
    assert server.decide(Action.ASSOCIATE, world.FACTS).answer is Answer.DENY
    assert server.decide(Action.ASSOCIATE, world.ASKING).answer is Answer.GO_AHEAD


def test_a_time_without_a_zone_is_refused():
    naive = replace(world.FACTS, now=datetime(2026, 1, 1))  # noqa: DTZ001
    with pytest.raises(ValueError, match="zone"):
        Policy(PERMIT_ALL).decide(Action.RUN, naive)


def test_the_time_reaches_cedar_in_utc_to_the_millisecond():
    text = (
        '@id("t") permit (principal, action, resource)\nwhen {{ context.now == datetime("{}") }};'
    )
    moment = datetime(2026, 3, 1, 12, 0, 0, 123999, tzinfo=UTC)
    policy = Policy(text.format("2026-03-01T12:00:00.123Z"))
    assert policy.decide(Action.RUN, replace(world.FACTS, now=moment)).answer is Answer.GO_AHEAD
