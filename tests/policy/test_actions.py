import itertools

import pytest

from medperf.policy.actions import Action, Answer, Ruling, Scope, answer_of

P, N, F = Ruling.PERMITTED, Ruling.NOT_PERMITTED, Ruling.FORBIDDEN
GO, ASK, DENY = Answer.GO_AHEAD, Answer.ASK, Answer.DENY

# (run, runUnattended): without a person's yes, with it
TABLE = {
    (P, P): (GO, GO),
    (P, N): (ASK, GO),
    (P, F): (ASK, ASK),
    (N, P): (DENY, DENY),
    (N, N): (DENY, DENY),
    (N, F): (DENY, DENY),
    (F, P): (DENY, DENY),
    (F, N): (DENY, DENY),
    (F, F): (DENY, DENY),
}


def test_the_table_of_answers_is_complete():
    assert set(TABLE) == set(itertools.product(Ruling, Ruling))


@pytest.mark.parametrize(("rulings", "answers"), TABLE.items())
def test_two_rulings_make_one_answer(rulings, answers):
    assert answers == tuple(answer_of(*rulings, is_approved=yes) for yes in (False, True))


def test_each_action_has_a_scope_and_an_unattended_half():
    assert {action: (action.scope, action.unattended) for action in Action} == {
        Action.RUN: (Scope.SITE, "runUnattended"),
        Action.RELEASE: (Scope.SITE, "releaseUnattended"),
        Action.ASSOCIATE: (Scope.SERVER, "associateUnattended"),
    }
