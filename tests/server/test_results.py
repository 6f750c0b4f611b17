"""Results: nothing is believed that can be checked."""

import pytest
from server_fixtures import PLAN, Federation, SettableClock, digest, typed_document

from medperf.domain.benchmarks import AnalysisPlan
from medperf.domain.errors import (
    ForbiddenError,
    GrantError,
    InvalidRequestError,
    MalformedFileError,
    NotFoundError,
    SignatureError,
    TransitionError,
    UndeclaredValueError,
)
from medperf.domain.executions import Failure, GrantRequest, Pair
from medperf.domain.results import ResultForm
from medperf.provenance.envelope import Envelope
from medperf.provenance.keys import PrivateKey
from medperf.provenance.predicates import GrantPredicate, StepTimes
from medperf.provenance.statements import read_statement


def _submit(federation: Federation, document=None, **changed):
    answer = federation.grant()
    form = federation.result_form(federation.north, answer, document, **changed)
    return federation.north.client.results.submit(form)


def test_a_result_completes_its_execution(federation: Federation) -> None:
    result = federation.result(0.7)
    execution = federation.hana.client.executions.get(result.execution_id)
    assert (execution.state, result.state) == ("completed", "pending")
    assert execution.ended_at is not None
    assert result.document["metrics"][0]["value"] == 0.7


@pytest.mark.parametrize("action", ["approve", "reject"])
def test_the_committee_decides(federation: Federation, action: str) -> None:
    result = federation.cara.client.results.act(federation.result().id, action, "because")
    assert result.state == {"approve": "approved", "reject": "rejected"}[action]
    assert (result.reason, result.decided_by) == ("because", f"user:{federation.cara.user.id}")
    assert result.decided_at is not None


@pytest.mark.parametrize("who", ["hana", "north"])
def test_the_hospital_withdraws(federation: Federation, who: str) -> None:
    result = federation.result()
    assert getattr(federation, who).client.results.act(result.id, "withdraw").state == "withdrawn"


def test_the_committee_cannot_withdraw_for_the_hospital(federation: Federation) -> None:
    with pytest.raises(ForbiddenError):
        federation.cara.client.results.act(federation.result().id, "withdraw")


def test_a_decision_is_made_once(federation: Federation) -> None:
    result = federation.result()
    federation.cara.client.results.act(result.id, "reject")
    with pytest.raises(TransitionError):
        federation.cara.client.results.act(result.id, "approve")


def test_settings_of_the_benchmark_may_approve(federation: Federation) -> None:
    first = federation.benchmark_record
    benchmark = federation.benchmark(
        federation.cara,
        "Automatic",
        preparator_id=first.preparator_id,
        evaluator_id=first.evaluator_id,
        reference_model_id=first.reference_model_id,
        result_auto_approval=True,
    )
    federation.associate(federation.vera, federation.cara, benchmark, federation.net)
    federation.associate(federation.north, federation.cara, benchmark, federation.cases)
    result = federation.run(federation.north, benchmark, federation.net, federation.cases)
    assert (result.state, result.decided_by) == ("approved", "server")


# --- the statement ---


def test_a_person_hands_in_no_results(federation: Federation) -> None:
    form = federation.result_form(federation.north, federation.grant())
    with pytest.raises(ForbiddenError):
        federation.hana.client.results.submit(form)


def test_another_site_hands_in_no_results(federation: Federation) -> None:
    south = federation.site(federation.hospital, "South")
    form = federation.result_form(federation.north, federation.grant())
    with pytest.raises(SignatureError):
        south.client.results.submit(form)
    own = federation.result_form(south, federation.grant())
    with pytest.raises(NotFoundError):
        south.client.results.submit(own)


def test_a_strangers_signature_is_not_believed(federation: Federation) -> None:
    answer = federation.grant()
    stranger = federation.north.__class__(
        federation.north.record, PrivateKey.generate(), federation.north.client
    )
    with pytest.raises(SignatureError):
        federation.north.client.results.submit(federation.result_form(stranger, answer))


def test_a_changed_payload_is_not_believed(federation: Federation) -> None:
    form = federation.result_form(federation.north, federation.grant())
    statement = dict(form.statement)
    statement["payload"] = "e30="
    with pytest.raises(SignatureError):
        federation.north.client.results.submit(ResultForm(statement=statement))


@pytest.mark.parametrize("statement", [{}, {"payload": 1}, {"payload": "?", "signatures": []}])
def test_what_is_no_envelope_is_malformed(federation: Federation, statement: dict) -> None:
    with pytest.raises(MalformedFileError):
        federation.north.client.results.submit(ResultForm(statement=statement))


def test_another_kind_of_statement_is_no_result(federation: Federation) -> None:
    form = federation.dataset_form(
        federation.north,
        federation.cara.client.containers.get(federation.benchmark_record.preparator_id),
        "Other",
    )
    with pytest.raises(MalformedFileError):
        federation.north.client.results.submit(ResultForm(statement=form.statement))


@pytest.mark.parametrize(
    "changed",
    [
        {"dataset_fingerprint": digest("other cases")},
        {"model_image_digest": digest("other model")},
        {"evaluator_image_digest": digest("other evaluator")},
        {"analysis_plan_digest": digest("other plan")},
        {"benchmark_digest": digest("other benchmark")},
        {"model_parameters_digest": None},
        {"grant_digest": digest("other grant")},
        {"site_id": 99},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_a_result_of_other_inputs_does_not_answer_the_grant(
    federation: Federation, changed: dict
) -> None:
    with pytest.raises(GrantError):
        _submit(federation, **changed)


def test_a_result_of_a_grant_that_was_never_given(federation: Federation) -> None:
    with pytest.raises(NotFoundError):
        _submit(federation, grant_id=4711)


def test_a_step_outside_the_grants_time_does_not_answer_it(
    federation: Federation, clock: SettableClock
) -> None:
    early = SettableClock(clock.now)
    early.advance(hours=-1)
    step = StepTimes(task="infer", started_at=early.now, ended_at=clock.now)
    with pytest.raises(GrantError, match="infer"):
        _submit(federation, steps=(step,))


def test_a_digest_that_is_not_that_of_the_document(federation: Federation) -> None:
    with pytest.raises(InvalidRequestError, match="result_digest"):
        _submit(federation, result_digest=digest("other"))


# --- the document ---


def _with(**changes):
    document = typed_document(0.9)
    document["metrics"][0].update(changes)
    return document


@pytest.mark.parametrize(
    ("document", "error"),
    [
        (_with(name="accuracy"), UndeclaredValueError),
        (_with(value=1.5), UndeclaredValueError),
        (_with(n=3), UndeclaredValueError),
        (_with(subgroup={"sex": "female"}), UndeclaredValueError),
        (_with(note="patient 17 was odd"), InvalidRequestError),
        (_with(value="high"), InvalidRequestError),
        (typed_document(0.9, n=500), UndeclaredValueError),
        ({"schema": "medperf.free-form/v1", "values": {"a": 1.0}}, InvalidRequestError),
        ({"schema": "medperf.results/v1", "n_cases": 20}, InvalidRequestError),
    ],
    ids=[
        "undeclared metric", "out of range", "too few cases", "undeclared subgroup", "extra key",
        "text", "more cases than the dataset", "free form", "incomplete",
    ],
)  # fmt: skip
def test_a_document_that_the_plan_does_not_allow_is_refused(
    federation: Federation, document: dict, error: type[Exception]
) -> None:
    with pytest.raises(error):
        _submit(federation, document)
    assert list(federation.cara.client.results.list()) == []
    # Nothing was used up: the grant is good for a result that obeys.
    assert _submit(federation).state == "pending"


def test_a_document_larger_than_the_plan_allows_is_refused(federation: Federation) -> None:
    first = federation.benchmark_record
    plan = AnalysisPlan(free_form=True, free_form_keys=("scores.*",), max_size_bytes=256)
    benchmark = federation.benchmark(
        federation.cara,
        "Free",
        preparator_id=first.preparator_id,
        evaluator_id=first.evaluator_id,
        reference_model_id=first.reference_model_id,
        analysis_plan=plan,
    )
    federation.associate(federation.vera, federation.cara, benchmark, federation.net)
    federation.associate(federation.north, federation.cara, benchmark, federation.cases)
    federation.benchmark_record = benchmark

    def document(n: int) -> dict:
        values = {f"scores.value{i}": float(i) for i in range(n)}
        return {"schema": "medperf.free-form/v1", "values": values}

    with pytest.raises(UndeclaredValueError, match="256"):
        _submit(federation, document(100))
    result = _submit(federation, document(2))
    assert result.document == document(2)
    federation.carl.client.results.act(result.id, "approve")
    [row] = federation.cara.client.benchmarks.leaderboard(benchmark.id).rows
    assert (row.rank, row.n_results, row.cells) == (None, 1, ())


# --- grants and executions ---


def test_a_grant_names_everything_that_could_change_the_number(federation: Federation) -> None:
    answer = federation.grant()
    said = read_statement(Envelope.model_validate(answer.grant).content, GrantPredicate).predicate
    model = federation.north.client.containers.get(
        federation.north.client.models.get(federation.net.id).container_id
    )
    evaluator = federation.north.client.containers.get(federation.benchmark_record.evaluator_id)
    assert said.model_image_digest == model.image_digest
    assert said.model_parameters_digest == model.parameters_digest
    assert said.evaluator_image_digest == evaluator.image_digest
    assert said.dataset_fingerprint == federation.cases.fingerprint
    assert said.benchmark_digest == federation.benchmark_record.digest
    assert said.analysis_plan_digest == federation.benchmark_record.analysis_plan_digest
    assert said.site_key_id == federation.north.key.key_id
    assert said.grant_id == answer.execution.id
    assert said.expires_at == answer.execution.expires_at


def test_asking_again_answers_with_the_same_grant(federation: Federation) -> None:
    """A site that lost the answer loses nothing, and there is still one grant."""
    first, second = federation.grant(), federation.grant()
    assert (first.grant, first.execution.id) == (second.grant, second.execution.id)
    assert len(list(federation.hana.client.executions.list())) == 1


def test_a_pair_with_a_result_gets_no_grant(federation: Federation) -> None:
    federation.result()
    assert federation.grant().problem.code == "grant"
    assert federation.north.client.executions.work().items == ()


def test_each_pair_is_decided_alone(federation: Federation) -> None:
    def pair(model_id: int) -> Pair:
        return Pair(
            benchmark_id=federation.benchmark_record.id,
            model_id=model_id,
            dataset_id=federation.cases.id,
        )

    answers = federation.north.client.executions.request_grants(
        (pair(999), pair(federation.net.id), pair(federation.net.id))
    )
    assert [answer.problem is None for answer in answers] == [False, True, True]
    assert answers[1].grant == answers[2].grant
    assert [answer.pair.model_id for answer in answers] == [
        999,
        federation.net.id,
        federation.net.id,
    ]


def test_a_site_gets_no_grant_for_another_sites_dataset(federation: Federation) -> None:
    south = federation.site(federation.hospital, "South")
    answer = federation.request_grant(
        south, federation.benchmark_record, federation.net, federation.cases
    )
    assert answer.problem.code == "not-operational"
    assert south.client.executions.work().items == ()


def test_people_get_neither_work_nor_grants(federation: Federation) -> None:
    with pytest.raises(ForbiddenError):
        federation.hana.client.executions.work()
    pair = Pair(benchmark_id=1, model_id=1, dataset_id=1)
    with pytest.raises(ForbiddenError):
        federation.hana.client.executions.request_grants(GrantRequest(pairs=(pair,)).pairs)


FAILURE = Failure(code="step-failed", step="infer", resources={"wall_s": 2.5})


def test_a_failed_execution_waits_for_a_retry(federation: Federation) -> None:
    execution = federation.execution()
    failed = federation.north.client.executions.fail(execution.id, FAILURE)
    assert (failed.state, failed.failure_code, failed.resources) == (
        "failed",
        "step-failed",
        {"wall_s": 2.5},
    )
    assert federation.north.client.executions.work().items == ()
    assert federation.grant().problem.code == "grant"
    before = federation.north.client.executions.work().version

    federation.cara.client.executions.act(execution.id, "retry")
    work = federation.north.client.executions.work()
    assert len(work.items) == 1
    assert work.version > before
    assert federation.execution().id != execution.id


@pytest.mark.parametrize("who", ["hana", "north", "cara"])
def test_either_side_may_retry(federation: Federation, who: str) -> None:
    execution = federation.execution()
    federation.north.client.executions.fail(execution.id, FAILURE)
    assert getattr(federation, who).client.executions.act(execution.id, "retry").state == "retried"


def test_a_models_owner_does_not_decide_over_the_hospitals_machine(federation: Federation) -> None:
    execution = federation.execution()
    federation.north.client.executions.fail(execution.id, FAILURE)
    with pytest.raises(ForbiddenError):
        federation.vera.client.executions.act(execution.id, "retry")


@pytest.mark.parametrize("action", ["expire", "revoke"])
def test_what_the_server_does_nobody_asks_for(federation: Federation, action: str) -> None:
    execution = federation.execution()
    for actor in (federation.north, federation.hana, federation.cara):
        with pytest.raises(ForbiddenError):
            actor.client.executions.act(execution.id, action)


def test_only_the_site_starts_and_fails(federation: Federation) -> None:
    execution = federation.execution()
    with pytest.raises(ForbiddenError):
        federation.hana.client.executions.act(execution.id, "start")
    with pytest.raises(ForbiddenError):
        federation.cara.client.executions.fail(execution.id, FAILURE)


def test_the_most_wanted_model_comes_first(federation: Federation) -> None:
    from medperf.domain.associations import AssociationForm

    second = federation.model(federation.vera, "Second")
    form = AssociationForm(
        benchmark_id=federation.benchmark_record.id, kind="model", model_id=second.id, priority=10
    )
    with pytest.raises(ForbiddenError, match="priority"):
        federation.vera.client.associations.register(form)
    asked = federation.cara.client.associations.register(form)
    federation.vera.client.associations.act(asked.id, "approve")
    items = federation.north.client.executions.work().items
    assert [item.model_id for item in items] == [second.id, federation.net.id]


def test_the_plan_of_the_tests_is_what_these_tests_assume() -> None:
    assert (PLAN.smallest_cell, PLAN.metrics[0].upper) == (5, 1)
