from datetime import datetime

import pytest
import yaml
from policy import policy_world as world

from medperf.domain.errors import MalformedFileError
from medperf.policy.actions import Action, Answer, Scope
from medperf.policy.cases import read_cases, run_cases
from medperf.policy.decision import Policy
from medperf.policy.templates import Choice, compose

FILE = """
facts: {dataset: {n_cases: 400}}
cases:
- name: a vendor on the list is asked about
  action: run
  facts: {model: {owner_id: 7}, now: 2026-05-01T10:00:00Z}
  expect: ask
- name: any other is denied
  action: release
  facts: {document: {n_suppressed: 3}}
  expect: deny
  because: only-model-owners
"""
POLICY = Policy(compose([Choice("only-model-owners", {"organizations": [7]})]))


def test_cases_pass_and_say_what_they_looked_at():
    cases = read_cases(yaml.safe_load(FILE))
    assert [case.facts.dataset.n_cases for case in cases] == [400, 400]
    assert cases[0].facts.model.digest == world.FACTS.model.digest
    assert cases[0].facts.now == datetime.fromisoformat("2026-05-01T10:00:00+00:00")
    assert [outcome.has_passed for outcome in run_cases(POLICY, cases)] == [True, True]


def test_a_wrong_answer_or_a_wrong_rule_fails_with_a_sentence():
    document = yaml.safe_load(FILE)
    document["cases"][0]["expect"] = "go_ahead"
    document["cases"][1]["because"] = "until"
    outcomes = run_cases(POLICY, read_cases(document))
    assert [outcome.complaint for outcome in outcomes] == [
        "expected go_ahead, the policy says ask",
        "expected until to decide, but only-model-owners did",
    ]


def test_a_faulty_policy_fails_every_case_that_expects_more_than_deny():
    outcomes = run_cases(Policy("permit"), read_cases(yaml.safe_load(FILE)))
    assert [outcome.decision.answer for outcome in outcomes] == [Answer.DENY, Answer.DENY]
    assert not any(outcome.has_passed for outcome in outcomes)


def test_cases_of_the_server():
    document = {"cases": [{"name": "x", "action": "associate", "expect": "ask"}]}
    (case,) = read_cases(document, Scope.SERVER)
    assert case.action is Action.ASSOCIATE
    (outcome,) = run_cases(Policy(compose([], scope=Scope.SERVER), Scope.SERVER), (case,))
    assert outcome.has_passed


CASE = {"name": "x", "action": "run", "expect": "ask"}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (None, "the file is a table"),
        ({"case": []}, "case is unknown"),
        ({"cases": []}, "no list of cases"),
        ({"cases": ["x"]}, "case 1 is a table"),
        ({"cases": [{**CASE, "name": ""}]}, "case 1 needs a name"),
        ({"cases": [{**CASE, "action": "associate"}]}, r"case 1 \(x\): action is one of run"),
        ({"cases": [{**CASE, "expect": "maybe"}]}, "expect is one of go_ahead"),
        ({"cases": [{**CASE, "because": 3}]}, "@id"),
        ({"cases": [{**CASE, "facts": {"dataset": {"n_case": 1}}}]}, "dataset.n_case"),
        ({"cases": [{**CASE, "facts": 3}]}, "facts is a table"),
        ({"cases": [{**CASE, "facts": {"model": 3}}]}, "model"),
    ],
)
def test_a_malformed_file_is_refused_by_name(document, message):
    with pytest.raises(MalformedFileError, match=message):
        read_cases(document)
