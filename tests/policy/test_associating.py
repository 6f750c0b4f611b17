"""A benchmark's policy is Cedar text; without any, a person is asked about everybody."""

from dataclasses import replace

import pytest
from policy import policy_world as world

from medperf.domain.associations import AssociationKind
from medperf.domain.errors import MalformedFileError
from medperf.policy.actions import Action, Answer, Scope
from medperf.policy.associating import association_policy
from medperf.policy.templates import Choice, compose

ALWAYS = Choice("accept-all", {"what": "model"})
LISTED = Choice("accept-organizations", {"what": "model", "organizations": [1, 2]})


@pytest.mark.parametrize("text", ["", "  \n"])
def test_without_a_text_a_person_is_asked(text):
    policy = association_policy(text)
    assert policy.decide(Action.ASSOCIATE, world.ASKING).answer is Answer.ASK


@pytest.mark.parametrize(
    ("choices", "organization_id", "answer"),
    [
        ([], 1, Answer.ASK),
        ([ALWAYS], 5, Answer.GO_AHEAD),
        ([LISTED], 1, Answer.GO_AHEAD),
        ([LISTED], 5, Answer.ASK),
    ],
)
def test_never_always_and_a_list_are_templates(choices, organization_id, answer):
    policy = association_policy(compose(choices, scope=Scope.SERVER))
    facts = replace(world.ASKING, organization_id=organization_id, kind=AssociationKind.MODEL)
    assert policy.decide(Action.ASSOCIATE, facts).answer is answer
    other = replace(facts, kind=AssociationKind.DATASET)
    assert policy.decide(Action.ASSOCIATE, other).answer is Answer.ASK


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("permit (principal, action, resource)", "line 1"),
        ('@id("a")\npermit (principal, action, resource) when { context.color == 1 };', "color"),
        ('@id("a") permit (principal, action == Action::"run", resource);', "line 1"),
    ],
)
def test_a_fault_is_told_with_its_line(text, words):
    with pytest.raises(MalformedFileError, match=words):
        association_policy(text)
