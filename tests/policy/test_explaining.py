from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from policy import policy_world as world

from medperf.domain.errors import MalformedFileError
from medperf.policy.actions import Action, Answer, Scope
from medperf.policy.decision import Policy
from medperf.policy.explaining import explain
from medperf.policy.facts import AgreementFacts, ApprovalFacts
from medperf.policy.simulating import PastDecision, simulate
from medperf.policy.templates import Choice, compose


def lines(choices, facts, action=Action.RUN):
    return explain(Policy(compose(choices)).decide(action, facts), facts)


def test_asking_names_the_rule_and_that_none_permits_unattended():
    assert lines([], world.FACTS) == (
        "Ask a person whether the model may run.",
        "- ask permits run: Every run and every release needs the yes of a person of this site.",
        "- no rule permits runUnattended, so a person decides",
    )


def test_a_denial_shows_the_facts_its_rule_looked_at():
    counts = replace(world.FACTS.counts, executions_of_model=3)
    facts = replace(world.FACTS, counts=counts)
    assert lines([Choice("most-per-model", {"most": 3})], facts) == (
        "Denied: a rule forbids that the model may run.",
        "- most-per-model forbids run: Each model may run on a dataset 3 times.",
        "    counts.executions_of_model is 3",
    )


def test_a_persons_yes_is_part_of_the_explanation():
    approved = replace(world.FACTS, approvals=ApprovalFacts(n=2))
    assert lines([], approved)[-1] == "- no rule permits runUnattended; 2 people said yes"


def test_a_missing_second_person_is_named():
    facts = replace(world.FACTS, approvals=ApprovalFacts(n=1))
    told = lines([Choice("several-people-release", {})], facts, Action.RELEASE)
    assert told[0] == "Ask a person whether the result may leave."
    assert "    approvals.n is 1" in told


def test_an_agreement_that_ended_is_said_to_have_ended():
    ended = AgreementFacts(
        id=4,
        kind="data_use",
        digest=world.FACTS.model.digest,
        party_ids=frozenset({1, 2}),
        starts_at=world.NOW.replace(year=2025),
        ends_at=world.NOW,
    )
    future = replace(ended, id=5, starts_at=world.LATER, ends_at=world.LATER)
    facts = replace(world.FACTS, agreements=(ended, future))
    told = lines([Choice("only-under-agreement", {})], facts)
    assert "    agreements.with_model_owner is empty" in told
    assert told[-2:] == (
        "- agreement 4 (data_use) ended at 2026-01-01T00:00:00.000000Z",
        "- agreement 5 (data_use) begins at 2026-01-02T00:00:00.000000Z",
    )


def test_an_agreement_in_force_needs_no_word():
    facts = replace(world.FACTS, agreements=(replace(_in_force(), id=6),))
    text = (
        '@id("signed") permit (principal, action, resource)'
        " when { !context.agreements.with_model_owner.isEmpty() };"
    )
    told = explain(Policy(text).decide(Action.RUN, facts), facts)
    assert told[0].startswith("Go ahead")
    assert not [line for line in told if line.startswith("- agreement")]


def _in_force():
    return AgreementFacts(
        id=4,
        kind="data_use",
        digest=world.FACTS.model.digest,
        party_ids=frozenset({world.FACTS.dataset.owner_id, world.FACTS.model.owner_id}),
        starts_at=world.NOW.replace(year=2025),
        ends_at=world.LATER,
    )


def test_whoever_asks_to_take_part_hears_which_agreement_is_lacking():
    text = (
        '@id("why") forbid (principal, action, resource)'
        " when { context.agreements.with_benchmark_owner.isEmpty() };"
    )
    facts = world.ASKING
    told = explain(Policy(text, Scope.SERVER).decide(Action.ASSOCIATE, facts), facts)
    owner = facts.benchmark.owner_id
    assert told[-1] == (
        f"- organizations {facts.organization_id} and {owner} have no agreement that covers this"
    )


def test_facts_inside_a_record_are_looked_at_too():
    text = (
        '@id("record") permit (principal, action, resource)'
        ' when { {"why": context.purpose}.why like "*" };'
    )
    [finding] = Policy(text).decide(Action.RUN, world.FACTS).findings[:1]
    assert "context.purpose" in finding.looks_at


def test_an_agreement_that_was_terminated_says_since_when():
    ended = AgreementFacts(
        id=4,
        kind="data_use",
        digest=world.FACTS.model.digest,
        party_ids=frozenset({world.FACTS.dataset.owner_id, world.FACTS.model.owner_id}),
        starts_at=world.NOW.replace(year=2025),
        ends_at=world.LATER,
        terminated_at=world.NOW,
    )
    facts = replace(world.FACTS, agreements=(ended,))
    told = lines([Choice("only-under-agreement", {})], facts)
    assert told[-1] == "- agreement 4 (data_use) was terminated at 2026-01-01T00:00:00.000000Z"
    in_force = replace(facts, agreements=(replace(ended, terminated_at=world.LATER),))
    assert lines([Choice("only-under-agreement", {})], in_force)[0].startswith("Ask a person")


def test_an_agreement_that_was_never_signed_is_missed_by_its_sides():
    told = lines([Choice("only-under-agreement", {})], world.FACTS)
    ours, theirs = world.FACTS.dataset.owner_id, world.FACTS.model.owner_id
    assert told[-1] == f"- organizations {ours} and {theirs} have no agreement that covers this"


def test_no_permit_and_faults_are_told_apart():
    forbid = '@id("f") forbid (principal, action, resource) when { false };'
    nothing = Policy(forbid).decide(Action.RUN, world.FACTS)
    assert explain(nothing, world.FACTS) == ("Denied: nothing permits that the model may run.",)
    faulty = Policy("").decide(Action.RUN, world.FACTS)
    assert explain(faulty, world.FACTS)[1].startswith("- no valid policy: line 1")


def test_entities_and_their_attributes_are_shown():
    text = (
        '@id("e") permit (principal, action, resource) when {\n'
        '  context.benchmark.clinical_task == "an example" && resource.n_cases > 3 &&\n'
        '  principal in Organization::"2" && context.benchmark == Benchmark::"1" &&\n'
        '  !context.isolation.has_network && context.now < datetime("2030-01-01") };'
    )
    told = explain(Policy(text).decide(Action.RUN, world.FACTS), world.FACTS)
    assert told[0] == "Go ahead: the model may run."
    assert told[2:8] == (
        "    benchmark.clinical_task is an example",
        "    resource.n_cases is 100",
        "    principal is model 1",
        "    benchmark is benchmark 1",
        "    isolation.has_network is false",
        "    now is 2026-01-01T00:00:00.000Z",
    )


@settings(max_examples=30)
@given(world.facts, st.lists(world.limits | world.eases, max_size=4))
def test_every_decision_can_be_explained(facts, choices):
    for action in (Action.RUN, Action.RELEASE):
        assert all(line.strip() for line in lines(choices, facts, action))


def test_simulating_a_draft_keeps_what_differs():
    history = [
        PastDecision("execution:1", Action.RUN, world.FACTS, Answer.ASK),
        PastDecision("execution:2", Action.RUN, replace(world.FACTS, purpose="ads"), Answer.ASK),
    ]
    assert simulate(history, Policy(compose([]))) == ()
    (difference,) = simulate(history, Policy(compose([Choice("only-purposes", {})])))
    assert difference.past.subject == "execution:2"
    assert difference.decision.answer is Answer.DENY
    assert difference.decision.policy_ids == ("only-purposes",)


def test_a_faulty_draft_is_not_simulated():
    with pytest.raises(MalformedFileError, match="line 1"):
        simulate([], Policy("permit"))
