from datetime import UTC, datetime, timedelta

import pytest

from medperf.provenance.grant_check import grant_faults
from medperf.provenance.predicates import GrantPredicate, ResultPredicate, StepTimes
from medperf.provenance.statements import read_statement

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def grant(story):
    return read_statement(story.grant().content, GrantPredicate)


@pytest.fixture
def result(story):
    return read_statement(story.result(story.grant()).content, ResultPredicate).predicate


@pytest.fixture
def signed_by(story):
    return {story.federation.site.key_id}


def step_at(moment):
    return {"steps": (StepTimes(task="infer", started_at=moment, ended_at=moment),)}


def test_a_result_that_answers_its_grant_has_no_faults(result, signed_by, grant):
    assert grant_faults(result, signed_by, grant) == []


@pytest.mark.parametrize("name", ["grant_id", "site_id", "benchmark_id", "dataset_id", "model_id"])
def test_another_number_than_the_granted_one_is_named(result, signed_by, grant, name):
    changed = result.model_copy(update={name: 99})
    (fault,) = grant_faults(changed, signed_by, grant)
    assert fault == f"{name} is 99, the grant says {getattr(grant.predicate, name)}"


def test_another_grant_is_named(result, signed_by, grant):
    other = "sha256:" + "0" * 64
    (fault,) = grant_faults(result.model_copy(update={"grant_digest": other}), signed_by, grant)
    assert other in fault


def test_another_key_than_the_one_granted_to_is_named(result, grant):
    (fault,) = grant_faults(result, {"sha256:other"}, grant)
    assert grant.predicate.site_key_id in fault


@pytest.mark.parametrize("minutes", [-4, 0, 24 * 60, 24 * 60 + 4])
def test_steps_may_begin_while_the_grant_holds_give_or_take_the_clocks(
    result, signed_by, grant, minutes
):
    changed = result.model_copy(update=step_at(NOON + timedelta(minutes=minutes)))
    assert grant_faults(changed, signed_by, grant) == []


@pytest.mark.parametrize("minutes", [-6, 24 * 60 + 5])
def test_steps_that_begin_outside_the_grant_are_named(result, signed_by, grant, minutes):
    changed = result.model_copy(update=step_at(NOON + timedelta(minutes=minutes)))
    (fault,) = grant_faults(changed, signed_by, grant)
    assert fault.startswith("step infer began at ")
