import json

import pytest
from hypothesis import given, settings
from policy import policy_world as world

from medperf.domain.errors import MalformedFileError
from medperf.policy.facts import AssociationFacts, Facts, IsolationFacts
from medperf.policy.facts_json import dump_facts, load_facts


@settings(max_examples=40)
@given(world.facts)
def test_facts_survive_being_kept_as_json(facts):
    written = json.dumps(dump_facts(facts), sort_keys=True)
    again = load_facts(json.loads(written), Facts)
    assert again == facts
    assert json.dumps(dump_facts(again), sort_keys=True) == written


def test_facts_of_an_association_survive_too():
    assert load_facts(dump_facts(world.ASKING), AssociationFacts) == world.ASKING


def test_an_unknown_or_wrong_fact_is_named():
    document = dump_facts(world.FACTS)
    document["dataset"] |= {"n_case": 3, "n_cases": "many"}
    with pytest.raises(MalformedFileError, match=r"dataset\.n_cases.*dataset\.n_case:"):
        load_facts(document, Facts)


def test_isolation_is_what_a_runner_claims_and_nothing_else():
    claims = {
        "network": "none",
        "filesystem": "own read-only root",
        "capabilities": "none",
        "user": "uid 65534",
    }
    assert IsolationFacts.of_runner("docker", claims) == IsolationFacts(
        runner="docker",
        has_network=False,
        has_read_only_root=True,
        has_capabilities=False,
        is_root=False,
    )
    assert IsolationFacts.of_runner("fake", {"network": "not isolated"}) == IsolationFacts(
        runner="fake"
    )
    assert IsolationFacts.of_runner("x", {"user": "root without capabilities"}).is_root
