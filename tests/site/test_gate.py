"""The only door: what leaves, in which bytes, and what is written down before."""

import json
import math
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest
import yaml
from hospital import EVALUATOR, MODEL, NOW

from medperf.domain import errors
from medperf.domain.associations import Association, AssociationForm
from medperf.domain.benchmarks import AnalysisPlan, PlannedMetric
from medperf.domain.datasets import Dataset, DatasetForm
from medperf.domain.results import Result
from medperf.policy.disclosure import Finding
from medperf.provenance.canonical import canonical_bytes, digest_of
from medperf.provenance.envelope import Envelope, sign, verify
from medperf.provenance.keys import PrivateKey
from medperf.provenance.predicates import ExecutionInputs, GrantPredicate, ResultPredicate
from medperf.provenance.statements import make_statement, read_statement
from medperf.site.case_statistics import CaseStatistics
from medperf.site.gate import EvaluatorFiles, Examined, Gate
from medperf.site.plans import ExecutionPlan
from medperf.site.screening import Screening
from medperf.site.store import disclosures, jobs, ledger, outputs
from medperf.site.store.connection import Store
from medperf.site.store.jobs import Decision, Failure

DIGEST = "sha256:" + "a" * 64
SITE_KEY = PrivateKey.from_seed(b"s" * 32)
SERVER_KEY = PrivateKey.from_seed(b"k" * 32)
PLAN = AnalysisPlan.model_validate(
    {
        "metrics": [{"name": "accuracy", "lower": 0, "upper": 1}],
        "primary": "accuracy",
        "smallest_cell": 1,
        "max_size_bytes": 256,
    }
)
INPUTS = ExecutionInputs(
    benchmark_id=1,
    benchmark_digest=DIGEST,
    dataset_id=3,
    dataset_fingerprint="blake3:" + "b" * 64,
    model_id=2,
    model_image_digest=MODEL.image_digest,
    evaluator_image_digest=EVALUATOR.image_digest,
    analysis_plan_digest=DIGEST,
)
DOCUMENT = canonical_bytes(
    {"schema": "medperf.results/v1", "n_cases": 9, "n_failed": 0, "metrics": [], "missing": []}
)
PERSON = Decision("release", "approved", "Dr. Ada", "output checker", NOW, "private")


class Server:
    """What the gate calls; it answers as told and remembers what came."""

    def __init__(self):
        self.came = []
        self.error = None
        self.stored = []
        self.results = SimpleNamespace(submit=self.submit, list=self.list_results, get=self.get)
        self.executions = SimpleNamespace(fail=self.fail)
        self.datasets = SimpleNamespace(register=self.register_dataset, list=self.list_stored)
        self.associations = SimpleNamespace(register=self.associate, list=self.list_stored)

    def _take(self, what):
        self.came.append(what)
        if self.error is not None:
            raise self.error

    def submit(self, form):
        self._take(form.statement)
        return result(form.statement)

    def list_results(self, **_):
        return iter(self.stored)

    list_stored = list_results

    def get(self, _):
        return self.stored[0]

    def fail(self, number, failure):
        self._take((number, failure))

    def register_dataset(self, form):
        self._take(form)
        return dataset()

    def associate(self, form):
        self._take(form)
        return association()


def result(statement):
    return Result.model_validate(
        {
            "id": 8,
            "execution_id": 5,
            "benchmark_id": 1,
            "model_id": 2,
            "dataset_id": 3,
            "site_id": 4,
            "state": "pending",
            "statement": statement,
            "created_at": NOW,
        }
    )


def dataset(**changes):
    return Dataset.model_validate(
        {
            "id": 3,
            "name": "Data",
            "version": 1,
            "description": "",
            "preparator_id": 1,
            "fingerprint": INPUTS.dataset_fingerprint,
            "n_cases": 9,
            "site_id": 4,
            "organization_id": 1,
            "state": "development",
            "created_at": NOW,
            **changes,
        }
    )


def association(state="pending"):
    return Association.model_validate(
        {
            "id": 6,
            "benchmark_id": 1,
            "kind": "dataset",
            "dataset_id": 3,
            "state": state,
            "requested_by": "site:4",
            "requested_by_organization_id": 1,
            "created_at": NOW,
        }
    )


def dataset_form(**statistics):
    return DatasetForm(
        name="Data",
        preparator_id=1,
        fingerprint=INPUTS.dataset_fingerprint,
        n_cases=9,
        statistics=statistics,
        statement={},
    )


def association_form(**compatibility):
    return AssociationForm(
        benchmark_id=1, kind="dataset", dataset_id=3, compatibility=compatibility
    )


def grant(issued_at=NOW):
    said = GrantPredicate(
        **INPUTS.model_dump(),
        grant_id=5,
        nonce="n" * 20,
        server="Test",
        site_id=4,
        site_key_id=SITE_KEY.key_id,
        issued_at=issued_at,
        expires_at=issued_at + timedelta(days=1),
    )
    return sign(make_statement(said.subjects(), said), SERVER_KEY)


class Case:
    """A gate with a job that a person released."""

    def __init__(self, folder):
        self.store = Store(
            folder / "store.db", (jobs.TABLES, outputs.TABLES, ledger.TABLES, disclosures.TABLES)
        )
        self.server = Server()
        self.ledger = ledger.Ledger(self.store, lambda: NOW)
        self.outputs = outputs.Outputs(self.store, lambda: NOW)
        self.jobs = jobs.Jobs(self.store, lambda: NOW)
        self.limits = SimpleNamespace(smallest_cell=1, largest_share=1.0)
        screening = Screening(self.store, lambda: NOW, lambda: self.limits)
        self.gate = Gate(
            self.server,
            SITE_KEY,
            self.ledger,
            self.outputs,
            screening,
            site_id=4,
            clock=lambda: NOW,
            statistics=CaseStatistics(lambda: b"s" * 32),
        )
        with self.store.transaction() as tx:
            tx.execute(
                "INSERT INTO jobs (benchmark_id, model_id, dataset_id, priority, state,"
                " execution_id, created_at, changed_at) VALUES (1, 2, 3, 0, 'releasing', 5, ?, ?)",
                ("2026-03-01T12:00:00.000000Z",) * 2,
            )
        self.jobs.remember(
            1,
            document=DOCUMENT,
            grant_envelope=grant().to_bytes().decode(),
            release_decision=PERSON,
        )
        self.plan = ExecutionPlan(
            SimpleNamespace(analysis_plan=PLAN), None, MODEL, EVALUATOR, None, INPUTS, None
        )

    @property
    def job(self):
        return self.jobs.get(1)

    def step(self, task, started_at):
        record = self.outputs.begin(1, task)
        return replace(
            record,
            started_at=started_at,
            ended_at=started_at,
            runner="fake",
            isolation={"kind": "fake"},
        )

    def sent(self):
        envelope = Envelope.model_validate(self.server.came[0])
        payload = verify(envelope, {SITE_KEY.key_id: SITE_KEY.public})
        return read_statement(payload, ResultPredicate).predicate


@pytest.fixture
def case(tmp_path):
    made = Case(tmp_path)
    yield made
    made.store.close()


# --- examining ---


def examine(case, folder, content, plan=PLAN):
    path = folder / "results.yaml"
    path.write_bytes(content if isinstance(content, bytes) else yaml.safe_dump(content).encode())
    left = EvaluatorFiles(path, folder / "cases.csv", INPUTS.dataset_fingerprint, n_cases=20)
    return case.gate.examine(left, plan)


def typed(n_cases=9, **more):
    estimate = {"name": "accuracy", "value": 0.123456789, "n": n_cases}
    return {"schema": "medperf.results/v1", "n_cases": n_cases, "metrics": [estimate]} | more


def test_a_declared_result_becomes_canonical_bytes(case, tmp_path):
    examined = examine(case, tmp_path, typed())
    assert json.loads(examined.document)["metrics"] == [
        {"name": "accuracy", "value": 0.1235, "n": 9}
    ]
    assert examined.document == canonical_bytes(json.loads(examined.document))
    assert examined.error is None


@pytest.mark.parametrize(
    ("content", "code", "kind"),
    [
        (typed(who="Jane"), "undeclared-key", errors.UndeclaredValueError),
        (typed(n_cases=21), "out-of-range", errors.WithheldError),
        (b"a: [", "wrong-form", errors.WithheldError),
        (b"\xff\xfe", "wrong-form", errors.WithheldError),
        (b"x" * 5000, "too-large", errors.WithheldError),
        (b"[" * 2000, "wrong-form", errors.WithheldError),
    ],
)
def test_anything_else_is_kept_with_a_finding(case, tmp_path, content, code, kind):
    examined = examine(case, tmp_path, content)
    assert examined.document is None
    assert code in {finding.code for finding in examined.findings}
    assert type(examined.error) is kind


def test_a_document_larger_than_the_plan_allows_is_kept(case, tmp_path):
    raw = {f"k{number}": number for number in range(40)}
    plan = AnalysisPlan(free_form=True, free_form_keys=("*",), max_size_bytes=256)
    assert [f.code for f in examine(case, tmp_path, raw, plan).findings] == ["too-large"]


def test_the_error_of_a_kept_document_says_nothing_that_was_found():
    finding = Finding("undeclared-key", "Jane Doe", "secret")
    assert "Jane" not in str(Examined(None, (finding,)).error)


# --- screening ---


def screened(case, plan, examined, n_cases=9):
    about = SimpleNamespace(
        benchmark=SimpleNamespace(analysis_plan=plan),
        model=SimpleNamespace(organization_id=1),
        model_container=MODEL,
        dataset=SimpleNamespace(n_cases=n_cases),
        inputs=INPUTS,
    )
    return case.gate.screen(case.job, about, examined)


def test_what_was_kept_is_not_screened(case):
    kept = Examined(None, (Finding("wrong-form", "", "no"),))
    assert screened(case, PLAN, kept) is kept


def test_a_free_form_document_about_too_few_is_kept_with_no_cell_in_the_ledger(case):
    case.limits.smallest_cell = 10
    plan = AnalysisPlan(free_form=True, free_form_keys=("*",), smallest_cell=10)
    document = canonical_bytes({"schema": "medperf.free-form/v1", "values": {"a": 1.0}})
    kept = screened(case, plan, Examined(document, ()))
    assert [finding.code for finding in kept.findings] == ["too-few-people"]
    assert case.store.rows("SELECT * FROM disclosures") == []


def test_a_document_that_grows_by_what_is_listed_as_suppressed_is_kept(case, tmp_path):
    left = tmp_path / "cases.csv"
    left.write_text("case,patient\n" + "".join(f"c{n},p1\n" for n in range(9)))
    names = [f"m{number}" for number in range(4)]
    limits = {"smallest_cell": 2, "max_size_bytes": 256}
    plan = PLAN.model_copy(
        update={"metrics": tuple(PlannedMetric(name=name) for name in names), **limits}
    )
    case.limits.smallest_cell = 2
    metrics = [{"name": name, "value": 1, "n": 9} for name in names]
    document = {"schema": "medperf.results/v1", "n_cases": 9, "metrics": metrics}
    examined = examine(case, tmp_path, document, plan)
    size = len(examined.document)
    plan = plan.model_copy(update={"max_size_bytes": size})
    kept = screened(case, plan, examined)
    assert [finding.code for finding in kept.findings] == ["too-large"]


# --- results ---


def test_what_is_sent_is_signed_and_says_who_released_it(case):
    sent = case.gate.release(case.job, case.plan)
    said = case.sent()
    assert sent.result.id == 8
    assert said.result == json.loads(DOCUMENT)
    assert (said.result_digest, said.grant_id, said.site_id) == (digest_of(DOCUMENT), 5, 4)
    assert [(a.name, a.role) for a in said.approvals] == [("Dr. Ada", "output checker")]
    assert said.policy_decisions == ({"action": "release", "answer": "approved"},)


def test_the_reason_a_person_gave_stays_here(case):
    case.gate.release(case.job, case.plan)
    assert b"private" not in Envelope.model_validate(case.server.came[0]).content


def test_the_ledger_has_the_bytes_before_anything_is_sent(case):
    case.server.error = errors.ServerUnreachableError()
    with pytest.raises(errors.ServerUnreachableError):
        case.gate.release(case.job, case.plan)
    [line] = case.ledger.lines("result")
    assert json.loads(line.content) == case.server.came[0]
    assert (line.released_by, line.answers) == ("Dr. Ada", ())


def test_sending_again_sends_the_same_bytes(case):
    case.server.error = errors.ServerUnreachableError()
    with pytest.raises(errors.ServerUnreachableError):
        case.gate.release(case.job, case.plan)
    case.server.error = None
    sent = case.gate.release(case.job, case.plan)
    with case.gate.answered(sent):
        pass
    assert case.server.came[0] == case.server.came[1]
    [line] = case.ledger.lines("result")
    assert [answer for _, answer in line.answers] == ["result:8"]


def test_a_result_the_server_has_already_counts_as_sent(case):
    case.gate.release(case.job, case.plan)
    case.server.error = errors.GrantError()
    case.server.stored = [result(case.server.came[0])]
    assert case.gate.release(case.job, case.plan).result.id == 8


@pytest.mark.parametrize("statement", [None, {"payload": "other"}])
def test_a_result_that_this_site_did_not_send_is_an_alarm(case, statement):
    case.server.error = errors.GrantError()
    case.server.stored = [result(statement)]
    with pytest.raises(errors.UntrustedError, match="did not send"):
        case.gate.release(case.job, case.plan)


def test_a_result_nobody_here_wrote_is_an_alarm(case):
    case.server.stored = [result({})]
    with pytest.raises(errors.UntrustedError, match="did not send"):
        case.gate.find_reported(case.job)


def test_a_refused_grant_is_written_down(case):
    case.server.error = errors.GrantError()
    with pytest.raises(errors.GrantError):
        case.gate.release(case.job, case.plan)
    [line] = case.ledger.lines("result")
    assert [answer for _, answer in line.answers] == ["grant"]


@pytest.mark.parametrize("column", ["document", "grant_envelope", "release_decision"])
def test_nothing_is_released_without_document_grant_and_decision(case, column):
    case.jobs.remember(1, **{column: None})
    with pytest.raises(errors.ConflictError):
        case.gate.release(case.job, case.plan)
    assert case.server.came == []


def test_what_a_person_rejected_is_not_released(case):
    case.jobs.remember(1, release_decision=replace(PERSON, answer="rejected"))
    with pytest.raises(errors.ConflictError, match="nobody released"):
        case.gate.release(case.job, case.plan)


def test_what_is_shown_is_what_is_sent(case):
    shown = case.gate.show(case.job, case.plan)
    case.gate.release(case.job, case.plan)
    assert shown.statement == case.sent().model_dump(mode="json")
    assert (shown.document, shown.digest) == (json.loads(DOCUMENT), digest_of(DOCUMENT))


def test_steps_of_an_earlier_grant_are_named_as_such(case):
    early, late = NOW - timedelta(days=2), NOW
    case.outputs.keep_predictions(
        case.plan.predictions_key,
        case.step("infer", early),
        digest="blake3:" + "c" * 64,
        size_bytes=1,
    )
    case.outputs.complete(case.step("evaluate", late))
    case.gate.release(case.job, case.plan)
    said = case.sent()
    assert [step.task for step in said.steps] == ["evaluate"]
    assert [step["task"] for step in said.model_extra["earlier_steps"]] == ["infer"]
    assert (said.runner, said.isolation["infer"]) == ("fake", {"kind": "fake"})
    assert said.model_extra["predictions_reused"] is False


def test_predictions_are_named_by_a_commitment_and_not_by_their_digest(case):
    kept = case.outputs.keep_predictions(
        case.plan.predictions_key,
        case.step("infer", NOW),
        digest="blake3:" + "c" * 64,
        size_bytes=1,
    )
    case.gate.release(case.job, case.plan)
    assert case.sent().output_digests == {"predictions": digest_of([kept.digest, kept.nonce])}


# --- failures ---


def test_a_failure_is_a_code_a_step_and_allowed_numbers(case):
    resources = {"exit_code": 3.0, "patient": 7.0, "timeout_s": math.inf}
    resources |= {"peak_memory_bytes": 5 * 2**20 + 4711, "duration_s": 61.0471}
    case.jobs.remember(1, failure=Failure("step-failed", "infer", "Jane Doe", resources))
    case.gate.report_failure(case.job)
    [(number, failure)] = case.server.came
    assert (number, failure.code, failure.step) == (5, "step-failed", "infer")
    coarse = {"peak_memory_bytes": 6 * 2**20, "duration_s": 62.0}
    assert failure.resources == {"exit_code": 3.0, **coarse}
    assert b"Jane" not in case.ledger.lines("failure")[0].content


def test_an_unknown_code_or_step_does_not_leave(case):
    case.jobs.remember(1, failure=Failure("jane-doe", "patient", "", {}))
    case.gate.report_failure(case.job)
    [(_, failure)] = case.server.came
    assert (failure.code, failure.step) == ("error", "run")


@pytest.mark.parametrize("error", [errors.TransitionError(), errors.NotFoundError()])
def test_a_server_that_knows_already_settles_a_failure(case, error):
    case.jobs.remember(1, failure=Failure("step-failed", "infer", "", {}))
    case.server.error = error
    case.gate.report_failure(case.job)
    assert case.ledger.lines("failure")[0].answers[0][1] == error.code


def test_without_a_failure_or_an_execution_nothing_is_told(case):
    case.gate.report_failure(case.job)
    failure = Failure("step-failed", "infer", "", {})
    case.jobs.remember(1, failure=failure, execution_id=None)
    case.gate.report_failure(case.job)
    assert case.server.came == []


# --- datasets and associations ---


def test_a_registration_leaves_with_a_ledger_line(case):
    found = case.gate.register_dataset(dataset_form(mean=0.5), released_by="Ada", role="owner")
    assert found.id == 3
    [line] = case.ledger.lines("dataset")
    assert json.loads(line.content)["statistics"] == {"mean": 0.5}
    assert line.answers[0][1] == "dataset:3"


@pytest.mark.parametrize("statistics", [{"sex": {"male": 3}}, {"mean": 0.123456}, {"max": 90}])
def test_statistics_that_were_not_disclosed_do_not_leave(case, statistics):
    case.limits.smallest_cell = 5
    with pytest.raises(errors.WithheldError, match="too few people"):
        case.gate.register_dataset(dataset_form(**statistics), released_by="A", role="o")
    assert (case.server.came, case.ledger.lines()) == ([], [])


def test_statistics_are_held_against_those_of_another_dataset(case):
    case.limits.smallest_cell = 5
    first = dataset_form(sex={"female": 9})
    case.gate.register_dataset(first, released_by="A", role="o")
    asked = {"n_cases": 10, "preparator_id": 1, "fingerprint": "blake3:" + "c" * 64}
    found = case.gate.disclose_statistics({"sex": {"female": 10}}, **asked)
    assert found.values == {"sex": {}, "suppressed": {"sex.female": "too-close"}}
    again = asked | {"fingerprint": first.fingerprint}
    assert not case.gate.disclose_statistics({"sex": {"female": 10}}, **again).findings


def test_text_in_statistics_does_not_leave(case):
    with pytest.raises(errors.WithheldError, match="statistics may not leave"):
        case.gate.register_dataset(dataset_form(note="x" * 200), released_by="A", role="o")
    assert (case.server.came, case.ledger.lines()) == ([], [])


def test_a_registration_that_was_sent_before_is_found(case):
    case.server.error = errors.DuplicateError()
    case.server.stored = [
        dataset(id=1, state="withdrawn"),
        dataset(id=2, preparator_id=9),
        dataset(),
    ]
    assert case.gate.register_dataset(dataset_form(), released_by="A", role="o").id == 3


def test_a_registration_that_somebody_else_has_is_refused(case):
    case.server.error = errors.DuplicateError()
    with pytest.raises(errors.DuplicateError):
        case.gate.register_dataset(dataset_form(), released_by="A", role="o")


def test_a_request_leaves_with_its_checked_outcome(case):
    form = association_form(accuracy=0.9)
    assert case.gate.request_association(form, released_by="A", role="o").id == 6
    assert case.ledger.lines("association")[0].answers[0][1] == "association:6"


def test_text_in_a_compatibility_outcome_does_not_leave(case):
    form = association_form(log="line\nline")
    with pytest.raises(errors.WithheldError):
        case.gate.request_association(form, released_by="A", role="o")


def test_a_request_that_was_sent_before_is_found(case):
    case.server.error = errors.DuplicateError()
    case.server.stored = [association("withdrawn"), association("approved")]
    found = case.gate.request_association(association_form(), released_by="A", role="o")
    assert found.state == "approved"


def test_a_request_that_is_not_ours_is_refused(case):
    case.server.error = errors.DuplicateError()
    with pytest.raises(errors.DuplicateError):
        case.gate.request_association(association_form(), released_by="A", role="o")


@pytest.mark.parametrize(
    "error",
    [
        errors.InvalidRequestError(),
        errors.NotFoundError(),
        errors.ClockSkewError(),
        errors.AssociationDeniedError(),
        errors.NotOperationalError(),
    ],
)
def test_what_the_server_refused_is_written_down(case, error):
    case.server.error = error
    sendings = {
        "dataset": lambda: case.gate.register_dataset(dataset_form(), released_by="A", role="o"),
        "association": lambda: case.gate.request_association(
            association_form(), released_by="A", role="o"
        ),
        "result": lambda: case.gate.release(case.job, case.plan),
    }
    for kind, send in sendings.items():
        with pytest.raises(type(error)):
            send()
        [line] = case.ledger.lines(kind)
        assert [answer for _, answer in line.answers] == [error.code]


@pytest.mark.parametrize(
    "error", [errors.ServerUnreachableError(), errors.MedPerfError(), errors.ProofError()]
)
def test_what_the_server_may_have_taken_has_no_answer(case, error):
    case.server.error = error
    with pytest.raises(type(error)):
        case.gate.register_dataset(dataset_form(), released_by="A", role="o")
    assert case.ledger.lines("dataset")[0].answers == ()
